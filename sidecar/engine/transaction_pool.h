// TransactionPool: runs transactions on threads of its own, each with one session with the application database.
//
// A transaction has a thread, and with it a connection, from its first request to its end. Who finds all of them taken
// waits, first come, first served, at most `timeout`. A transaction that is silent for longer than its idle limit is
// rolled back, and so is one whose caller has gone; then its thread is free at once.
//
// Threads:  any. Blocking: never, but for the destructor, which waits for statements that run after interrupting them.
// Limits:   size + max_overflow threads; kWaitingMax requests that wait.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

#include "sidecar/base/mutex.h"
#include "sidecar/engine/transaction.h"
#include "sidecar/model/pool.h"

namespace dbos::sidecar {

class TransactionPool {
 public:
  struct Options {
    int size = 20;         // threads that keep their connection
    int max_overflow = 0;  // beyond those, while there is work
    absl::Duration timeout = absl::Seconds(30);
    absl::Duration recycle = absl::InfiniteDuration();  // an older connection is replaced between transactions
  };
  using Usage = PoolUsage;
  static constexpr std::size_t kWaitingMax = 10'000;

  // One caller's transactions, one after another, in lock step.
  class Conversation;
  // Called once for each request, on any thread, without a lock. Must not block.
  using Answer = absl::AnyInvocable<void(TransactionAnswer)>;

  // `records` outlives the pool.
  TransactionPool(TransactionStorageFactory storage, WorkflowRecords& records, const Options& options);
  ~TransactionPool();
  TransactionPool(const TransactionPool&) = delete;
  TransactionPool& operator=(const TransactionPool&) = delete;

  static std::shared_ptr<Conversation> Open();
  // The answer to the request before must have come.
  void Post(const std::shared_ptr<Conversation>& conversation, TransactionRequest request, Answer answer);
  // The caller has gone: an open transaction is rolled back, a statement that runs is ended, no answer comes any more.
  static void Close(const std::shared_ptr<Conversation>& conversation);

  Usage usage();

 private:
  struct Worker {
    std::thread thread;
    bool overflow = false;
    std::shared_ptr<Conversation> serves;
    std::string holder;  // what it is at; empty: nothing
    absl::Time since;
  };
  struct Waiting {
    std::shared_ptr<Conversation> conversation;
    std::string holder;
    absl::Time give_up;
  };

  void WorkerMain(Worker& worker);
  std::shared_ptr<Conversation> Next(Worker& worker, std::unique_ptr<TransactionStorage>& storage);
  void Serve(Conversation& conversation, TransactionStorage& storage);
  void KeeperMain();
  void StartWorkerIfNeeded() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::string Exhausted() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const TransactionStorageFactory storage_;
  WorkflowRecords& records_;
  const Options options_;

  Mutex mu_;
  CondVar work_;
  CondVar keeper_wake_;
  std::deque<Waiting> waiting_ ABSL_GUARDED_BY(mu_);
  std::list<Worker> workers_ ABSL_GUARDED_BY(mu_);
  int idle_ ABSL_GUARDED_BY(mu_) = 0;
  std::uint64_t timeouts_ ABSL_GUARDED_BY(mu_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread keeper_;
};

}  // namespace dbos::sidecar
