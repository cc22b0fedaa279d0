// What the pool of transactions keeps of a caller and of a connection.
//
// Threads: see each.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "sidecar/engine/transaction_pool.h"

namespace dbos::sidecar {

struct TransactionPool::Turn {
  TransactionRequest request;
  Answer answer;
};

// Threads: with the pool's lock, but for `flush`.
struct TransactionPool::Conversation {
  explicit Conversation(Flush to_flush) : flush(std::move(to_flush)) {}

  const Flush flush;         // may be null
  Seat* seat = nullptr;      // of its open transaction
  std::optional<Turn> turn;  // that waits for a seat
  bool closed = false;       // the caller has gone
  std::string over;          // why the transaction is over that the last requests belonged to; empty: not by us
};

// One of those that share a commit.
struct TransactionPool::Member {
  std::shared_ptr<Conversation> conversation;
  Turn turn;
};

// Gives answers, and flushes them at its end.
//
// Threads: one.
class TransactionPool::Answers {
 public:
  Answers() = default;
  ~Answers() { FlushAll(); }
  Answers(const Answers&) = delete;
  Answers& operator=(const Answers&) = delete;

  void Give(Turn turn, TransactionAnswer answer, std::shared_ptr<Conversation> to) {
    turn.answer(std::move(answer));
    if (to->flush) given_.push_back(std::move(to));
  }
  void FlushAll() {
    for (const auto& conversation : given_) conversation->flush();
    given_.clear();
  }

 private:
  std::vector<std::shared_ptr<Conversation>> given_;
};

// Threads: the first half with the pool's lock. The second belongs to whoever has taken the seat.
struct TransactionPool::Seat {
  enum class State {
    kFree,
    kTaken,  // by a thread, or it waits for a worker
    kSent,   // the poller, or who brought the request, waits for the database
    kIdle,   // it is the caller's turn
  };
  State state = State::kTaken;
  std::shared_ptr<Conversation> serves;
  std::string holder;  // what it is at; empty: nothing
  absl::Time since;
  absl::Time limit;       // of kSent and kIdle
  const char* over = "";  // what is said when the limit of kIdle is over
  bool handled = false;   // a worker is in its transaction, which can be interrupted
  bool overflow = false;
  bool has_group = false;
  std::uint64_t waits = 0;  // counts the times of kSent

  std::unique_ptr<TransactionStorage> storage;  // null: not open yet
  std::optional<Transaction> transaction;       // on it
  absl::Time opened;
  std::optional<Turn> turn;
  std::vector<Member> group;  // instead of the turn
  absl::Time group_limit;
  bool begun = false;  // the group's transaction
  bool sent = false;   // the first half of the turn is done

  // Takes the connection out of the seat.
  void Strip(std::unique_ptr<TransactionStorage>& stripped) {
    transaction.reset();
    if (storage != nullptr) stripped = std::move(storage);
  }
};

}  // namespace dbos::sidecar
