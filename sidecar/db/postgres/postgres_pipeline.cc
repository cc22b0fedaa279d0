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

// A commit that failed so may have happened: a proxy lost the server behind it, or the server says that it does not
// know.
bool LeavesInDoubt(const PGresult* error) {
  const char* sqlstate = PQresultErrorField(error, PG_DIAG_SQLSTATE);
  const std::string_view code = sqlstate == nullptr ? "" : sqlstate;
  return code.substr(0, 2) == "08" || code.substr(0, 3) == "57P" || code == "40003";
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
  if (running || !std::exchange(interrupted_, false)) return true;
  std::uint64_t interrupts = 0;
  DBOS_CHECK(read(wake_, &interrupts, sizeof(interrupts)) == sizeof(interrupts));
  return false;
}

void PostgresPipeline::EndUse() {
  if (started_) static_cast<void>(Finish());
  SetRunning(false);  // an interrupt that came when nothing ran any longer is over
  link_.RollBackIfOpen(absl::Now() + kPatience);
  if (std::exchange(spent_, false)) link_.Close();
}

void PostgresPipeline::Interrupt() {
  MutexLock lock(mu_);
  if (!running_) return;
  interrupted_ = true;
  const std::uint64_t one = 1;
  DBOS_CHECK(write(wake_, &one, sizeof(one)) == sizeof(one));
}

void PostgresPipeline::Start(std::span<PostgresCall> calls, const PostgresLimits& limits) {
  SetRunning(true);
  limits_ = limits;
  rows_bytes_ = 0;
  trip_ = {};
  answered_ = 0;
  end_failed_ = false;
  started_ = true;
  sent_status_ = Send(calls);
  if (sent_status_.ok()) BeginAnswer();
}

PostgresPipeline::Arrival PostgresPipeline::Poll() {
  if (sent_status_.ok()) sent_status_ = link_.TakeIn();
  if (!sent_status_.ok()) return Arrival::kFailed;
  const absl::StatusOr<bool> all = Take();
  sent_status_ = all.status();
  if (!sent_status_.ok() || trip_.error != nullptr || trip_.too_large) return Arrival::kFailed;
  return *all ? Arrival::kAll : Arrival::kNotYet;
}

absl::StatusOr<PostgresTrip> PostgresPipeline::Finish() {
  absl::Status status = std::exchange(sent_status_, absl::OkStatus());
  if (status.ok()) status = Receive();
  if (status.ok() && PQexitPipelineMode(link_.get()) != 1) status = link_.Lost();
  started_ = false;
  if (!SetRunning(false)) trip_.stopped = true;
  if (!status.ok()) return status;
  return std::move(trip_);
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
  if (!on_server && !IsBeingPrepared(key)) {
    entry.uses = 1;
    if (PQsendPrepare(link_.get(), entry.name.c_str(), call.text().c_str(), call.count(), call.types()) != 1) {
      return link_.Lost();
    }
    sent_.push_back({Sent::Kind::kPrepare, nullptr, key, false});
  }
  const int sent = PQsendQueryPrepared(link_.get(), entry.name.c_str(), call.count(), call.values(), call.lengths(),
                                       call.formats(), 0);
  if (sent != 1) return link_.Lost();
  sent_.push_back({Sent::Kind::kCall, &call, key, on_server});
  const bool is_control = call.count() == 0 && call.rows() == PostgresCall::Rows::kOurs;
  return on_server || is_control ? absl::OkStatus() : SendForgotten();
}

// By an earlier call of this round trip.
bool PostgresPipeline::IsBeingPrepared(const std::string& key) const {
  return std::any_of(sent_.begin(), sent_.end(),
                     [&](const Sent& sent) { return sent.kind == Sent::Kind::kPrepare && sent.key == key; });
}

// Makes room on the server. Not before BEGIN, which can then no longer choose the isolation, and not behind COMMIT,
// which would look as if it had failed when this did.
absl::Status PostgresPipeline::SendForgotten() {
  for (std::string name = prepared_.TakeExcess(); !name.empty(); name = prepared_.TakeExcess()) {
    RETURN_IF_ERROR(SendUnnamed(PostgresCall(absl::StrCat("DEALLOCATE ", name)), {Sent::Kind::kForget, nullptr, name}));
  }
  return absl::OkStatus();
}

absl::Status PostgresPipeline::Receive() {
  while (true) {
    ASSIGN_OR_RETURN(const bool all, Take());
    if (all) return absl::OkStatus();
    RETURN_IF_ERROR(Await());
  }
}

// Reads what has come of the answers to everything that was sent, and of the end of the pipeline. The server skips what
// follows an error. True: that was all.
absl::StatusOr<bool> PostgresPipeline::Take() {
  while (answered_ <= sent_.size()) {
    if (PQisBusy(link_.get()) != 0) return false;
    RETURN_IF_ERROR(TakeResult(PostgresResult(PQgetResult(link_.get()))));
  }
  return true;
}

// Before the first result of a call.
void PostgresPipeline::BeginAnswer() {
  last_ = nullptr;
  if (answered_ < sent_.size() && RowsOf(sent_[answered_]) != Rows::kOurs) PQsetSingleRowMode(link_.get());
}

PostgresCall::Rows PostgresPipeline::RowsOf(const Sent& sent) const {
  return sent.kind == Sent::Kind::kCall && trip_.error == nullptr ? sent.call->rows() : Rows::kOurs;
}

absl::Status PostgresPipeline::TakeResult(PostgresResult result) {
  const ExecStatusType status = PQresultStatus(result.get());
  if (answered_ == sent_.size()) return TakeEnd(std::move(result));
  const Sent& sent = sent_[answered_];
  if (result == nullptr) {
    EndAnswer(sent);
    ++answered_;
    BeginAnswer();
    return absl::OkStatus();
  }
  if (status == PGRES_SINGLE_TUPLE || (status == PGRES_TUPLES_OK && RowsOf(sent) == Rows::kTaken)) {
    if (RowsOf(sent) == Rows::kTaken) TakeRows(result.get());
  } else if (status == PGRES_PIPELINE_SYNC || status == PGRES_COPY_IN || status == PGRES_COPY_OUT ||
             status == PGRES_COPY_BOTH) {
    return link_.Lost();
  } else if (!IsOk(result.get()) && status != PGRES_PIPELINE_ABORTED && status != PGRES_EMPTY_QUERY) {
    return TakeError(sent, std::move(result));
  }
  last_ = std::move(result);
  return absl::OkStatus();
}

// Without a COMMIT of its own the transaction is committed at the end, which may fail: then the error comes before it.
absl::Status PostgresPipeline::TakeEnd(PostgresResult result) {
  const ExecStatusType status = PQresultStatus(result.get());
  const bool is_first_error = trip_.error == nullptr && status == PGRES_FATAL_ERROR;
  if (is_first_error && LeavesInDoubt(result.get())) return link_.Lost();
  if (is_first_error) return TakeError({}, std::move(result));
  if (result == nullptr && !std::exchange(end_failed_, true) && trip_.error != nullptr) return absl::OkStatus();
  ++answered_;
  return status == PGRES_PIPELINE_SYNC ? absl::OkStatus() : link_.Lost();
}

void PostgresPipeline::EndAnswer(const Sent& sent) {
  if (trip_.error != nullptr && sent.kind == Sent::Kind::kForget) prepared_.KeepForgotten(sent.key);
  if (trip_.error != nullptr || last_ == nullptr) return;
  if (sent.kind == Sent::Kind::kPrepare) prepared_.Use(sent.key).on_server = true;
  if (sent.kind == Sent::Kind::kCall) trip_.results.push_back(std::move(last_));
}

// An error when the session is over.
absl::Status PostgresPipeline::TakeError(const Sent& sent, PostgresResult result) {
  const char* sqlstate = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
  if (sqlstate == nullptr) return link_.Lost();
  if (EndsSession(result.get())) {
    const char* message = PQresultErrorField(result.get(), PG_DIAG_MESSAGE_PRIMARY);
    link_.Close();
    return absl::UnavailableError(absl::StrCat(
        "the connection to PostgreSQL was ended: ", message == nullptr ? "" : message, " (SQLSTATE ", sqlstate, ")"));
  }
  const std::string_view code = sqlstate;
  trip_.error_is_stale = sent.prepared_before && (code == "0A000" || code == "26000");
  if (code == "26000") prepared_.Clear();  // somebody made the session forget them
  const bool may_be_stale = sent.prepared_before && MayBeOfOldTypes(code);
  if (sent.kind == Sent::Kind::kPrepare || trip_.error_is_stale || may_be_stale) prepared_.Forget(sent.key);
  if (trip_.error == nullptr) trip_.error = std::move(result);
  return absl::OkStatus();
}

void PostgresPipeline::TakeRows(const PGresult* result) {
  const int columns = PQnfields(result);
  if (trip_.types.empty()) {
    for (int column = 0; column < columns; ++column) {
      trip_.rows.columns.push_back({PQfname(result, column), ""});
      trip_.types.push_back(PQftype(result, column));
    }
  }
  for (int row = 0; row < PQntuples(result); ++row) {
    for (int column = 0; column < columns && !trip_.too_large; ++column) {
      const auto length = static_cast<std::size_t>(PQgetlength(result, row, column));
      rows_bytes_ += length + kSqlCellBytes;
      trip_.too_large = rows_bytes_ > limits_.rows_bytes_max;
      if (PQgetisnull(result, row, column) != 0) {
        trip_.rows.cells.emplace_back(std::nullopt);
      } else {
        trip_.rows.cells.emplace_back(std::string(PQgetvalue(result, row, column), length));
      }
    }
  }
  if (!trip_.too_large) return;
  trip_.rows.cells.clear();
  if (!spent_) Cancel();
}

// Waits for more. When time is over, what runs is cancelled, and its answer awaited a little longer. Again and again,
// since a cancel that reaches the server before the statement has begun there is lost.
absl::Status PostgresPipeline::Await() {
  absl::Status status = link_.Await(limits_.deadline, trip_.stopped ? -1 : wake_);
  if (!absl::IsDeadlineExceeded(status)) return status;
  const absl::Time now = absl::Now();
  if (!std::exchange(trip_.stopped, true)) {
    give_up_ = now + kPatience;
    cancel_pause_ = kFirstCancelPause;
  }
  if (now >= give_up_) {
    link_.Close();
    return absl::UnavailableError("the database did not answer, nor did it end the statement when it was told to");
  }
  Cancel();
  limits_.deadline = std::min(now + cancel_pause_, give_up_);
  cancel_pause_ *= 2;
  return absl::OkStatus();
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
