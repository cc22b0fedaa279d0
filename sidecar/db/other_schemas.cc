#include "sidecar/db/other_schemas.h"

#include "absl/strings/str_cat.h"

#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

// Those that name applications at all: from version 103 on.
constexpr Query kOtherSchemas = {
    .name = "other_schemas",
    .args = "schema text",
    .rows = "",
    .sql = R"(
SELECT c.table_schema FROM information_schema.columns AS c
JOIN information_schema.tables AS t ON t.table_schema = c.table_schema AND t.table_name = 'dbos_migrations'
WHERE c.table_name = 'application_versions' AND c.column_name = 'application_name' AND c.table_schema <> $1
ORDER BY c.table_schema)",
};

}  // namespace

absl::StatusOr<std::string> OtherSchemaOf(const std::string& application, const Dialect& dialect,
                                          Connection& connection) {
  ASSIGN_OR_RETURN(const Result schemas,
                   connection.Execute(Statement(kOtherSchemas, {std::string_view(dialect.schema_name)})));
  for (std::size_t n = 0; n < schemas.size(); ++n) {
    const absl::StatusOr<Result> found = connection.RunScript(
        absl::StrCat("SELECT 1 FROM ", QuoteIdentifier(schemas[n].Text(0)),
                     ".application_versions WHERE application_name = ", QuoteLiteral(application), " LIMIT 1"));
    if (absl::IsPermissionDenied(found.status())) continue;
    RETURN_IF_ERROR(found.status());
    if (found->size() > 0) return schemas[n].Text(0);
  }
  return std::string();
}

}  // namespace dbos::sidecar
