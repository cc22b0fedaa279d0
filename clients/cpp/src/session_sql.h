// SessionSql: transactions of workflows over the session of their process. Those of many workflows share its messages,
// so that each costs a fraction of what a stream or a call of its own would.
//
// Threads:  a SqlStream belongs to one thread at a time, Cancel may come from any; SessionSql from any.
// Blocking: Exchange and Execute until the answer or the deadline; the rest does not.
// Lifetime: `session` outlives it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "session.h"
#include "sql_door.h"

namespace dbos::runtime {

// The answer to one request, and the thread that waits for it.
class SqlReply final : public OperationOwner {
 public:
  // False: there is none, because the time is over or Cancel was called; nor will one be waited for.
  bool Wait(SteadyTime deadline);
  void Cancel();
  bool done() const;

  // After Wait returned true. A refusal without a reason means there was none.
  v1::TransactResponse& transacted() { return transacted_; }
  v1::ExecuteResponse& executed() { return executed_; }
  v1::ErrorDetail& refusal() { return refusal_; }

  void OnAcknowledged(std::size_t /*count*/) override {}
  void OnRefused(const v1::ErrorDetail& error) override;
  void OnTransacted(v1::TransactResponse& response) override;
  void OnExecuted(v1::ExecuteResponse& response) override;
  bool Abandoned() const override { return abandoned_; }

 private:
  template <typename Fill>
  void Finish(Fill fill);

  mutable Mutex mu_;
  CondVar changed_;
  bool done_ ABSL_GUARDED_BY(mu_) = false;
  std::atomic<bool> abandoned_{false};
  // Written once, before done_; read after it.
  v1::TransactResponse transacted_;
  v1::ExecuteResponse executed_;
  v1::ErrorDetail refusal_;
};

class SessionSql final : public SqlDoor {
 public:
  explicit SessionSql(Session& session) : session_(session) {}

  std::unique_ptr<SqlStream> Take() override;
  std::unique_ptr<SqlStream> New() override { return Take(); }
  void Give(std::unique_ptr<SqlStream> stream) override { stream.reset(); }  // there is nothing to keep
  void DropIdle() override {}
  Executed Execute(const v1::ExecuteRequest& request, std::chrono::milliseconds timeout,
                   const std::stop_token& stop) override;

 private:
  Session& session_;
  std::atomic<std::uint64_t> next_conversation_{0};
};

}  // namespace dbos::runtime
