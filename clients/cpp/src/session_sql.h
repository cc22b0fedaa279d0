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

#include "session.h"
#include "sql_door.h"

namespace dbos::runtime {

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
