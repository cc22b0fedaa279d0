#include "sidecar/engine/transaction_pool.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

#include "sidecar/base/status.h"
#include "sidecar/engine/conversation.h"
#include "sidecar/model/pool.h"

namespace dbos::sidecar {
namespace {

// How often those who wait are looked at, at the least.
constexpr absl::Duration kKeeperPause = absl::Seconds(1);
constexpr absl::Duration kKeeperPauseMin = absl::Milliseconds(10);

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
    : storage_(std::move(storage)), records_(records), options_(options) {
}

TransactionPool::~TransactionPool() {
  std::vector<std::shared_ptr<Conversation>> open;
  {
    MutexLock lock(mu_);
    stopping_ = true;
    for (const Worker& worker : workers_) {
      if (worker.serves != nullptr) open.push_back(worker.serves);
    }
  }
  for (const auto& conversation : open) conversation->Close();
  work_.NotifyAll();
  keeper_wake_.NotifyAll();
  for (Worker& worker : workers_) worker.thread.join();
  if (keeper_.joinable()) keeper_.join();
}

std::shared_ptr<TransactionPool::Conversation> TransactionPool::Open() {
  return std::make_shared<Conversation>();
}

void TransactionPool::Close(const std::shared_ptr<Conversation>& conversation) {
  conversation->Close();
}

void TransactionPool::Post(const std::shared_ptr<Conversation>& conversation, TransactionRequest request,
                           Answer answer) {
  std::string holder = request.begin ? HolderOf(*request.begin) : "";
  const Conversation::Next next = conversation->Put({std::move(request), std::move(answer)});
  if (next == Conversation::Next::kServed) return;
  if (next == Conversation::Next::kNowhere) {
    if (auto turn = conversation->TakeTurn()) turn->answer(NoTransaction(conversation->TakeOver()));
    return;
  }
  bool refused = false;
  {
    MutexLock lock(mu_);
    refused = stopping_ || waiting_.size() >= kWaitingMax;
    if (!refused) {
      waiting_.push_back({conversation, std::move(holder), absl::Now() + options_.timeout});
      StartWorkerIfNeeded();
    }
  }
  work_.NotifyOne();
  if (!refused) return;
  if (auto turn = conversation->TakeTurn()) {
    turn->answer(Error{Reason::kPoolExhausted, "too many transactions wait for a connection already"});
  }
}

void TransactionPool::StartWorkerIfNeeded() {
  const bool enough = waiting_.size() <= static_cast<std::size_t>(idle_);
  if (enough || workers_.size() >= static_cast<std::size_t>(options_.size + options_.max_overflow)) return;
  Worker& worker = workers_.emplace_back();
  worker.overflow = workers_.size() > static_cast<std::size_t>(options_.size);
  worker.thread = std::thread([this, &worker] { WorkerMain(worker); });
  if (!keeper_.joinable()) keeper_ = std::thread([this] { KeeperMain(); });
}

void TransactionPool::WorkerMain(Worker& worker) {
  std::unique_ptr<TransactionStorage> storage;
  absl::Time opened;
  while (const std::shared_ptr<Conversation> conversation = Next(worker, storage)) {
    if (storage != nullptr && absl::Now() - opened > options_.recycle) storage = nullptr;
    if (storage == nullptr) {
      absl::StatusOr<std::unique_ptr<TransactionStorage>> fresh = storage_();
      if (!fresh.ok()) {
        const bool away = absl::IsUnavailable(fresh.status()) || absl::IsDeadlineExceeded(fresh.status());
        const Reason reason = away ? Reason::kDatabaseUnavailable : Reason::kDatabaseError;
        if (auto turn = conversation->TakeTurn()) turn->answer(Error{reason, Message(fresh.status())});
        continue;
      }
      storage = *std::move(fresh);
      opened = absl::Now();
    }
    Serve(*conversation, *storage);
  }
}

// The next caller who waits; null at the end. An overflow worker without work closes its connection.
std::shared_ptr<TransactionPool::Conversation> TransactionPool::Next(Worker& worker,
                                                                     std::unique_ptr<TransactionStorage>& storage) {
  std::unique_ptr<TransactionStorage> closed;
  MutexLock lock(mu_);
  worker.serves = nullptr;
  worker.holder.clear();
  if (waiting_.empty() && worker.overflow) closed = std::move(storage);
  ++idle_;
  while (waiting_.empty() && !stopping_) work_.Wait(mu_);
  --idle_;
  if (stopping_) return nullptr;
  worker.serves = std::move(waiting_.front().conversation);
  worker.holder = std::move(waiting_.front().holder);
  worker.since = absl::Now();
  waiting_.pop_front();
  return worker.serves;
}

void TransactionPool::Serve(Conversation& conversation, TransactionStorage& storage) {
  Transaction transaction(storage, records_);
  conversation.BeginService();
  std::optional<Conversation::Turn> turn = conversation.TakeTurn();
  while (turn) {
    conversation.BeginCall(transaction);
    TransactionAnswer answer = transaction.Handle(std::move(turn->request), WallMs());
    conversation.EndCall();
    if (!transaction.open() || conversation.closed()) {
      transaction.RollBack();
      conversation.EndService();
      return turn->answer(std::move(answer));
    }
    turn->answer(std::move(answer));
    const absl::Time silent_until = absl::Now() + transaction.begin().idle_timeout;
    const bool idle_first = silent_until < transaction.deadline();
    turn =
        conversation.AwaitTurn(std::min(silent_until, transaction.deadline()),
                               idle_first ? "the transaction was idle for longer than its limit and was rolled back: "
                                            "keep slow work out of it, or raise idle_timeout"
                                          : "the transaction took longer than its time limit and was rolled back: "
                                            "keep slow work out of it, or raise timeout");
  }
  transaction.RollBack();
  conversation.EndService();
}

// Tells those whose wait is over.
void TransactionPool::KeeperMain() {
  const absl::Duration pause = std::clamp(options_.timeout / 4, kKeeperPauseMin, kKeeperPause);
  while (true) {
    std::optional<Conversation::Turn> turn;
    std::string message;
    {
      MutexLock lock(mu_);
      if (stopping_) return;
      if (waiting_.empty() || waiting_.front().give_up > absl::Now()) {
        keeper_wake_.WaitFor(mu_, pause);
        continue;
      }
      message = Exhausted();
      turn = waiting_.front().conversation->TakeTurn();
      waiting_.pop_front();
      if (turn) ++timeouts_;
    }
    if (turn) turn->answer(Error{Reason::kPoolExhausted, message});
  }
}

std::string TransactionPool::Exhausted() const {
  PoolState state = {"application", options_.size, options_.max_overflow, options_.timeout, waiting_.size(), {}};
  for (const Worker& worker : workers_) {
    if (!worker.holder.empty()) state.holders.push_back({worker.holder, absl::Now() - worker.since});
  }
  return PoolExhausted(state);
}

TransactionPool::Usage TransactionPool::usage() {
  MutexLock lock(mu_);
  Usage usage;
  usage.idle = idle_;
  usage.in_use = static_cast<int>(workers_.size()) - idle_;
  usage.waiting = static_cast<int>(waiting_.size());
  usage.timeouts = timeouts_;
  return usage;
}

}  // namespace dbos::sidecar
