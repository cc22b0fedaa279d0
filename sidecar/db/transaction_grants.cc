#include "sidecar/db/transaction_grants.h"

#include "absl/strings/str_cat.h"

#include "sidecar/db/grants.h"

namespace dbos::sidecar {
namespace {

constexpr char kFunction[] = R"(CREATE OR REPLACE FUNCTION {sidecar_schema}record_transaction(
  workflow_id TEXT, owner_token TEXT, step_id INT4, step_name TEXT, started_at BIGINT, completed_at BIGINT,
  application_name TEXT, value TEXT, failure TEXT) RETURNS TEXT LANGUAGE sql VOLATILE SECURITY DEFINER {pin_search_path}
AS $dbos$
INSERT INTO {schema}operation_outputs (workflow_uuid, function_id, function_name, output, error, started_at_epoch_ms,
  completed_at_epoch_ms, serialization, application_name, retention_timestamp)
SELECT (SELECT s.workflow_uuid FROM {schema}workflow_status AS s
        WHERE s.workflow_uuid = $1 AND s.owner_xid = $2 AND {pending} {lock}),
  $3, $4, $8, $9, $5, $6, 'portable_json', $7, {now_ms}
RETURNING output
$dbos$)";

}  // namespace

std::vector<std::string> TransactionGrantStatements(const Dialect& dialect, const std::string& role) {
  const std::string schema = QuoteIdentifier(dialect.schema_name + "_sidecar");
  const std::string to = absl::StrCat(" TO ", QuoteIdentifier(role));
  const std::string on = absl::StrCat(" ON FUNCTION ", schema, ".record_transaction");
  return {
      absl::StrCat("CREATE SCHEMA IF NOT EXISTS ", schema),
      ExpandSql(dialect, kFunction),
      absl::StrCat("REVOKE ALL", on, " FROM PUBLIC"),
      absl::StrCat("GRANT USAGE ON SCHEMA ", schema, to),
      absl::StrCat("GRANT EXECUTE", on, to),
  };
}

absl::Status GrantTransactions(const Database& database, const std::string& role) {
  return RunGrants(database, role, "--sql-role", TransactionGrantStatements(database.dialect, role));
}

}  // namespace dbos::sidecar
