// Conversation: one caller's transactions, one after another, in lock step: a request, its answer, the next request.
//
// Threads:  Put and Close from the caller's; the others from the one worker that serves it.
// Lifetime: shared by the caller, the queue of the pool and the worker.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "sidecar/base/mutex.h"
#include "sidecar/engine/transaction_pool.h"

namespace dbos::sidecar {

class TransactionPool::Conversation {
 public:
  struct Turn {
    TransactionRequest request;
    Answer answer;
  };

  // What is to be done about a request that came.
  enum class Next {
    kServed,   // the worker has it
    kQueue,    // it begins a transaction: a worker is needed
    kNowhere,  // there is no transaction that it could belong to, or the caller has closed: see TakeTurn
  };
  Next Put(Turn turn) {
    MutexLock lock(mu_);
    if (closed_) return Next::kNowhere;
    const bool begins = turn.request.begin.has_value();
    turn_ = std::move(turn);
    if (!served_) return begins ? Next::kQueue : Next::kNowhere;
    wake_.NotifyOne();
    return Next::kServed;
  }

  // Why the transaction is over that the last requests belonged to; empty: for no reason of ours.
  std::string TakeOver() {
    MutexLock lock(mu_);
    return std::exchange(over_, {});
  }

  std::optional<Turn> TakeTurn() {
    MutexLock lock(mu_);
    return std::exchange(turn_, std::nullopt);
  }

  // From here on requests go to the worker.
  void BeginService() {
    MutexLock lock(mu_);
    served_ = true;
    over_.clear();
  }
  // Before the answer that ends a transaction, since the next request may follow it at once.
  void EndService() {
    MutexLock lock(mu_);
    served_ = false;
  }

  // The next request; none when the caller has closed, or was silent until `limit`: then the service has ended.
  std::optional<Turn> AwaitTurn(absl::Time limit, const std::string& over) {
    MutexLock lock(mu_);
    while (!turn_ && !closed_) {
      const absl::Duration left = limit - absl::Now();
      if (left <= absl::ZeroDuration()) {
        over_ = over;
        break;
      }
      wake_.WaitFor(mu_, left);
    }
    if (!turn_) served_ = false;
    return std::exchange(turn_, std::nullopt);
  }

  // While a request is handled, Close ends its statement.
  void BeginCall(Transaction& transaction) {
    MutexLock lock(mu_);
    running_ = &transaction;
    if (closed_) running_->Interrupt();
  }
  void EndCall() {
    MutexLock lock(mu_);
    running_ = nullptr;
  }
  bool closed() {
    MutexLock lock(mu_);
    return closed_;
  }

  void Close() {
    std::optional<Turn> dropped;
    MutexLock lock(mu_);
    closed_ = true;
    dropped = std::exchange(turn_, std::nullopt);
    if (running_ != nullptr) running_->Interrupt();
    wake_.NotifyOne();
  }

 private:
  Mutex mu_;
  CondVar wake_;
  std::optional<Turn> turn_ ABSL_GUARDED_BY(mu_);
  Transaction* running_ ABSL_GUARDED_BY(mu_) = nullptr;
  bool served_ ABSL_GUARDED_BY(mu_) = false;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  std::string over_ ABSL_GUARDED_BY(mu_);
};

}  // namespace dbos::sidecar
