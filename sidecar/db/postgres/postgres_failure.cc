#include "sidecar/db/postgres/postgres_failure.h"

#include <string_view>

#include "absl/strings/numbers.h"

#include "sidecar/db/session_answers.h"

namespace dbos::sidecar {
namespace {

std::string Field(const PGresult* error, int field) {
  const char* text = PQresultErrorField(error, field);
  return text == nullptr ? "" : FailureText(text);
}

}  // namespace

SqlFailure FailureOf(const PGresult* error) {
  SqlFailure failure;
  failure.sqlstate = Field(error, PG_DIAG_SQLSTATE);
  failure.message = Field(error, PG_DIAG_MESSAGE_PRIMARY);
  failure.detail = Field(error, PG_DIAG_MESSAGE_DETAIL);
  failure.hint = Field(error, PG_DIAG_MESSAGE_HINT);
  failure.schema = Field(error, PG_DIAG_SCHEMA_NAME);
  failure.table = Field(error, PG_DIAG_TABLE_NAME);
  failure.column = Field(error, PG_DIAG_COLUMN_NAME);
  failure.constraint = Field(error, PG_DIAG_CONSTRAINT_NAME);
  return failure;
}

// PostgreSQL counts from 1: characters, or bytes where a database does not know what its texts are.
std::size_t OffsetOf(const PGresult* error, const std::string& text, const PGconn* server) {
  std::size_t position = 0;
  if (!absl::SimpleAtoi(Field(error, PG_DIAG_STATEMENT_POSITION), &position) || position == 0) return std::string::npos;
  const char* encoding = PQparameterStatus(server, "server_encoding");
  if (encoding != nullptr && std::string_view(encoding) == "SQL_ASCII") return position - 1;
  std::size_t offset = 0;
  for (; offset < text.size(); ++offset) {
    const bool begins = (static_cast<unsigned char>(text[offset]) & 0xC0) != 0x80;
    if (begins && --position == 0) break;
  }
  return offset;
}

}  // namespace dbos::sidecar
