// Conversations: the transactions of one caller, by the numbers that he gave them. A session has many of them, a stream
// of TransactionService one at a time.
//
// Threads:  any. Blocking: never.
// Limits:   kWaitingBytesMax of requests without an answer; the caller's door bounds their number.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "dbos/v1/transactions.pb.h"

#include "sidecar/base/mutex.h"
#include "sidecar/engine/transaction_pool.h"

namespace dbos::sidecar {

class Conversations {
 public:
  using Answer = TransactionPool::Answer;
  static constexpr std::size_t kWaitingBytesMax = std::size_t{64} << 20;

  // `pool` null: there is no application database, and every request is refused.
  explicit Conversations(TransactionPool* pool) : pool_(pool) {}

  // Called behind answers: see TransactionPool. It may outlive the caller. Before the first request.
  void set_flush(TransactionPool::Flush flush) { flush_ = std::move(flush); }

  // `answer` comes once, on any thread, or is dropped: after CloseAll, and when another request of the conversation
  // comes before it, which means that nobody waits for it any more. That one's transaction is rolled back, whatever the
  // other says.
  void Transact(std::uint64_t conversation, v1::TransactRequest& request, Answer answer);
  void Execute(std::uint64_t seq, v1::ExecuteRequest& request, Answer answer);

  // The caller has gone: what is open is rolled back, and nothing more is taken.
  void CloseAll();

 private:
  enum class Kind { kTransact, kExecute };
  using Key = std::pair<Kind, std::uint64_t>;
  struct Open {
    std::shared_ptr<TransactionPool::Conversation> conversation;
    bool busy = false;  // a request has no answer yet
  };

  bool IsFull() const { return waiting_bytes_->load() > kWaitingBytesMax; }
  // Null: the request is not to be handled.
  std::shared_ptr<TransactionPool::Conversation> Take(const Key& key);
  void Answered(const Key& key, bool over);
  std::shared_ptr<void> Count(std::size_t bytes);
  void Post(const Key& key, TransactionRequest request, std::size_t bytes, Answer answer);

  void Refuse(Answer& answer, TransactionAnswer with) const;

  TransactionPool* const pool_;
  TransactionPool::Flush flush_;  // may be null
  // Shared, because a request that is dropped may be the last to hold the caller, and is counted off after it.
  const std::shared_ptr<std::atomic<std::size_t>> waiting_bytes_ = std::make_shared<std::atomic<std::size_t>>(0);
  Mutex mu_;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  std::map<Key, Open> open_ ABSL_GUARDED_BY(mu_);
};

// The refusal of every transaction where there is no application database.
Error NoApplicationDatabase();

}  // namespace dbos::sidecar
