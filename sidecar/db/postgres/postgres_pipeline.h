// PostgresPipeline: round trips of a session that runs users' transactions. Each carries any number of calls. A thread
// that must not block starts one, and polls until what has come is worth a Finish.
//
// A call that takes too long is cancelled at the server. The cancel may arrive late, and must not hit what runs next:
// the connection is then spent, and closed by EndUse.
//
// Threads:  one at a time; Interrupt from any.
// Blocking: Connect, Finish and Run.
// Errors:   those of postgres_errors.h.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "sidecar/base/mutex.h"
#include "sidecar/db/dialect.h"
#include "sidecar/db/postgres/postgres_call.h"
#include "sidecar/db/postgres/postgres_link.h"
#include "sidecar/db/postgres/prepared_statements.h"
#include "sidecar/model/transaction.h"

namespace dbos::sidecar {

// What came back.
struct PostgresTrip {
  std::vector<PostgresResult> results;  // the last one of each call that went well
  PostgresResult error;                 // of the call behind those, if it did not
  bool error_is_stale = false;          // the statement was prepared before, for what is no longer there
  SqlRows rows;                         // of the call that has them; types are missing
  std::vector<unsigned int> types;      // of their columns
  bool stopped = false;                 // it was interrupted, or its time was over
  bool too_large = false;               // the rows
};

struct PostgresLimits {
  absl::Time deadline = absl::InfiniteFuture();
  std::size_t rows_bytes_max = 0;
};

class PostgresPipeline {
 public:
  PostgresPipeline(PostgresParameters parameters, PasswordSource password, const std::string& schema);
  ~PostgresPipeline();
  PostgresPipeline(const PostgresPipeline&) = delete;
  PostgresPipeline& operator=(const PostgresPipeline&) = delete;

  PostgresLink& link() { return link_; }
  const Dialect& dialect() const { return dialect_; }
  bool through_pooler() const { return link_.parameters().through_pooler; }

  // Does nothing when connected.
  absl::Status Connect();

  // Sends the calls, which are there until Finish.
  void Start(std::span<PostgresCall> calls, const PostgresLimits& limits);
  bool started() const { return started_; }
  // kAll: everything went well, and Finish does not block. kFailed: something did not; the rest may have to be awaited.
  enum class Arrival { kNotYet, kAll, kFailed };
  Arrival Poll();
  // Tries to send it.
  bool HasMoreToSend() { return link_.is_open() && PQflush(link_.get()) == 1; }
  // What has come already, after kAll.
  const PostgresTrip& trip() const { return trip_; }
  // What the database has against a call is in the trip. Unavailable: the connection is lost.
  absl::StatusOr<PostgresTrip> Finish();
  absl::StatusOr<PostgresTrip> Run(std::span<PostgresCall> calls, const PostgresLimits& limits) {
    Start(calls, limits);
    return Finish();
  }

  // No transaction is open any longer.
  void EndUse();

  void Interrupt();

 private:
  struct Sent {
    enum class Kind { kForget, kPrepare, kCall };
    Kind kind = Kind::kForget;
    const PostgresCall* call = nullptr;
    std::string key;  // of what is prepared; of kForget the name
    bool prepared_before = false;
  };

  using Rows = PostgresCall::Rows;

  absl::Status Open();
  bool SetRunning(bool running);
  absl::Status Send(std::span<PostgresCall> calls);
  absl::Status SendCall(const PostgresCall& call);
  absl::Status SendUnnamed(const PostgresCall& call, Sent sent);
  absl::Status SendKept(const PostgresCall& call);
  bool IsBeingPrepared(const std::string& key) const;
  absl::Status SendForgotten();
  absl::Status Receive();
  absl::StatusOr<bool> Take();
  absl::Status TakeResult(PostgresResult result);
  void BeginAnswer();
  Rows RowsOf(const Sent& sent) const;
  absl::Status TakeEnd(PostgresResult result);
  void EndAnswer(const Sent& sent);
  absl::Status TakeError(const Sent& sent, PostgresResult result);
  void TakeRows(const PGresult* result);
  absl::Status Await();
  void Cancel();

  PostgresLink link_;
  Dialect dialect_;  // of the server that answers, once connected
  PreparedStatements prepared_;
  std::vector<Sent> sent_;
  bool started_ = false;
  absl::Status sent_status_;  // of what was sent, until Finish
  std::size_t answered_ = 0;  // of what was sent, and of its end
  bool end_failed_ = false;   // and that it did has been said to its end
  PostgresResult last_;       // of what is being answered
  PostgresTrip trip_;
  PostgresLimits limits_;       // of what runs
  std::size_t rows_bytes_ = 0;  // that it has returned
  bool spent_ = false;          // a cancel was sent
  absl::Time give_up_;          // on the answer to what was stopped
  absl::Duration cancel_pause_;
  const int wake_;  // an event file: somebody interrupts

  Mutex mu_;
  bool running_ ABSL_GUARDED_BY(mu_) = false;
  bool interrupted_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace dbos::sidecar
