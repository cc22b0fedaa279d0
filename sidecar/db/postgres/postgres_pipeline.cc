#include "sidecar/db/postgres/postgres_pipeline.h"

#include <algorithm>
#include <cstdint>
#include <thread>
#include <utility>

#include <sys/eventfd.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

#include "sidecar/base/check.h"
#include "sidecar/base/status.h"
#include "sidecar/db/postgres/postgres_errors.h"

namespace dbos::sidecar {
namespace {

// How long a server may take to roll back, or to end what was cancelled, before its connection is closed.
constexpr absl::Duration kPatience = absl::Seconds(2);
constexpr absl::Duration kFirstCancelPause = absl::Milliseconds(50);

// The session ends with such an error.
bool EndsSession(const PGresult* error) {
  const char* severity = PQresultErrorField(error, PG_DIAG_SEVERITY_NONLOCALIZED);
  const std::string_view text = severity == nullptr ? "" : severity;
  return text == "FATAL" || text == "PANIC";
}

// The types of parameters are inferred once, when a statement is prepared, and a column may be of another by now.
bool MayBeOfOldTypes(std::string_view sqlstate) {
  return sqlstate == "22P02" || sqlstate == "22007" || sqlstate.substr(0, 2) == "42";
}

}  // namespace

PostgresPipeline::PostgresPipeline(PostgresParameters parameters, PasswordSource password, const std::string& schema)
    : link_(std::move(parameters), std::move(password)),
      dialect_(PostgresDialect(schema)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  DBOS_CHECK(wake_ >= 0);  // the process has no file left
}

PostgresPipeline::~PostgresPipeline() {
  close(wake_);
}

absl::Status PostgresPipeline::Connect() {
  if (link_.is_open()) return absl::OkStatus();
  SetRunning(true);
  absl::Status status = Open();
  if (!status.ok()) SetRunning(false);
  return status;
}

absl::Status PostgresPipeline::Open() {
  prepared_.Clear();
  spent_ = false;
  RETURN_IF_ERROR(link_.Open());
  dialect_ = link_.DialectOf(dialect_.schema_name);
  return through_pooler() ? absl::OkStatus() : link_.Apply(dialect_.session_settings);
}

// From the start of connecting on, so that an interrupt then reaches what is run first. False: it has been interrupted.
bool PostgresPipeline::SetRunning(bool running) {
  MutexLock lock(mu_);
  running_ = running;
  std::uint64_t interrupts = 0;
  return running || read(wake_, &interrupts, sizeof(interrupts)) != sizeof(interrupts);
}

void PostgresPipeline::EndUse() {
  SetRunning(false);  // an interrupt that came when nothing ran any longer is over
  link_.RollBackIfOpen(absl::Now() + kPatience);
  if (std::exchange(spent_, false)) link_.Close();
}

void PostgresPipeline::Interrupt() {
  MutexLock lock(mu_);
  if (!running_) return;
  const std::uint64_t one = 1;
  DBOS_CHECK(write(wake_, &one, sizeof(one)) == sizeof(one));
}

absl::StatusOr<PostgresTrip> PostgresPipeline::Run(std::span<PostgresCall> calls, const PostgresLimits& limits) {
  SetRunning(true);
  limits_ = limits;
  rows_bytes_ = 0;
  PostgresTrip trip;
  absl::Status status = Send(calls);
  if (status.ok()) status = Receive(trip);
  if (status.ok() && PQexitPipelineMode(link_.get()) != 1) status = link_.Lost();
  if (!SetRunning(false)) trip.stopped = true;
  if (!status.ok()) return status;
  return trip;
}

absl::Status PostgresPipeline::Send(std::span<PostgresCall> calls) {
  sent_.clear();
  PQsetnonblocking(link_.get(), 1);
  PQenterPipelineMode(link_.get());
  for (const PostgresCall& call : calls) RETURN_IF_ERROR(SendCall(call));
  return PQpipelineSync(link_.get()) == 1 ? absl::OkStatus() : link_.Lost();
}

absl::Status PostgresPipeline::SendCall(const PostgresCall& call) {
  if (call.kept() && !through_pooler()) return SendKept(call);
  return SendUnnamed(call, {Sent::Kind::kCall, &call, "", false});
}

absl::Status PostgresPipeline::SendUnnamed(const PostgresCall& call, Sent sent) {
  sent_.push_back(std::move(sent));
  const int done = PQsendQueryParams(link_.get(), call.text().c_str(), call.count(), call.types(), call.values(),
                                     call.lengths(), call.formats(), 0);
  return done == 1 ? absl::OkStatus() : link_.Lost();
}

absl::Status PostgresPipeline::SendKept(const PostgresCall& call) {
  const std::string key = call.Key();
  PreparedStatements::Entry& entry = prepared_.Use(key);
  if (++entry.uses > kPreparedUsesMax) prepared_.Renew(entry);
  const bool on_server = entry.on_server;
  if (!on_server) {
    if (PQsendPrepare(link_.get(), entry.name.c_str(), call.text().c_str(), call.count(), call.types()) != 1) {
      return link_.Lost();
    }
    sent_.push_back({Sent::Kind::kPrepare, nullptr, key, false});
  }
  const int sent = PQsendQueryPrepared(link_.get(), entry.name.c_str(), call.count(), call.values(), call.lengths(),
                                       call.formats(), 0);
  if (sent != 1) return link_.Lost();
  sent_.push_back({Sent::Kind::kCall, &call, key, on_server});
  const bool is_control = call.count() == 0 && !call.with_rows();
  return on_server || is_control ? absl::OkStatus() : SendForgotten();
}

// Makes room on the server. Not before BEGIN, which can then no longer choose the isolation, and not behind COMMIT,
// which would look as if it had failed when this did.
absl::Status PostgresPipeline::SendForgotten() {
  for (std::string name = prepared_.TakeExcess(); !name.empty(); name = prepared_.TakeExcess()) {
    RETURN_IF_ERROR(SendUnnamed(PostgresCall(absl::StrCat("DEALLOCATE ", name)), {Sent::Kind::kForget, nullptr, name}));
  }
  return absl::OkStatus();
}

// Reads the answers to everything that was sent, and the end of the pipeline. The server skips what follows an error.
absl::Status PostgresPipeline::Receive(PostgresTrip& trip) {
  for (const Sent& sent : sent_) RETURN_IF_ERROR(ReceiveAnswer(sent, trip));
  ASSIGN_OR_RETURN(const PostgresResult end, Next(trip));
  return PQresultStatus(end.get()) == PGRES_PIPELINE_SYNC ? absl::OkStatus() : link_.Lost();
}

absl::Status PostgresPipeline::ReceiveAnswer(const Sent& sent, PostgresTrip& trip) {
  const bool rows = sent.kind == Sent::Kind::kCall && sent.call->with_rows() && trip.error == nullptr;
  if (rows) PQsetSingleRowMode(link_.get());
  PostgresResult last;
  while (true) {
    ASSIGN_OR_RETURN(PostgresResult result, Next(trip));
    if (result == nullptr) break;
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_SINGLE_TUPLE || (rows && status == PGRES_TUPLES_OK)) {
      TakeRows(result.get(), trip);
    } else if (status == PGRES_PIPELINE_SYNC || status == PGRES_COPY_IN || status == PGRES_COPY_OUT ||
               status == PGRES_COPY_BOTH) {
      return link_.Lost();
    } else if (!IsOk(result.get()) && status != PGRES_PIPELINE_ABORTED && status != PGRES_EMPTY_QUERY) {
      RETURN_IF_ERROR(TakeError(sent, std::move(result), trip));
      continue;
    }
    last = std::move(result);
  }
  if (trip.error != nullptr && sent.kind == Sent::Kind::kForget) prepared_.KeepForgotten(sent.key);
  if (trip.error != nullptr || last == nullptr) return absl::OkStatus();
  if (sent.kind == Sent::Kind::kPrepare) prepared_.Use(sent.key).on_server = true;
  if (sent.kind == Sent::Kind::kCall) trip.results.push_back(std::move(last));
  return absl::OkStatus();
}

// An error when the session is over.
absl::Status PostgresPipeline::TakeError(const Sent& sent, PostgresResult result, PostgresTrip& trip) {
  const char* sqlstate = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
  if (sqlstate == nullptr) return link_.Lost();
  if (EndsSession(result.get())) {
    const char* message = PQresultErrorField(result.get(), PG_DIAG_MESSAGE_PRIMARY);
    link_.Close();
    return absl::UnavailableError(absl::StrCat(
        "the connection to PostgreSQL was ended: ", message == nullptr ? "" : message, " (SQLSTATE ", sqlstate, ")"));
  }
  const std::string_view code = sqlstate;
  trip.error_is_stale = sent.prepared_before && (code == "0A000" || code == "26000");
  if (code == "26000") prepared_.Clear();  // somebody made the session forget them
  const bool may_be_stale = sent.prepared_before && MayBeOfOldTypes(code);
  if (sent.kind == Sent::Kind::kPrepare || trip.error_is_stale || may_be_stale) prepared_.Forget(sent.key);
  if (trip.error == nullptr) trip.error = std::move(result);
  return absl::OkStatus();
}

void PostgresPipeline::TakeRows(const PGresult* result, PostgresTrip& trip) {
  const int columns = PQnfields(result);
  if (trip.types.empty()) {
    for (int column = 0; column < columns; ++column) {
      trip.rows.columns.push_back({PQfname(result, column), ""});
      trip.types.push_back(PQftype(result, column));
    }
  }
  for (int row = 0; row < PQntuples(result); ++row) {
    for (int column = 0; column < columns && !trip.too_large; ++column) {
      const auto length = static_cast<std::size_t>(PQgetlength(result, row, column));
      rows_bytes_ += length + kSqlCellBytes;
      trip.too_large = rows_bytes_ > limits_.rows_bytes_max;
      if (PQgetisnull(result, row, column) != 0) {
        trip.rows.cells.emplace_back(std::nullopt);
      } else {
        trip.rows.cells.emplace_back(std::string(PQgetvalue(result, row, column), length));
      }
    }
  }
  if (!trip.too_large) return;
  trip.rows.cells.clear();
  if (!spent_) Cancel();
}

// The next result. When time is over, what runs is cancelled, and its answer awaited a little longer. Again and again,
// since a cancel that reaches the server before the statement has begun there is lost.
absl::StatusOr<PostgresResult> PostgresPipeline::Next(PostgresTrip& trip) {
  absl::Duration pause = kFirstCancelPause;
  while (true) {
    absl::StatusOr<PostgresResult> result = link_.Receive(limits_.deadline, trip.stopped ? -1 : wake_);
    if (!absl::IsDeadlineExceeded(result.status())) return result;
    const absl::Time now = absl::Now();
    if (!std::exchange(trip.stopped, true)) give_up_ = now + kPatience;
    if (now >= give_up_) break;
    Cancel();
    limits_.deadline = std::min(now + pause, give_up_);
    pause *= 2;
  }
  link_.Close();
  return absl::UnavailableError("the database did not answer, nor did it end the statement when it was told to");
}

// In a thread of its own, since libpq connects for it, and may wait long for a server that is gone.
void PostgresPipeline::Cancel() {
  spent_ = true;
  PGcancel* cancel = PQgetCancel(link_.get());
  if (cancel == nullptr) return;
  std::thread([cancel] {
    char error[256];
    // It may fail where nothing can be done: the connection is closed in the end.
    static_cast<void>(PQcancel(cancel, error, sizeof(error)));
    PQfreeCancel(cancel);
  }).detach();
}

}  // namespace dbos::sidecar
