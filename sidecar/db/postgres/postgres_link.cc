#include "sidecar/db/postgres/postgres_link.h"

#include <algorithm>
#include <cerrno>

#include <poll.h>

#include "absl/time/clock.h"

#include "sidecar/base/status.h"
#include "sidecar/db/postgres/postgres_errors.h"

namespace dbos::sidecar {
namespace {

constexpr char kCockroachParameter[] = "crdb_version";

// For poll(): rounded up, so that nobody wakes before the deadline and waits again; -1 waits for ever.
int MillisecondsUntil(absl::Time deadline) {
  if (deadline == absl::InfiniteFuture()) return -1;
  const absl::Duration left = std::clamp(deadline - absl::Now(), absl::ZeroDuration(), absl::Hours(1));
  return static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1))));
}

}  // namespace

bool IsOk(const PGresult* result) {
  const ExecStatusType status = PQresultStatus(result);
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

Result ToResult(const PGresult* from) {
  Result result;
  const int columns = PQnfields(from);
  result.set_columns(static_cast<std::size_t>(columns));
  for (int row = 0; row < PQntuples(from); ++row) {
    for (int column = 0; column < columns; ++column) {
      if (PQgetisnull(from, row, column) != 0) {
        result.AddNull();
      } else {
        result.AddText({PQgetvalue(from, row, column), static_cast<std::size_t>(PQgetlength(from, row, column))});
      }
    }
  }
  return result;
}

bool PostgresLink::is_cockroach() const {
  return connection_ != nullptr && PQparameterStatus(connection_.get(), kCockroachParameter) != nullptr;
}

Dialect PostgresLink::DialectOf(const std::string& schema) const {
  Dialect dialect = is_cockroach() ? CockroachDialect(schema) : PostgresDialect(schema);
  if (!parameters_.notify) dialect.notify = Dialect::Notify::kNo;
  return dialect;
}

absl::Status PostgresLink::Open() {
  PostgresParameters parameters = parameters_;
  if (password_ && parameters.Get("password").empty()) {
    ASSIGN_OR_RETURN(const std::string password, password_());
    parameters.Set("password", password);
  }
  const PostgresParameters::Arrays arrays = parameters.ToArrays();
  connection_.reset(PQconnectdbParams(arrays.keywords.data(), arrays.values.data(), 0));
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    absl::Status error = ConnectError(PQerrorMessage(connection_.get()));
    connection_.reset();
    return error;
  }
  PQsetNoticeProcessor(
      connection_.get(), [](void*, const char*) {}, nullptr);
  return absl::OkStatus();
}

absl::Status PostgresLink::Apply(const std::string& settings) {
  if (settings.empty()) return absl::OkStatus();
  const PostgresResult result(PQexec(connection_.get(), settings.c_str()));
  if (IsOk(result.get())) return absl::OkStatus();
  const char* sqlstate = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
  if (sqlstate == nullptr) return Lost();
  const char* message = PQresultErrorField(result.get(), PG_DIAG_MESSAGE_PRIMARY);
  absl::Status error = IsNotImplemented(sqlstate) ? NotImplementedError(message == nullptr ? "" : message)
                                                  : PostgresError(sqlstate, message == nullptr ? "" : message);
  connection_.reset();
  return error;
}

void PostgresLink::Close() {
  connection_.reset();
}

absl::Status PostgresLink::Lost() {
  absl::Status error = PostgresError("", PQerrorMessage(connection_.get()));
  connection_.reset();
  return error;
}

// An idle server says nothing but that it is going, or a parameter that changed.
void PostgresLink::CloseIfEnded() {
  if (connection_ == nullptr) return;
  pollfd wait = {.fd = PQsocket(connection_.get()), .events = POLLIN, .revents = 0};
  while (poll(&wait, 1, 0) > 0) {
    if (PQconsumeInput(connection_.get()) != 1) {
      connection_.reset();
      return;
    }
    PGnotify* notify = PQnotifies(connection_.get());  // parses what came
    if (notify != nullptr) PQfreemem(notify);
    if (PQstatus(connection_.get()) != CONNECTION_OK || (wait.revents & (POLLERR | POLLHUP)) != 0) {
      connection_.reset();
      return;
    }
  }
}

absl::Status PostgresLink::TakeIn() {
  return PQconsumeInput(connection_.get()) == 1 ? absl::OkStatus() : Lost();
}

// Sending and receiving go on together: if both sides only wrote, each would wait for the other to read.
absl::Status PostgresLink::Await(absl::Time deadline, int wake) {
  const int unsent = PQflush(connection_.get());
  if (unsent < 0) return Lost();
  pollfd waits[] = {{.fd = PQsocket(connection_.get()), .events = POLLIN, .revents = 0},
                    {.fd = wake, .events = POLLIN, .revents = 0}};  // a negative one is passed over
  if (unsent > 0) waits[0].events = POLLIN | POLLOUT;
  const int ready = poll(waits, 2, MillisecondsUntil(deadline));
  if (ready < 0 && errno != EINTR) return Lost();
  if (ready == 0 || waits[1].revents != 0) return absl::DeadlineExceededError("the database did not answer in time");
  return TakeIn();
}

absl::StatusOr<PostgresResult> PostgresLink::Receive(absl::Time deadline) {
  while (PQisBusy(connection_.get()) != 0) RETURN_IF_ERROR(Await(deadline, -1));
  return PostgresResult(PQgetResult(connection_.get()));
}

bool PostgresLink::InTransaction() const {
  return connection_ != nullptr && PQtransactionStatus(connection_.get()) != PQTRANS_IDLE;
}

void PostgresLink::RollBackIfOpen(absl::Time deadline) {
  if (!InTransaction()) return;
  bool done = PQsendQuery(connection_.get(), "ROLLBACK") == 1;
  while (done) {
    const absl::StatusOr<PostgresResult> result = Receive(deadline);
    if (result.ok() && *result == nullptr) return;
    done = result.ok() && IsOk(result->get());
  }
  connection_.reset();
}

}  // namespace dbos::sidecar
