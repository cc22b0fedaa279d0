#include "sidecar/db/session_answers.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "sidecar/base/utf8.h"

namespace dbos::sidecar {

std::string FailureText(std::string_view text) {
  constexpr std::size_t kBytesMax = 8192;
  return text.size() <= kBytesMax ? std::string(text) : PrintableText(text, kBytesMax);
}

SqlFailure AbortedBy(const SqlFailure& earlier) {
  SqlFailure failure;
  failure.sqlstate = "25P02";
  failure.message =
      absl::StrCat("the transaction takes nothing more, since an earlier statement failed: ", earlier.message,
                   " (SQLSTATE ", earlier.sqlstate, ")");
  failure.hint = "Roll back, or back to a savepoint.";
  return failure;
}

absl::Status BeforeCommit(const absl::Status& status) {
  return absl::IsUnavailable(status) ? absl::AbortedError(status.message()) : status;
}

absl::Status TimeIsOver() {
  return absl::DeadlineExceededError(
      "the transaction's time (its option `timeout`) is over, or it was interrupted: it was rolled back");
}

absl::Status TooManyRows(std::size_t bytes_max) {
  return absl::ResourceExhaustedError(absl::StrCat(
      "the statement returns more than ", bytes_max,
      " bytes: read it in pages through a cursor, with fewer rows a page, or add a LIMIT; it was rolled back"));
}

absl::Status NoTransaction() {
  return absl::FailedPreconditionError("no transaction is open");
}

absl::Status NoCursor() {
  return absl::InvalidArgumentError("no cursor is open: send a statement with page_rows first");
}

absl::Status NoSavepoint() {
  return absl::InvalidArgumentError("no savepoint is set: set one first");
}

absl::StatusOr<SqlOutcome> OutcomeOf(const SqlRows& rows, std::size_t bytes_max) {
  for (std::size_t n = 0; n < rows.cells.size(); ++n) {
    if (!rows.cells[n] || IsStorableText(*rows.cells[n])) continue;
    SqlFailure failure;
    failure.sqlstate = "22021";
    failure.message = "a text is not UTF-8, and cannot be part of a recorded outcome";
    failure.hint = "Store such bytes as bytea (SQLite: BLOB).";
    failure.column = rows.columns[n % rows.columns.size()].name;
    return failure;
  }
  std::string outcome = EncodeRows(rows);
  if (outcome.size() > bytes_max) return TooManyRows(bytes_max);
  return outcome;
}

}  // namespace dbos::sidecar
