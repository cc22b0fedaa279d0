// DatabaseTransactions: TransactionStorage over a session with the application database.
//
// Threads, blocking, errors: as TransactionStorage says.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sidecar/store/transaction_storage.h"
#include "sidecar/store/transaction_store.h"

namespace dbos::sidecar {

class DatabaseTransactions final : public TransactionStorage {
 public:
  // `open_reader` opens a session that may read the records where `session` may not.
  DatabaseTransactions(std::unique_ptr<SqlSession> session, RecordTable table, Identity identity,
                       std::function<std::unique_ptr<SqlSession>()> open_reader)
      : session_(std::move(session)),
        table_(table),
        identity_(std::move(identity)),
        open_reader_(std::move(open_reader)) {}

  bool same_database() const override { return table_ != RecordTable::kTransactionOutputs; }
  void Begin(const TransactionMode& mode, absl::Time deadline) override;
  absl::Status Defer(const std::vector<SqlCommand>& commands) override;
  absl::StatusOr<SqlAnswer> Run(const SqlCommand& command) override;
  absl::StatusOr<SqlAnswer> Fetch(std::uint32_t rows) override;
  absl::StatusOr<SqlAnswer> Savepoint(SavepointAction action) override;
  absl::StatusOr<CommitVerdict> Commit(const std::optional<TransactionStep>& step, const StepRecord& record) override;
  absl::StatusOr<CommitVerdict> Execute(const SqlCommand& command, const std::optional<TransactionStep>& step,
                                        std::int64_t completed_at_ms) override;
  bool could_group() const override { return could_group_; }
  absl::StatusOr<GroupVerdict> RunGroup(const std::vector<GroupMember>& group) override;
  void RollBack() override;
  bool SendRun(const SqlCommand& command) override;
  bool SendCommit(const std::optional<TransactionStep>& step, const StepRecord& record) override;
  bool SendExecute(const SqlCommand& command, const std::optional<TransactionStep>& step,
                   std::int64_t completed_at_ms) override;
  bool SendGroup(const std::vector<GroupMember>& group) override;
  SqlArrival Poll() override { return session_->Poll(); }
  SqlWait WaitsFor() override { return session_->WaitsFor(); }
  absl::StatusOr<std::optional<CommitVerdict>> Recorded(const TransactionStep& step) override;
  void Interrupt() override { session_->Interrupt(); }
  bool spent() const override { return spent_; }

 private:
  struct Named {
    NamedSql sql;
    SqlValues values;
  };
  // One of a group, taken apart.
  struct Grouped {
    std::unique_ptr<Named> named;
    StepRecord record;
    Statement statement;
  };
  // Fills `grouped_`. Which one is not as it must be, if any is not.
  std::optional<std::size_t> TakeApart(const std::vector<GroupMember>& group);
  std::vector<SqlGroupMember> TakenApart() const;
  absl::StatusOr<std::unique_ptr<Named>> Parse(const SqlCommand& command);
  // What the first half has parsed, or else the command.
  absl::StatusOr<std::unique_ptr<Named>> ParsedOr(const SqlCommand& command);
  std::optional<Statement> ResultStatement(const std::optional<TransactionStep>& step, const StepRecord& record) const;

  SqlSession& Reader();
  absl::StatusOr<CommitVerdict> Judge(const SqlFailure& failure, const std::optional<TransactionStep>& step);

  const std::unique_ptr<SqlSession> session_;
  const RecordTable table_;
  const Identity identity_;
  const std::function<std::unique_ptr<SqlSession>()> open_reader_;
  std::unique_ptr<SqlSession> reader_;            // opened by its first use
  std::unique_ptr<Named> parsed_;                 // by a first half
  std::vector<std::unique_ptr<Named>> deferred_;  // until the call that runs them
  std::vector<Grouped> grouped_;                  // since Begin
  bool commit_sent_ = false;                      // by a first half, with its record
  bool could_group_ = false;
  bool spent_ = false;
};

}  // namespace dbos::sidecar
