// The poller: the thread that waits for the sockets of all seats, and for the limits of time.
#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

#include "sidecar/engine/conversation.h"
#include "sidecar/model/pool.h"

namespace dbos::sidecar {
namespace {

// How often the poller looks at the time, at the least, so that it need not be woken for limits that are far away.
constexpr absl::Duration kPollerPause = absl::Seconds(1);

}  // namespace

void TransactionPool::PollerMain() {
  Answers answers;
  while (true) {
    const absl::Duration pause = LookAtTheTime(answers);
    if (pause < absl::ZeroDuration()) return;
    answers.FlushAll();
    for (void* const seat : watch_.Wait(pause)) OnReady(*static_cast<Seat*>(seat), answers);
    answers.FlushAll();
  }
}

// ---------------------------------------------------------------- a lone caller
// Nobody else has been about for a while.
bool TransactionPool::IsAlone() {
  const absl::Time now = absl::Now();
  if (seats_.size() - free_.size() > 1) crowded_at_ = now;
  return now - crowded_at_ > kQuiet;
}

// The answer to request `wait` of the seat, taken by this thread if it comes soon, or else left to the poller.
// Meanwhile a worker may have taken the seat, because its time was over or its caller has gone; then it is not ours any
// more.
void TransactionPool::Spin(Seat& seat, std::uint64_t wait, int socket, SpinWait::For what) {
  if (spin_.IsReadable(socket, what)) {
    Answers answers;
    return OnReady(seat, answers);
  }
  MutexLock lock(mu_);
  if (seat.state == Seat::State::kSent && seat.waits == wait) watch_.Arm(socket, &seat, SocketWatch::For::kReading);
}

// ---------------------------------------------------------------- the limits of time
// The poller looks at the time at `limit` or before.
void TransactionPool::LookBy(absl::Time limit) {
  if (limit >= look_at_) return;
  look_at_ = limit;
  watch_.Wake();
}

// Ends what is over its limit. How long until it is worth another look; negative: no more.
absl::Duration TransactionPool::LookAtTheTime(Answers& answers) {
  const absl::Time now = absl::Now();
  std::vector<std::pair<Member, Error>> in_vain;
  Seat* started = nullptr;
  absl::Time next = now + kPollerPause;
  {
    MutexLock lock(mu_);
    if (stopping_) return -absl::InfiniteDuration();
    for (Seat& seat : seats_) {
      if (seat.state != Seat::State::kSent && seat.state != Seat::State::kIdle) continue;
      if (seat.limit > now) {
        next = std::min(next, seat.limit);
        continue;
      }
      if (seat.state == Seat::State::kIdle) {
        seat.serves->over = seat.over;
        seat.serves->seat = nullptr;
        seat.serves = nullptr;
      }
      Queue(seat);
    }
    in_vain = TakeThoseInVain(now, next);
    started = StartAnotherGroup(now, next);
    look_at_ = next;
  }
  for (auto& [member, error] : in_vain) answers.Give(std::move(member.turn), std::move(error), member.conversation);
  if (started != nullptr) GoOn(*started, Left::kWithTurn);
  return next - now;
}

// Who has waited for too long. `next`: when the next one will have.
std::vector<std::pair<TransactionPool::Member, Error>> TransactionPool::TakeThoseInVain(absl::Time now,
                                                                                        absl::Time& next) {
  std::vector<std::pair<Member, Error>> in_vain;
  for (std::deque<Waiting>* queue : {&waiting_, &sharing_}) {
    while (!queue->empty() && queue->front().give_up <= now) {
      const auto& conversation = queue->front().conversation;
      if (auto turn = std::exchange(conversation->turn, std::nullopt)) {
        Error error = NoConnection(turn->request, Exhausted());
        in_vain.emplace_back(Member{conversation, *std::move(turn)}, std::move(error));
        ++timeouts_;
      }
      queue->pop_front();
    }
    if (!queue->empty()) next = std::min(next, queue->front().give_up);
  }
  return in_vain;
}

// No connection for it. That nothing was done can only be said where nothing is in doubt.
Error TransactionPool::NoConnection(const TransactionRequest& request, const std::string& why) {
  const bool in_doubt = request.begin && request.begin->in_doubt;
  if (!in_doubt) return {Reason::kPoolExhausted, why};
  return {Reason::kDatabaseUnavailable, "the answer to the commit was lost, and no connection was free to ask: " + why};
}

std::string TransactionPool::Exhausted() const {
  PoolState state = {
      "application", options_.size, options_.max_overflow, options_.timeout, waiting_.size() + sharing_.size(), {}};
  for (const Seat& seat : seats_) {
    if (!seat.holder.empty()) state.holders.push_back({seat.holder, absl::Now() - seat.since});
  }
  return PoolExhausted(state);
}

}  // namespace dbos::sidecar
