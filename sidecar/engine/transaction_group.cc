#include "sidecar/engine/transaction_group.h"

#include <utility>

#include "absl/time/clock.h"

namespace dbos::sidecar {
namespace {

std::vector<GroupMember> MembersOf(std::span<TransactionRequest* const> group) {
  std::vector<GroupMember> members;
  members.reserve(group.size());
  for (const TransactionRequest* request : group) {
    const auto& execute = std::get<ExecuteRequest>(request->command);
    members.push_back({&execute.command, &*request->begin->step, execute.completed_at_ms});
  }
  return members;
}

std::size_t BytesOf(const SqlValue& value) {
  std::size_t bytes = value.text.size();
  for (const SqlValue& item : value.items) bytes += kSqlCellBytes + BytesOf(item);
  return bytes;
}

bool IsSmall(const SqlCommand& command) {
  std::size_t bytes = command.sql.size();
  for (const SqlParameter& parameter : command.parameters) bytes += kSqlCellBytes + BytesOf(parameter.value);
  return bytes <= kGroupMemberBytesMax;
}

}  // namespace

bool CanShareCommit(const TransactionRequest& request) {
  const std::optional<BeginRequest>& begin = request.begin;
  const auto* execute = std::get_if<ExecuteRequest>(&request.command);
  return execute != nullptr && begin && begin->step && !begin->in_doubt && !begin->mode.read_only &&
         !begin->mode.deferrable && begin->timeout >= kGroupTimeout && IsSmall(execute->command);
}

bool TransactionGroup::Start(std::span<TransactionRequest* const> group, std::int64_t now_ms) {
  for (TransactionRequest* request : group) {
    auto& execute = std::get<ExecuteRequest>(request->command);
    if (execute.completed_at_ms == 0) execute.completed_at_ms = now_ms;
    TransactionStep& step = *request->begin->step;
    if (step.started_at_ms == 0) step.started_at_ms = now_ms;
  }
  storage_.Begin(group.front()->begin->mode, absl::Now() + kGroupTimeout);
  return storage_.SendGroup(MembersOf(group));
}

GroupEnd TransactionGroup::Run(std::span<TransactionRequest* const> group) {
  absl::StatusOr<GroupVerdict> verdict = storage_.RunGroup(MembersOf(group));
  GroupEnd end;
  if (!verdict.ok()) {
    storage_.RollBack();
    const bool lost = absl::IsUnavailable(verdict.status());
    for (TransactionRequest* request : group) request->begin->in_doubt = lost;
    return end;
  }
  end.failed = verdict->failed;
  for (StepRecord& record : verdict->recorded) {
    end.answers.emplace_back(TransactionEnded{TransactionEnded::How::kCommitted, std::move(record.outcome)});
  }
  return end;
}

}  // namespace dbos::sidecar
