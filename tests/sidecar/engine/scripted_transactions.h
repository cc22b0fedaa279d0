// A TransactionStorage and a WorkflowRecords that say what a test tells them to, and write down what they were asked.
#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sidecar/base/mutex.h"
#include "sidecar/engine/transaction.h"
#include "sidecar/store/transaction_storage.h"

namespace dbos::sidecar {

// Shared by the storages of one test and by the test.
class Script {
 public:
  using CommitAnswer = absl::StatusOr<CommitVerdict>;
  using RecordedAnswer = absl::StatusOr<std::optional<CommitVerdict>>;

  void Note(const std::string& what) {
    MutexLock lock(mu_);
    log_.push_back(what);
    changed_.NotifyAll();
  }
  std::vector<std::string> log() {
    MutexLock lock(mu_);
    return log_;
  }
  void AwaitNote(const std::string& what) {
    MutexLock lock(mu_);
    while (std::find(log_.begin(), log_.end(), what) == log_.end()) changed_.Wait(mu_);
  }

  bool same_database = true;
  std::atomic<bool> spent = false;
  std::deque<CommitAnswer> commits;     // by default kCommitted
  std::deque<RecordedAnswer> recorded;  // by default nothing
  absl::Status defers;
  std::deque<absl::StatusOr<SqlAnswer>> runs;
  std::atomic<bool> could_group = false;
  std::deque<absl::StatusOr<GroupVerdict>> groups;  // by default all are committed
  ExecutionStanding standing;
  WorkflowRecords::Verdict record;
  std::atomic<absl::Duration> quiet_for = absl::InfiniteDuration();
  // Called, if set, while a statement runs, is being sent, while the engine records, or before a rollback.
  std::function<void()> in_run;
  std::function<void()> in_send;
  std::function<void()> in_record;
  std::function<void()> in_roll_back;

  // Whether there are first halves, and what Poll says once something has come.
  bool halves = false;
  std::atomic<SqlArrival> arrival = SqlArrival::kAll;
  // Something comes from the database.
  void Arrive() { answers_.Write(); }
  int socket() const { return answers_.file(); }
  SqlArrival Poll() { return answers_.Read() ? arrival.load() : SqlArrival::kNotYet; }

 private:
  Mutex mu_;
  // Readable when it has been written to.
  class EventFile {
   public:
    EventFile() : file_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
    ~EventFile() { close(file_); }
    EventFile(const EventFile&) = delete;
    EventFile& operator=(const EventFile&) = delete;
    int file() const { return file_; }
    void Write() const { EXPECT_EQ(eventfd_write(file_, 1), 0); }
    bool Read() const {
      eventfd_t events = 0;
      return eventfd_read(file_, &events) == 0;
    }

   private:
    const int file_;
  };

  const EventFile answers_;
  CondVar changed_;
  std::vector<std::string> log_ ABSL_GUARDED_BY(mu_);
};

template <typename T>
T TakeFront(std::deque<T>& answers, T otherwise) {
  if (answers.empty()) return otherwise;
  T front = std::move(answers.front());
  answers.pop_front();
  return front;
}

class ScriptedStorage final : public TransactionStorage {
 public:
  explicit ScriptedStorage(Script& script) : script_(script) {}

  bool same_database() const override { return script_.same_database; }
  bool spent() const override { return script_.spent; }
  void Begin(const TransactionMode& mode, absl::Time /*deadline*/) override {
    script_.Note(mode.read_only ? "begin read only" : "begin");
  }
  absl::Status Defer(const std::vector<SqlCommand>& commands) override {
    for (const SqlCommand& command : commands) script_.Note("defer " + command.sql);
    return script_.defers;
  }
  absl::StatusOr<SqlAnswer> Run(const SqlCommand& command) override {
    script_.Note("run " + command.sql);
    if (script_.in_run) script_.in_run();
    return TakeFront<absl::StatusOr<SqlAnswer>>(script_.runs, SqlAnswer(SqlRows()));
  }
  absl::StatusOr<SqlAnswer> Fetch(std::uint32_t /*rows*/) override { return SqlAnswer(SqlRows()); }
  absl::StatusOr<SqlAnswer> Savepoint(SavepointAction /*action*/) override { return SqlAnswer(SqlRows()); }
  absl::StatusOr<CommitVerdict> Commit(const std::optional<TransactionStep>& step, const StepRecord& record) override {
    const bool failed = record.outcome && record.outcome->kind == Outcome::Kind::kError;
    script_.Note(step ? (failed ? "commit with failure " : "commit with ") + record.outcome->payload.data : "commit");
    return TakeFront<Script::CommitAnswer>(script_.commits, CommitVerdict());
  }
  absl::StatusOr<CommitVerdict> Execute(const SqlCommand& command, const std::optional<TransactionStep>& step,
                                        std::int64_t /*completed_at_ms*/) override {
    script_.Note((step ? "execute and record " : "execute ") + command.sql);
    CommitVerdict committed;
    committed.recorded.outcome = Outcome{Outcome::Kind::kValue, {"rows"}};
    return TakeFront<Script::CommitAnswer>(script_.commits, committed);
  }
  bool could_group() const override { return script_.could_group; }
  absl::StatusOr<GroupVerdict> RunGroup(const std::vector<GroupMember>& group) override {
    script_.Note("run group" + Names(group));
    if (script_.in_run) script_.in_run();
    GroupVerdict all;
    for (const GroupMember& member : group) {
      all.recorded.emplace_back();
      all.recorded.back().outcome = Outcome{Outcome::Kind::kValue, {"rows of " + member.command->sql}};
    }
    return TakeFront<absl::StatusOr<GroupVerdict>>(script_.groups, all);
  }
  bool SendGroup(const std::vector<GroupMember>& group) override { return Send("send group" + Names(group)); }
  void RollBack() override {
    if (script_.in_roll_back) script_.in_roll_back();
    script_.Note("roll back");
  }
  bool SendRun(const SqlCommand& command) override { return Send("send run " + command.sql); }
  bool SendCommit(const std::optional<TransactionStep>& /*step*/, const StepRecord& record) override {
    return Send("send commit with " + record.outcome->payload.data);
  }
  bool SendExecute(const SqlCommand& command, const std::optional<TransactionStep>& /*step*/,
                   std::int64_t /*completed_at_ms*/) override {
    return Send("send execute " + command.sql);
  }
  SqlArrival Poll() override { return script_.Poll(); }
  SqlWait WaitsFor() override { return {script_.socket(), false}; }
  absl::StatusOr<std::optional<CommitVerdict>> Recorded(const TransactionStep& /*step*/) override {
    script_.Note("look up");
    return TakeFront<Script::RecordedAnswer>(script_.recorded, std::optional<CommitVerdict>());
  }
  void Interrupt() override { script_.Note("interrupt"); }

 private:
  static std::string Names(const std::vector<GroupMember>& group) {
    std::string names;
    for (const GroupMember& member : group) names += " " + member.step->execution.workflow_id;
    return names;
  }
  bool Send(const std::string& what) {
    if (!script_.halves) return false;
    script_.Note(what);
    if (script_.in_send) script_.in_send();
    return true;
  }

  Script& script_;
};

class ScriptedRecords final : public WorkflowRecords {
 public:
  explicit ScriptedRecords(Script& script) : script_(script) {}

  ExecutionStanding StandingOf(const ExecutionRef& /*execution*/) override { return script_.standing; }
  Verdict Record(RecordStepRequest request) override {
    const bool failed = request.step.outcome->kind == Outcome::Kind::kError;
    script_.Note((failed ? "engine records failure " : "engine records ") + request.step.outcome->payload.data);
    if (script_.in_record) script_.in_record();
    return script_.record;
  }
  absl::Duration QuietFor() const override { return script_.quiet_for.load(); }

 private:
  Script& script_;
};

inline TransactionRequest Begins(bool in_workflow) {
  TransactionRequest request;
  request.begin.emplace();
  if (in_workflow) request.begin->step = TransactionStep{{"w", "token"}, 3, "pay", 0};
  return request;
}

template <typename Command>
TransactionRequest Asks(Command command) {
  TransactionRequest request;
  request.command = std::move(command);
  return request;
}

template <typename Command>
TransactionRequest Defers(std::vector<SqlCommand> deferred, Command command) {
  TransactionRequest request = Asks(std::move(command));
  request.deferred = std::move(deferred);
  return request;
}

inline SqlCommand Sql(const std::string& text) {
  SqlCommand command;
  command.sql = text;
  return command;
}

}  // namespace dbos::sidecar
