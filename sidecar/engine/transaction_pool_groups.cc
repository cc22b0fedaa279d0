// Transactions that share a commit: those of one statement that came while others of their kind were under way.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

#include "sidecar/engine/conversation.h"
#include "sidecar/engine/transaction_group.h"

namespace dbos::sidecar {
namespace {

// A statement that took longer when it ran alone would hold up the others of a group, and so did those of a group that
// took so long.
constexpr absl::Duration kLongAlone = absl::Milliseconds(100);
constexpr absl::Duration kLongGroup = absl::Milliseconds(250);

}  // namespace

bool TransactionPool::MayShare(const TransactionRequest& request) const {
  return options_.group_max > 1 && CanShareCommit(request) &&
         records_.StandingOf(request.begin->step->execution).refusal.ok();
}

// Forgets those who have gone.
bool TransactionPool::HasWaiting(std::deque<Waiting>& queue) {
  while (!queue.empty() && !queue.front().conversation->turn) queue.pop_front();
  return !queue.empty();
}

// What takes long holds up nobody else: another group may go beside it. `next`: when to look again, if that is sooner.
TransactionPool::Seat* TransactionPool::StartAnotherGroup(absl::Time now, absl::Time& next) {
  if (!HasWaiting(sharing_)) return nullptr;
  if (ahead_ != nullptr && now < ahead_->since + kGroupPatience) {
    next = std::min(next, ahead_->since + kGroupPatience);
    return nullptr;
  }
  ahead_ = nullptr;
  Seat* const seat = TakeSeat();
  if (seat != nullptr) AssignGroup(*seat);
  if (!sharing_.empty()) next = std::min(next, now + kGroupPatience);
  return seat;
}

// The seat for the next who waits, by the time at which he came; with him all who can share his commit.
bool TransactionPool::AssignNext(Seat& seat) {
  const bool somebody = HasWaiting(waiting_);
  const bool share = ahead_ == nullptr && HasWaiting(sharing_);
  if (share && (!somebody || sharing_.front().give_up <= waiting_.front().give_up)) {
    AssignGroup(seat);
    if (!sharing_.empty()) LookBy(absl::Now() + kGroupPatience);
    return true;
  }
  if (!somebody) return false;
  Waiting next = std::move(waiting_.front());
  waiting_.pop_front();
  Assign(seat, std::move(next));
  return true;
}

// As many as fit, the first of whom waits. One alone needs no group.
void TransactionPool::AssignGroup(Seat& seat) {
  if (sharing_.size() == 1) {
    Waiting only = std::move(sharing_.front());
    sharing_.pop_front();
    return Assign(seat, std::move(only));
  }
  const TransactionMode mode = sharing_.front().conversation->turn->request.begin->mode;
  while (!sharing_.empty() && static_cast<int>(seat.group.size()) < options_.group_max) {
    const auto conversation = sharing_.front().conversation;
    if (conversation->turn) {
      if (conversation->turn->request.begin->mode != mode) break;
      seat.group.push_back({conversation, *std::exchange(conversation->turn, std::nullopt)});
    }
    sharing_.pop_front();
  }
  ahead_ = &seat;
  seat.has_group = true;
  seat.state = Seat::State::kTaken;
  seat.sent = seat.begun = false;
  seat.since = absl::Now();
  seat.holder = absl::StrCat(seat.group.size(), " transactions of one statement");
}

TransactionPool::Requests TransactionPool::RequestsOf(std::vector<Member>& group) {
  Requests requests;
  requests.reserve(group.size());
  for (Member& member : group) requests.push_back(&member.turn.request);
  return requests;
}

// In the order of their workflows, in which the engine locks their rows as well.
bool TransactionPool::SendGroup(Seat& seat) {
  const auto workflow = [](const Member& member) -> const std::string& {
    return member.turn.request.begin->step->execution.workflow_id;
  };
  std::sort(seat.group.begin(), seat.group.end(),
            [&](const Member& a, const Member& b) { return workflow(a) < workflow(b); });
  seat.begun = true;
  const absl::Time now = absl::Now();
  seat.group_limit = now + kGroupTimeout;
  return TransactionGroup(*seat.storage).Start(RequestsOf(seat.group), absl::ToUnixMillis(now));
}

TransactionPool::Left TransactionPool::GroupAnswered(Seat& seat, Answers& answers) {
  std::vector<Member> group = std::exchange(seat.group, {});
  const absl::Time begun = seat.group_limit - kGroupTimeout;
  GroupEnd end = TransactionGroup(*seat.storage).Run(RequestsOf(group));
  std::unique_ptr<TransactionStorage> closed;
  Left left = Left::kAlone;
  {
    MutexLock lock(mu_);
    group_usage_.transactions += end.answers.size();
    ++(end.answers.empty() ? group_usage_.failed : group_usage_.committed);
    const bool took_long = absl::Now() - begun > kLongGroup;
    if (end.answers.empty() || took_long) PauseCandidates(group, end.failed);
    left = Release(seat, closed);
  }
  for (std::size_t n = 0; n < end.answers.size(); ++n) {
    answers.Give(std::move(group[n].turn), std::move(end.answers[n]), group[n].conversation);
  }
  if (end.answers.empty()) GoApart(std::move(group), absl::Now() - begun);
  return left;
}

// Who failed the others goes alone for a while; where that is not known, all of them.
void TransactionPool::PauseCandidates(const std::vector<Member>& group, std::optional<std::size_t> failed) {
  const absl::Time now = absl::Now();
  for (std::size_t n = 0; n < group.size(); ++n) {
    if (failed && *failed != n) continue;
    candidates_.Pause(std::get<ExecuteRequest>(group[n].turn.request.command).command.sql, now);
  }
}

// Each meets the answer that is its own, in what is left of its time.
void TransactionPool::GoApart(std::vector<Member> group, absl::Duration spent) {
  for (Member& member : group) {
    BeginRequest& begin = *member.turn.request.begin;
    begin.timeout = std::max(begin.timeout - spent, absl::ZeroDuration());
    Enter(member.conversation, std::move(member.turn), Shares::kNoMore);
  }
}

void TransactionPool::Learn(const Seat& seat, const Turn& turn, const TransactionAnswer& answer) {
  const auto* execute = std::get_if<ExecuteRequest>(&turn.request.command);
  const auto* ended = std::get_if<TransactionEnded>(&answer);
  if (execute == nullptr || ended == nullptr || ended->how != TransactionEnded::How::kCommitted) return;
  const std::string& sql = execute->command.sql;
  if (!seat.transaction || !seat.transaction->could_group()) return candidates_.Remove(sql);
  if (absl::Now() - seat.since < kLongAlone) candidates_.Add(sql);
}

GroupUsage TransactionPool::groups() {
  MutexLock lock(mu_);
  return group_usage_;
}

// What was sent is ended by a worker, since the poller is gone.
void TransactionPool::EndGroups() {
  for (Seat& seat : seats_) {
    if (!seat.has_group) continue;
    const bool sent = seat.state == Seat::State::kSent;
    if (sent || seat.handled) seat.transaction->Interrupt();
    if (sent) Queue(seat);
  }
}

TransactionPool::Left TransactionPool::WorkOnGroup(Seat& seat, Answers& answers) {
  Error error = seat.begun ? Error() : Renew(seat);
  if (error.ok()) {
    bool stopping = false;
    {
      MutexLock lock(mu_);
      seat.handled = true;
      stopping = stopping_;
      if (stopping) seat.transaction->Interrupt();
    }
    if (!seat.begun && !stopping) SendGroup(seat);
    if (seat.sent || !stopping) return GroupAnswered(seat, answers);
    error = {Reason::kPoolExhausted, "the sidecar stops"};
  }
  std::unique_ptr<TransactionStorage> closed;
  for (Member& member : std::exchange(seat.group, {})) {
    answers.Give(std::move(member.turn), error, member.conversation);
  }
  MutexLock lock(mu_);
  return Release(seat, closed);
}

}  // namespace dbos::sidecar
