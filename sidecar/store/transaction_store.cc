#include "sidecar/store/transaction_store.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include "sidecar/base/status.h"
#include "sidecar/db/grants.h"
#include "sidecar/store/fence_store.h"
#include "sidecar/store/step_store.h"
#include "sidecar/store/verdicts.h"

namespace dbos::sidecar {
namespace {

constexpr char kUniqueViolation[] = "23505";
constexpr char kNotNullViolation[] = "23502";

// The fence is a locking read in the place of the workflow's id. Where the execution does not own the workflow it finds
// nothing, and a null id fails the whole transaction: an INSERT of no rows would let the user's SQL commit.
#define DBOS_OWNED_WORKFLOW                                   \
  "(SELECT s.workflow_uuid FROM {schema}workflow_status AS s" \
  " WHERE s.workflow_uuid = $1 AND s.owner_xid = $2 AND {pending} {lock})"
#define DBOS_STEP_INSERT                                                                                \
  "INSERT INTO {schema}operation_outputs (workflow_uuid, function_id, function_name, output, error,"    \
  " started_at_epoch_ms, completed_at_epoch_ms, serialization, application_name, retention_timestamp) " \
  "SELECT " DBOS_OWNED_WORKFLOW ", $3, $4, "
#define DBOS_STEP_REST ", $5, $6, 'portable_json', $7, {now_ms}"

constexpr Query kRecordStep = {
    .name = "tx_record_step",
    .args =
        "workflow_id text, owner_token text, step_id int4, new_name text, started_at bigint, completed_at bigint,"
        "application_name text, value text, failure text",
    .rows = "",
    .sql = DBOS_STEP_INSERT "$8, $9" DBOS_STEP_REST,
};
constexpr Query kRecordStepResult = {
    .name = "tx_record_step_result",
    .args =
        "workflow_id text, owner_token text, step_id int4, new_name text, started_at bigint, completed_at bigint,"
        "application_name text",
    .rows = "",
    .sql = DBOS_STEP_INSERT "{result}, NULL" DBOS_STEP_REST,
};

constexpr char kFunctionSchema[] = "CREATE SCHEMA IF NOT EXISTS {function_schema}";
// Holds the statement above, and may do what the role that calls it may not.
constexpr char kRecordFunction[] = R"(CREATE OR REPLACE FUNCTION {sidecar_schema}record_transaction(
  workflow_id TEXT, owner_token TEXT, step_id INT4, new_name TEXT, started_at BIGINT, completed_at BIGINT,
  application_name TEXT, value TEXT, failure TEXT) RETURNS TEXT LANGUAGE sql VOLATILE SECURITY DEFINER {pin_search_path}
AS $dbos$
{record_step}
RETURNING output
$dbos$)";
#define DBOS_STEP_CALL "SELECT {sidecar_schema}record_transaction($1, $2, $3, $4, $5, $6, $7, "

constexpr Query kRecordByFunction = {
    .name = "tx_record_by_function",
    .args =
        "workflow_id text, owner_token text, step_id int4, new_name text, started_at bigint, completed_at bigint,"
        "application_name text, value text, failure text",
    .rows = "",
    .sql = DBOS_STEP_CALL "$8, $9)",
};
constexpr Query kRecordResultByFunction = {
    .name = "tx_record_result_by_function",
    .args =
        "workflow_id text, owner_token text, step_id int4, new_name text, started_at bigint, completed_at bigint,"
        "application_name text",
    .rows = "",
    .sql = DBOS_STEP_CALL "{result}, NULL)",
};

// No more than the SDK writes: no format, no times.
#define DBOS_OUTPUT_INSERT                                                                                    \
  "INSERT INTO {schema}transaction_outputs (workflow_uuid, function_id, function_name, txn_id, txn_snapshot," \
  " created_at, output, error) SELECT $1, $2, $3, '', '', {now_ms}, "

constexpr Query kRecordOutput = {
    .name = "tx_record_output",
    .args = "workflow_id text, step_id int4, new_name text, value text, failure text",
    .rows = "",
    .sql = DBOS_OUTPUT_INSERT "$4, $5",
};
constexpr Query kRecordOutputResult = {
    .name = "tx_record_output_result",
    .args = "workflow_id text, step_id int4, new_name text",
    .rows = "",
    .sql = DBOS_OUTPUT_INSERT "{result}, NULL",
};

constexpr Query kReadStep = {
    .name = "tx_read_step",
    .args = "workflow_id text, step_id int4",
    .rows = "",
    .sql = "SELECT" DBOS_STEP_COLUMNS "FROM {schema}operation_outputs WHERE workflow_uuid = $1 AND function_id = $2",
};
constexpr Query kReadOutput = {
    .name = "tx_read_output",
    .args = "workflow_id text, step_id int4",
    .rows = "",
    .sql =
        "SELECT workflow_uuid, function_id, function_name, output, error, NULL AS child_workflow_id,"
        " created_at AS started_at_epoch_ms, created_at AS completed_at_epoch_ms, 'portable_json' AS serialization"
        " FROM {schema}transaction_outputs WHERE workflow_uuid = $1 AND function_id = $2",
};

constexpr Query kReadOwner = {
    .name = "tx_read_owner",
    .args = "workflow_id text",
    .rows = "",
    .sql = "SELECT status, owner_xid FROM {schema}workflow_status WHERE workflow_uuid = $1",
};

std::vector<Value> StepArguments(const Identity& identity, const TransactionStep& step, const StepRecord& record) {
  return {std::string_view(step.execution.workflow_id),
          std::string_view(step.execution.owner_token),
          std::int64_t{step.step_id},
          std::string_view(step.name),
          record.started_at_ms,
          record.completed_at_ms,
          std::string_view(identity.application_name)};
}

std::vector<Value> OutputArguments(const TransactionStep& step) {
  return {std::string_view(step.execution.workflow_id), std::int64_t{step.step_id}, std::string_view(step.name)};
}

void AddOutcome(const StepRecord& record, std::vector<Value>& arguments) {
  const bool failed = record.outcome && record.outcome->kind == Outcome::Kind::kError;
  const Value text = record.outcome ? Value(std::string_view(record.outcome->payload.data)) : Value();
  arguments.push_back(failed ? Value() : text);
  arguments.push_back(failed ? text : Value());
}

}  // namespace

Statement RecordStatement(RecordTable table, const Identity& identity, const TransactionStep& step,
                          const StepRecord& record) {
  const bool own = table == RecordTable::kTransactionOutputs;
  std::vector<Value> arguments = own ? OutputArguments(step) : StepArguments(identity, step, record);
  AddOutcome(record, arguments);
  const bool by_function = table == RecordTable::kOperationOutputsByFunction;
  return Statement(own ? kRecordOutput : by_function ? kRecordByFunction : kRecordStep, std::move(arguments));
}

Statement RecordResultStatement(RecordTable table, const Identity& identity, const TransactionStep& step,
                                const StepRecord& record) {
  if (table == RecordTable::kTransactionOutputs) return Statement(kRecordOutputResult, OutputArguments(step));
  const bool by_function = table == RecordTable::kOperationOutputsByFunction;
  return Statement(by_function ? kRecordResultByFunction : kRecordStepResult, StepArguments(identity, step, record));
}

std::vector<std::string> TransactionGrantStatements(const Dialect& dialect, const std::string& role) {
  const std::string schema = QuoteIdentifier(dialect.schema_name + "_sidecar");
  const std::string to = absl::StrCat(" TO ", QuoteIdentifier(role));
  const std::string on = absl::StrCat(" ON FUNCTION ", schema, ".record_transaction");
  return {
      absl::StrReplaceAll(kFunctionSchema, {{"{function_schema}", schema}}),
      ExpandSql(dialect, absl::StrReplaceAll(kRecordFunction, {{"{record_step}", kRecordStep.sql}})),
      absl::StrCat("REVOKE ALL", on, " FROM PUBLIC"),
      absl::StrCat("GRANT USAGE ON SCHEMA ", schema, to),
      absl::StrCat("GRANT EXECUTE", on, to),
  };
}

absl::Status GrantTransactions(const Database& database, const std::string& role) {
  return RunGrants(database, role, "--sql-role", TransactionGrantStatements(database.dialect, role));
}

bool IsRecordedAlready(const SqlFailure& failure) {
  return failure.sqlstate == kUniqueViolation &&
         (failure.table == "operation_outputs" || failure.table == "transaction_outputs");
}

bool IsNotOwned(const SqlFailure& failure) {
  return failure.sqlstate == kNotNullViolation && failure.table == "operation_outputs" &&
         failure.column == "workflow_uuid";
}

absl::StatusOr<std::optional<StepRecord>> ReadRecord(SqlSession& session, RecordTable table,
                                                     const TransactionStep& step) {
  const Query& query = table == RecordTable::kTransactionOutputs ? kReadOutput : kReadStep;
  const Statement statement(query, {std::string_view(step.execution.workflow_id), std::int64_t{step.step_id}});
  ASSIGN_OR_RETURN(const Result rows, session.Execute(statement));
  if (rows.size() == 0) return std::nullopt;
  return ReadStepColumns(rows[0]);
}

absl::StatusOr<Error> WhyNotOwned(SqlSession& session, const ExecutionRef& execution) {
  ASSIGN_OR_RETURN(const Result rows,
                   session.Execute(Statement(kReadOwner, {std::string_view(execution.workflow_id)})));
  BatchFacts facts;
  if (rows.size() > 0) {
    facts.fence[execution.workflow_id] = {ParseWorkflowStatus(rows[0].View(0)), rows[0].Text(1)};
  }
  return RefusalOf(facts, execution);
}

absl::Status CreateTransactionOutputs(SqlSession& session, const Dialect& dialect) {
  // Asked first, because a role that may use the table may not be allowed to create one.
  const Statement look(kReadOutput, {std::string_view("0"), std::int64_t{0}});
  const absl::StatusOr<Result> found = session.Execute(look);
  if (found.ok() || absl::IsUnavailable(found.status())) return found.status();
  if (!dialect.transaction_outputs_schema.empty()) {
    RETURN_IF_ERROR(session.RunScript(dialect.transaction_outputs_schema));
  }
  return session.RunScript(ExpandSql(dialect, R"(
CREATE TABLE IF NOT EXISTS {schema}transaction_outputs (
  workflow_uuid TEXT NOT NULL, function_id INTEGER NOT NULL, output TEXT, error TEXT, txn_id TEXT,
  txn_snapshot TEXT NOT NULL, executor_id TEXT, function_name TEXT NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL DEFAULT ({now_ms}), PRIMARY KEY (workflow_uuid, function_id));
CREATE INDEX IF NOT EXISTS transaction_outputs_created_at_index ON {schema}transaction_outputs (created_at);)"));
}

namespace {

constexpr std::int64_t kSweptMax = 1000;

constexpr Query kOldOutputs = {
    .name = "tx_old_outputs",
    .args = "after text, age_ms bigint, page bigint",
    .rows = "",
    .sql =
        "SELECT workflow_uuid FROM {schema}transaction_outputs WHERE workflow_uuid > $1 GROUP BY workflow_uuid"
        " HAVING MAX(created_at) < {now_ms} - $2 ORDER BY workflow_uuid LIMIT $3",
};
constexpr Query kExisting = {
    .name = "tx_existing_workflows",
    .args = "",
    .rows = "workflow_id text",
    .sql = "SELECT s.workflow_uuid FROM {rows} JOIN {schema}workflow_status AS s ON s.workflow_uuid = i.workflow_id",
};
constexpr Query kDeleteOutputs = {
    .name = "tx_delete_outputs",
    .args = "",
    .rows = "workflow_id text",
    .sql = "DELETE FROM {schema}transaction_outputs WHERE workflow_uuid IN (SELECT i.workflow_id FROM {rows})",
};

}  // namespace

absl::StatusOr<std::string> SweepTransactionOutputs(Connection& system, Connection& application,
                                                    const std::string& after, absl::Duration age) {
  const Statement look(kOldOutputs, {std::string_view(after), absl::ToInt64Milliseconds(age), kSweptMax});
  ASSIGN_OR_RETURN(const Result old, application.Execute(look));
  if (old.size() == 0) return std::string();
  Statement existing(kExisting);
  for (std::size_t n = 0; n < old.size(); ++n) existing.AddRow({old[n].View(0)});
  ASSIGN_OR_RETURN(const Result found, system.Execute(existing));
  std::set<std::string_view> there;
  for (std::size_t n = 0; n < found.size(); ++n) there.insert(found[n].View(0));
  Statement gone(kDeleteOutputs);
  for (std::size_t n = 0; n < old.size(); ++n) {
    if (!there.contains(old[n].View(0))) gone.AddRow({old[n].View(0)});
  }
  if (gone.row_count() > 0) RETURN_IF_ERROR(application.Execute(gone).status());
  return old.size() < kSweptMax ? std::string() : old[old.size() - 1].Text(0);
}

std::span<const Query* const> TransactionQueries() {
  static constexpr const Query* kQueries[] = {
      &kRecordStep,   &kRecordStepResult,   &kRecordByFunction, &kRecordResultByFunction,
      &kRecordOutput, &kRecordOutputResult, &kReadStep,         &kReadOutput,
      &kReadOwner,    &kOldOutputs,         &kExisting,         &kDeleteOutputs};
  return kQueries;
}

}  // namespace dbos::sidecar
