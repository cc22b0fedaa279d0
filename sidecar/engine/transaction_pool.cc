#include "sidecar/engine/transaction_pool.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

#include "sidecar/base/status.h"
#include "sidecar/engine/conversation.h"
#include "sidecar/model/pool.h"

namespace dbos::sidecar {
namespace {

constexpr char kWasIdle[] =
    "the transaction was idle for longer than its limit and was rolled back: keep slow work out of it, or raise "
    "idle_timeout";
constexpr char kTookTooLong[] =
    "the transaction took longer than its time limit and was rolled back: keep slow work out of it, or raise timeout";

std::int64_t WallMs() {
  return absl::ToUnixMillis(absl::Now());
}

std::string HolderOf(const BeginRequest& begin) {
  if (!begin.step) return "a transaction outside of a workflow";
  return begin.step->name + " of " + begin.step->execution.workflow_id;
}

Error NoTransaction(std::string over) {
  if (!over.empty()) return {Reason::kTransactionTimeout, std::move(over)};
  return {Reason::kInvalidRequest, "no transaction is open: the first request of one has \"begin\""};
}

}  // namespace

TransactionPool::TransactionPool(TransactionStorageFactory storage, WorkflowRecords& records, const Options& options)
    : storage_(std::move(storage)), records_(records), options_(options), spin_(options.spin) {
}

TransactionPool::~TransactionPool() {
  std::thread poller;
  {
    MutexLock lock(mu_);
    stopping_ = true;
    poller.swap(poller_);
  }
  watch_.Wake();
  if (poller.joinable()) poller.join();
  std::vector<std::shared_ptr<Conversation>> served;
  std::vector<std::thread> workers;
  {
    MutexLock lock(mu_);
    for (const Seat& seat : seats_) {
      if (seat.serves != nullptr) served.push_back(seat.serves);
    }
    EndGroups();
  }
  for (const auto& conversation : served) Close(conversation);
  {
    MutexLock lock(mu_);
    workers_stop_ = true;
    workers.swap(workers_);
  }
  work_.NotifyAll();
  for (std::thread& worker : workers) worker.join();
}

std::shared_ptr<TransactionPool::Conversation> TransactionPool::Open(Flush flush) {
  return std::make_shared<Conversation>(std::move(flush));
}

// ---------------------------------------------------------------- callers
void TransactionPool::Post(const std::shared_ptr<Conversation>& conversation, TransactionRequest request,
                           Answer answer) {
  const Shares shares = MayShare(request) ? Shares::kMay : Shares::kNo;
  Enter(conversation, {std::move(request), std::move(answer)}, shares);
}

void TransactionPool::Enter(const std::shared_ptr<Conversation>& conversation, Turn turn, Shares shares) {
  Waiting who;
  if (turn.request.begin) who = {conversation, HolderOf(*turn.request.begin), absl::Now() + options_.timeout};
  Error refused;
  Seat* seat = nullptr;
  bool alone = false;
  {
    MutexLock lock(mu_);
    if (conversation->closed) return;
    who.admitted = shares == Shares::kNoMore;
    if (shares == Shares::kMay) {
      who.shares = candidates_.Has(std::get<ExecuteRequest>(turn.request.command).command.sql, absl::Now());
    }
    refused = Place(*conversation, turn, std::move(who), seat);
    alone = spin_.waits() && shares != Shares::kNoMore && IsAlone();
  }
  if (!refused.ok()) Answers().Give(std::move(turn), std::move(refused), conversation);
  if (seat == nullptr) return;
  GoOn(*seat, Left::kWithTurn, alone && records_.QuietFor() > kQuiet ? Waiter::kThisThread : Waiter::kPoller);
}

// A seat for the turn of `conversation`, or a place in the queue. `who` is empty where the turn begins nothing.
Error TransactionPool::Place(Conversation& conversation, Turn& turn, Waiting who, Seat*& seat) {
  seat = conversation.seat;
  if (seat != nullptr) {
    seat->turn = std::move(turn);
    seat->state = Seat::State::kTaken;
    return {};
  }
  if (who.conversation == nullptr) return NoTransaction(std::exchange(conversation.over, {}));
  if (stopping_ || (!who.admitted && waiting_.size() + sharing_.size() >= kWaitingMax)) {
    return NoConnection(turn.request, "too many transactions wait for a connection already");
  }
  conversation.over.clear();
  conversation.turn = std::move(turn);
  if (!poller_.joinable()) poller_ = std::thread([this] { PollerMain(); });
  seat = who.shares && ahead_ != nullptr ? nullptr : TakeSeat();
  if (seat != nullptr) {
    Assign(*seat, std::move(who));
    return {};
  }
  LookBy(who.shares ? std::min(who.give_up, absl::Now() + kGroupPatience) : who.give_up);
  std::deque<Waiting>& queue = who.shares ? sharing_ : waiting_;
  queue.push_back(std::move(who));
  return {};
}

void TransactionPool::Close(const std::shared_ptr<Conversation>& conversation) {
  std::optional<Turn> dropped;
  MutexLock lock(mu_);
  conversation->closed = true;
  dropped = std::exchange(conversation->turn, std::nullopt);
  Seat* const seat = conversation->seat;
  if (seat == nullptr) return;
  const bool runs = seat->state == Seat::State::kSent || (seat->state == Seat::State::kTaken && seat->handled);
  if (runs) seat->transaction->Interrupt();
  if (seat->state != Seat::State::kTaken) Queue(*seat);
}

TransactionPool::Seat* TransactionPool::TakeSeat() {
  if (!free_.empty()) {
    Seat* const seat = free_.back();  // the one that was used last
    free_.pop_back();
    return seat;
  }
  if (seats_.size() >= static_cast<std::size_t>(options_.size) + static_cast<std::size_t>(options_.max_overflow))
    return nullptr;
  Seat& seat = seats_.emplace_back();
  seat.overflow = seats_.size() > static_cast<std::size_t>(options_.size);
  return &seat;
}

void TransactionPool::Assign(Seat& seat, Waiting who) {
  seat.state = Seat::State::kTaken;
  seat.turn = std::exchange(who.conversation->turn, std::nullopt);
  seat.sent = false;
  seat.since = absl::Now();
  seat.holder = std::move(who.holder);
  if (who.shares) ahead_ = &seat;
  who.conversation->seat = &seat;
  seat.serves = std::move(who.conversation);
}

// To the next who waits, or among the free ones. `closed` is to be closed without the lock.
TransactionPool::Left TransactionPool::Release(Seat& seat, std::unique_ptr<TransactionStorage>& closed) {
  if (seat.serves != nullptr) seat.serves->seat = nullptr;
  seat.serves = nullptr;
  seat.holder.clear();
  seat.handled = false;
  seat.has_group = false;
  if (ahead_ == &seat) ahead_ = nullptr;
  if (seat.transaction && seat.transaction->spent()) seat.Strip(closed);
  if (!stopping_ && AssignNext(seat)) return Left::kWithTurn;
  seat.state = Seat::State::kFree;
  if (!seat.overflow) {
    free_.push_back(&seat);
    return Left::kAlone;
  }
  free_.push_front(&seat);
  seat.Strip(closed);
  return Left::kAlone;
}

// ---------------------------------------------------------------- without blocking
void TransactionPool::GoOn(Seat& seat, Left left, Waiter waiter) {
  if (left == Left::kAlone || (left == Left::kWithTurn && TryStart(seat, waiter))) return;
  MutexLock lock(mu_);
  Queue(seat);
}

bool TransactionPool::TryStart(Seat& seat, Waiter waiter) {
  if (!seat.transaction) return false;
  if (!seat.transaction->open() && absl::Now() - seat.opened > options_.recycle) return false;
  seat.sent = seat.group.empty() ? seat.transaction->Start(seat.turn->request, WallMs()) : SendGroup(seat);
  return seat.sent && Await(seat, waiter);
}

// False: nobody needs to wait for the database, or not here.
bool TransactionPool::Await(Seat& seat, Waiter waiter) {
  const SqlWait wait = seat.transaction->WaitsFor();
  const bool is_statement = seat.turn && std::holds_alternative<SqlCommand>(seat.turn->request.command);
  std::uint64_t number = 0;
  {
    MutexLock lock(mu_);
    if (wait.socket < 0 || stopping_) return false;
    if (seat.serves != nullptr && seat.serves->closed) {
      seat.transaction->Interrupt();
      return false;
    }
    seat.state = Seat::State::kSent;
    number = ++seat.waits;
    seat.limit = seat.group.empty() ? seat.transaction->deadline() : seat.group_limit;
    LookBy(seat.limit);
    if (waiter == Waiter::kPoller || wait.for_writing) {
      watch_.Arm(wait.socket, &seat,
                 wait.for_writing ? SocketWatch::For::kReadingAndWriting : SocketWatch::For::kReading);
      return true;
    }
  }
  Spin(seat, number, wait.socket, is_statement ? SpinWait::For::kStatement : SpinWait::For::kEnd);
  return true;
}

void TransactionPool::OnReady(Seat& seat, Answers& answers) {
  {
    MutexLock lock(mu_);
    if (seat.state != Seat::State::kSent) return;
    seat.state = Seat::State::kTaken;
  }
  const bool is_group = !seat.group.empty();
  const SqlArrival arrival = is_group ? seat.storage->Poll() : seat.transaction->Poll(seat.turn->request);
  if (arrival == SqlArrival::kAll && is_group) return GoOn(seat, GroupAnswered(seat, answers));
  if (arrival == SqlArrival::kAll) {
    return GoOn(seat, Answered(seat, seat.transaction->Handle(seat.turn->request, WallMs()), answers));
  }
  if (arrival == SqlArrival::kNotYet && Await(seat)) return;
  MutexLock lock(mu_);
  Queue(seat);
}

// The seat is let go before the answer is given, since the next request may follow at once.
TransactionPool::Left TransactionPool::Answered(Seat& seat, TransactionAnswer answer, Answers& answers) {
  Turn turn = *std::exchange(seat.turn, std::nullopt);
  const std::shared_ptr<Conversation> conversation = seat.serves;
  std::unique_ptr<TransactionStorage> closed;
  Left left = Left::kAlone;
  {
    MutexLock lock(mu_);
    if (!seat.transaction || !seat.transaction->open()) {
      Learn(seat, turn, answer);
      left = Release(seat, closed);
    } else if (seat.serves->closed || stopping_) {
      left = Left::kOpen;
    } else {
      const absl::Time silent_until = absl::Now() + seat.transaction->begin().idle_timeout;
      seat.limit = std::min(silent_until, seat.transaction->deadline());
      seat.over = silent_until < seat.transaction->deadline() ? kWasIdle : kTookTooLong;
      seat.state = Seat::State::kIdle;
      LookBy(seat.limit);
    }
  }
  answers.Give(std::move(turn), std::move(answer), conversation);
  return left;
}

// ---------------------------------------------------------------- workers
void TransactionPool::Queue(Seat& seat) {
  seat.state = Seat::State::kTaken;
  queue_.push_back(&seat);
  if (queue_.size() > idle_workers_ && workers_.size() < seats_.size()) {
    workers_.emplace_back([this] { WorkerMain(); });
  }
  work_.NotifyOne();
}

void TransactionPool::WorkerMain() {
  while (true) {
    Seat* seat = nullptr;
    {
      MutexLock lock(mu_);
      ++idle_workers_;
      while (queue_.empty() && !workers_stop_) work_.Wait(mu_);
      --idle_workers_;
      if (queue_.empty()) return;
      seat = queue_.front();
      queue_.pop_front();
    }
    Work(*seat);
  }
}

void TransactionPool::Work(Seat& seat) {
  Left left = Left::kOpen;
  do {
    Answers answers;
    if (!seat.group.empty()) {
      left = WorkOnGroup(seat, answers);
    } else if (seat.turn) {
      left = Answered(seat, Handle(seat), answers);
    }
    answers.FlushAll();
    if (left == Left::kOpen) {
      seat.transaction->RollBack();
      std::unique_ptr<TransactionStorage> closed;
      MutexLock lock(mu_);
      left = Release(seat, closed);
    }
  } while (left == Left::kWithTurn && !TryStart(seat));
}

TransactionAnswer TransactionPool::Handle(Seat& seat) {
  if (Error error = Renew(seat); !error.ok()) return error;
  {
    MutexLock lock(mu_);
    if (seat.serves->closed && !seat.sent) return TransactionDone();  // nobody waits for it
    seat.handled = true;
  }
  TransactionAnswer answer = seat.transaction->Handle(seat.turn->request, WallMs());
  MutexLock lock(mu_);
  seat.handled = false;
  return answer;
}

Error TransactionPool::Renew(Seat& seat) {
  if (seat.transaction && seat.transaction->open()) return {};
  if (seat.transaction && absl::Now() - seat.opened <= options_.recycle) return {};
  seat.transaction.reset();
  seat.storage = nullptr;
  absl::StatusOr<std::unique_ptr<TransactionStorage>> fresh = storage_();
  // A wrong URL or a missing grant as well: it is no fault of the workflow's, which waits until that is mended.
  if (!fresh.ok()) return {Reason::kDatabaseUnavailable, Message(fresh.status())};
  seat.storage = *std::move(fresh);
  seat.transaction.emplace(*seat.storage, records_);
  seat.opened = absl::Now();
  return {};
}

TransactionPool::Usage TransactionPool::usage() {
  MutexLock lock(mu_);
  Usage usage;
  usage.idle = static_cast<int>(free_.size());
  usage.in_use = static_cast<int>(seats_.size() - free_.size());
  usage.waiting = static_cast<int>(waiting_.size() + sharing_.size());
  usage.timeouts = timeouts_;
  return usage;
}

}  // namespace dbos::sidecar
