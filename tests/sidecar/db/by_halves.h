// ByHalves: a session whose calls are made in two halves, as by a thread that must not block. What the second half
// waits for longer than a moment it waits for itself.
//
// Threads, blocking, errors: as SqlSession says.
#pragma once

#include <memory>
#include <utility>

#include <poll.h>

#include "sidecar/db/sql_session.h"

namespace dbos::sidecar {

class ByHalves final : public SqlSession {
 public:
  explicit ByHalves(std::unique_ptr<SqlSession> session) : session_(std::move(session)) {}

  SqlSyntax syntax() const override { return session_->syntax(); }
  void Begin(const TransactionMode& mode, absl::Time deadline, std::size_t rows_bytes_max) override {
    session_->Begin(mode, deadline, rows_bytes_max);
  }
  void Defer(const NamedSql& sql, const SqlValues& values) override { session_->Defer(sql, values); }
  absl::StatusOr<SqlAnswer> Run(const NamedSql& sql, const SqlValues& values) override {
    if (session_->SendRun(sql, values)) AwaitAnswer();
    return session_->Run(sql, values);
  }
  absl::StatusOr<SqlAnswer> OpenCursor(const NamedSql& sql, const SqlValues& values, std::uint32_t rows) override {
    return session_->OpenCursor(sql, values, rows);
  }
  absl::StatusOr<SqlAnswer> Fetch(std::uint32_t rows) override { return session_->Fetch(rows); }
  absl::StatusOr<SqlAnswer> Savepoint(SavepointAction action) override { return session_->Savepoint(action); }
  absl::StatusOr<SqlAnswer> Commit(const Statement* record) override {
    if (session_->SendCommit(record)) AwaitAnswer();
    return session_->Commit(record);
  }
  absl::StatusOr<SqlOutcome> RunAndCommit(const NamedSql& sql, const SqlValues& values,
                                          const Statement* record) override {
    if (session_->SendRunAndCommit(sql, values, record)) AwaitAnswer();
    return session_->RunAndCommit(sql, values, record);
  }
  bool could_group() const override { return session_->could_group(); }
  absl::StatusOr<SqlGroupOutcome> RunGroup(const std::vector<SqlGroupMember>& group) override {
    if (session_->SendGroup(group)) AwaitAnswer();
    return session_->RunGroup(group);
  }
  SqlWait WaitsFor() override { return session_->WaitsFor(); }
  void RollBack() override { session_->RollBack(); }
  absl::StatusOr<Result> Execute(const Statement& statement) override { return session_->Execute(statement); }
  absl::Status RunScript(const std::string& sql) override { return session_->RunScript(sql); }
  void Interrupt() override { session_->Interrupt(); }

 private:
  void AwaitAnswer() {
    constexpr int kMomentMs = 20;
    int ready = 1;
    while (ready > 0 && session_->Poll() == SqlArrival::kNotYet) {
      const SqlWait wait = session_->WaitsFor();
      pollfd file = {.fd = wait.socket, .events = POLLIN, .revents = 0};
      if (wait.for_writing) file.events = POLLIN | POLLOUT;
      ready = poll(&file, 1, kMomentMs);
    }
  }

  const std::unique_ptr<SqlSession> session_;
};

}  // namespace dbos::sidecar
