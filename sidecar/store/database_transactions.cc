#include "sidecar/store/database_transactions.h"

#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"

#include "sidecar/base/status.h"
#include "sidecar/store/verdicts.h"

namespace dbos::sidecar {
namespace {

// Of all rows that one call returns: what fits into one message of the protocol, with room for the rest of it.
constexpr std::size_t kRowsBytesMax = 4 << 20;

using Kind = CommitVerdict::Kind;

// The record of a step whose outcome the database makes.
StepRecord RecordOfResult(const TransactionStep* step, std::int64_t completed_at_ms) {
  StepRecord record;
  record.completed_at_ms = completed_at_ms;
  if (step == nullptr) return record;
  record.step_id = step->step_id;
  record.name = step->name;
  record.started_at_ms = step->started_at_ms;
  return record;
}

// Others would find what it does to the session, or what functions of the user's do to the transaction.
bool IsGroupable(const NamedSql& sql) {
  return !sql.marks_session && !sql.calls_functions &&
         (sql.verb == "INSERT" || sql.verb == "UPDATE" || sql.verb == "DELETE");
}

}  // namespace

void DatabaseTransactions::Begin(const TransactionMode& mode, absl::Time deadline) {
  grouped_.clear();
  deferred_.clear();
  commit_sent_ = false;
  session_->Begin(mode, deadline, kRowsBytesMax);
}

absl::StatusOr<std::unique_ptr<DatabaseTransactions::Named>> DatabaseTransactions::Parse(const SqlCommand& command) {
  auto named = std::make_unique<Named>();
  ASSIGN_OR_RETURN(named->sql, ParseNamedSql(command.sql, session_->syntax()));
  ASSIGN_OR_RETURN(named->values, MatchParameters(named->sql, command));
  spent_ = spent_ || named->sql.marks_session;
  return named;
}

absl::StatusOr<std::unique_ptr<DatabaseTransactions::Named>> DatabaseTransactions::ParsedOr(const SqlCommand& command) {
  if (parsed_ != nullptr) return std::move(parsed_);
  return Parse(command);
}

void DatabaseTransactions::RollBack() {
  session_->RollBack();
  parsed_ = nullptr;
  grouped_.clear();
  deferred_.clear();
  commit_sent_ = false;
}

absl::Status DatabaseTransactions::Defer(const std::vector<SqlCommand>& commands) {
  if (!deferred_.empty()) return absl::OkStatus();  // by a first half
  std::vector<std::unique_ptr<Named>> parsed;
  for (const SqlCommand& command : commands) {
    auto named = Parse(command);
    if (!named.ok()) {
      return {named.status().code(),
              absl::StrCat("deferred statement ", parsed.size() + 1, ": ", Message(named.status()))};
    }
    parsed.push_back(*std::move(named));
  }
  deferred_ = std::move(parsed);
  for (const auto& named : deferred_) session_->Defer(named->sql, named->values);
  return absl::OkStatus();
}

absl::StatusOr<SqlAnswer> DatabaseTransactions::Run(const SqlCommand& command) {
  const auto deferred = std::exchange(deferred_, {});
  ASSIGN_OR_RETURN(const auto named, ParsedOr(command));
  if (command.page_rows == 0) return session_->Run(named->sql, named->values);
  return session_->OpenCursor(named->sql, named->values, command.page_rows);
}

absl::StatusOr<SqlAnswer> DatabaseTransactions::Fetch(std::uint32_t rows) {
  const auto deferred = std::exchange(deferred_, {});
  return session_->Fetch(rows);
}

absl::StatusOr<SqlAnswer> DatabaseTransactions::Savepoint(SavepointAction action) {
  const auto deferred = std::exchange(deferred_, {});
  return session_->Savepoint(action);
}

bool DatabaseTransactions::SendRun(const SqlCommand& command) {
  if (command.page_rows != 0) return false;
  auto named = Parse(command);
  if (!named.ok()) return false;  // the other half says why
  parsed_ = *std::move(named);
  return session_->SendRun(parsed_->sql, parsed_->values);
}

absl::StatusOr<CommitVerdict> DatabaseTransactions::Commit(const std::optional<TransactionStep>& step,
                                                           const StepRecord& record) {
  const auto deferred = std::exchange(deferred_, {});
  std::optional<Statement> statement;
  const bool sent = std::exchange(commit_sent_, false);
  if (step && !sent) statement = RecordStatement(table_, identity_, *step, record);
  ASSIGN_OR_RETURN(const SqlAnswer answer, session_->Commit(statement ? &*statement : nullptr));
  if (const auto* failure = std::get_if<SqlFailure>(&answer)) return Judge(*failure, step);
  return CommitVerdict();
}

bool DatabaseTransactions::SendCommit(const std::optional<TransactionStep>& step, const StepRecord& record) {
  std::optional<Statement> statement;
  if (step) statement = RecordStatement(table_, identity_, *step, record);
  commit_sent_ = session_->SendCommit(statement ? &*statement : nullptr);
  return commit_sent_;
}

std::optional<Statement> DatabaseTransactions::ResultStatement(const std::optional<TransactionStep>& step,
                                                               const StepRecord& record) const {
  if (!step) return std::nullopt;
  return RecordResultStatement(table_, identity_, *step, record);
}

absl::StatusOr<CommitVerdict> DatabaseTransactions::Execute(const SqlCommand& command,
                                                            const std::optional<TransactionStep>& step,
                                                            std::int64_t completed_at_ms) {
  could_group_ = false;
  ASSIGN_OR_RETURN(const auto named, ParsedOr(command));
  CommitVerdict verdict;
  verdict.recorded = RecordOfResult(step ? &*step : nullptr, completed_at_ms);
  const std::optional<Statement> statement = ResultStatement(step, verdict.recorded);
  ASSIGN_OR_RETURN(auto outcome, session_->RunAndCommit(named->sql, named->values, statement ? &*statement : nullptr));
  if (const auto* failure = std::get_if<SqlFailure>(&outcome)) return Judge(*failure, step);
  could_group_ = step && same_database() && IsGroupable(named->sql) && session_->could_group();
  verdict.recorded.outcome = Outcome{Outcome::Kind::kValue, {std::move(std::get<std::string>(outcome))}};
  return verdict;
}

bool DatabaseTransactions::SendExecute(const SqlCommand& command, const std::optional<TransactionStep>& step,
                                       std::int64_t completed_at_ms) {
  auto named = Parse(command);
  if (!named.ok()) return false;
  parsed_ = *std::move(named);
  const StepRecord record = RecordOfResult(step ? &*step : nullptr, completed_at_ms);
  const std::optional<Statement> statement = ResultStatement(step, record);
  return session_->SendRunAndCommit(parsed_->sql, parsed_->values, statement ? &*statement : nullptr);
}

std::optional<std::size_t> DatabaseTransactions::TakeApart(const std::vector<GroupMember>& group) {
  grouped_.clear();
  for (const GroupMember& member : group) {
    auto named = Parse(*member.command);
    if (!named.ok()) return std::exchange(grouped_, {}).size();
    StepRecord record = RecordOfResult(member.step, member.completed_at_ms);
    Statement statement = RecordResultStatement(table_, identity_, *member.step, record);
    grouped_.push_back({*std::move(named), std::move(record), std::move(statement)});
  }
  return std::nullopt;
}

std::vector<SqlGroupMember> DatabaseTransactions::TakenApart() const {
  std::vector<SqlGroupMember> members;
  members.reserve(grouped_.size());
  for (const Grouped& one : grouped_) members.push_back({&one.named->sql, &one.named->values, &one.statement});
  return members;
}

bool DatabaseTransactions::SendGroup(const std::vector<GroupMember>& group) {
  return !TakeApart(group) && session_->SendGroup(TakenApart());
}

absl::StatusOr<GroupVerdict> DatabaseTransactions::RunGroup(const std::vector<GroupMember>& group) {
  if (grouped_.empty()) {
    if (const auto bad = TakeApart(group)) {
      RollBack();
      return GroupVerdict{{}, bad};
    }
  }
  ASSIGN_OR_RETURN(SqlGroupOutcome all, session_->RunGroup(TakenApart()));
  GroupVerdict verdict;
  verdict.failed = all.failed;
  for (std::size_t n = 0; n < all.outcomes.size(); ++n) {
    verdict.recorded.push_back(std::move(grouped_[n].record));
    verdict.recorded.back().outcome = Outcome{Outcome::Kind::kValue, {std::move(all.outcomes[n])}};
  }
  grouped_.clear();
  return verdict;
}

SqlSession& DatabaseTransactions::Reader() {
  if (table_ != RecordTable::kOperationOutputsByFunction) return *session_;
  if (reader_ == nullptr) reader_ = open_reader_();
  return *reader_;
}

absl::StatusOr<std::optional<CommitVerdict>> DatabaseTransactions::Recorded(const TransactionStep& step) {
  ASSIGN_OR_RETURN(std::optional<StepRecord> stored, ReadRecord(Reader(), table_, step));
  if (!stored) return std::nullopt;
  CommitVerdict verdict;
  verdict.kind = Kind::kRecordedBefore;
  if (stored->name != step.name) {
    verdict.kind = Kind::kRefused;
    verdict.error = StepMismatch({step.execution.workflow_id, step.step_id}, stored->name, step.name);
  }
  verdict.recorded = *std::move(stored);
  return verdict;
}

// The transaction was rolled back. Why the record was not taken, the tables say.
absl::StatusOr<CommitVerdict> DatabaseTransactions::Judge(const SqlFailure& failure,
                                                          const std::optional<TransactionStep>& step) {
  CommitVerdict verdict;
  verdict.kind = IsConflict(failure) ? Kind::kConflict : Kind::kFailed;
  verdict.failure = failure;
  if (!step || failure.deferred != 0) return verdict;  // a statement of the user's
  if (IsRecordedAlready(failure)) {
    ASSIGN_OR_RETURN(std::optional<CommitVerdict> recorded, Recorded(*step));
    if (recorded) return *std::move(recorded);
    verdict.kind = Kind::kFailed;  // a table of the user's has that name
  } else if (IsNotOwned(failure)) {
    ASSIGN_OR_RETURN(verdict.error, WhyNotOwned(Reader(), step->execution));
    verdict.kind = verdict.error.ok() ? Kind::kConflict : Kind::kRefused;
  }
  return verdict;
}

}  // namespace dbos::sidecar
