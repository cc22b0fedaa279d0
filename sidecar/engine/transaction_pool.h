// TransactionPool: the connections with the application database, and the transactions on them.
//
// A transaction has a connection, called its seat, from its first request to its end. Who finds all of them taken
// waits, first come, first served, at most `timeout`. A transaction that is silent for longer than its idle limit is
// rolled back, and so is one whose caller has gone; then its seat is free at once.
//
// What a request asks of the database is sent by the thread that brings it, and one thread, the poller, waits for the
// answers of all seats (ADR 9). Whatever would block goes to workers, of which there is one for each seat at most:
// connecting, failures, rollbacks, what is in doubt, SQLite. The answer to a caller who has the sidecar to himself is
// waited for by the thread that brings the request, for less than a wake-up of another one would take (ADR 13).
//
// Threads:  any. Blocking: Post up to `spin`; the destructor, which waits for statements that run after interrupting
//           them.
// Limits:   size + max_overflow seats; kWaitingMax requests that wait.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

#include "sidecar/base/mutex.h"
#include "sidecar/engine/group_candidates.h"
#include "sidecar/engine/socket_watch.h"
#include "sidecar/engine/spin_wait.h"
#include "sidecar/engine/transaction.h"
#include "sidecar/model/pool.h"

namespace dbos::sidecar {

class TransactionPool {
 public:
  struct Options {
    int size = 20;         // seats that keep their connection
    int max_overflow = 0;  // beyond those, while there is work
    absl::Duration timeout = absl::Seconds(30);
    absl::Duration recycle = absl::InfiniteDuration();  // an older connection is replaced between transactions
    int group_max = 32;                                 // transactions of one statement in one commit; 1: no groups
    absl::Duration spin = absl::ZeroDuration();  // so long at most a lone caller's request is waited for actively
  };
  // Who is alone has been so for longer.
  static constexpr absl::Duration kQuiet = absl::Milliseconds(1);
  // So long at most who could share a commit waits for those who are under way.
  static constexpr absl::Duration kGroupPatience = absl::Milliseconds(5);
  using Usage = PoolUsage;
  static constexpr std::size_t kWaitingMax = 10'000;

  // One caller's transactions, one after another, in lock step: a request, its answer, the next request.
  struct Conversation;
  // Called once for each request, on any thread, without a lock. Must not block.
  using Answer = absl::AnyInvocable<void(TransactionAnswer)>;
  // Called when answers were given to which no others follow at once, so that several travel together. As Answer.
  using Flush = std::function<void()>;

  // `records` outlives the pool.
  TransactionPool(TransactionStorageFactory storage, WorkflowRecords& records, const Options& options);
  ~TransactionPool();
  TransactionPool(const TransactionPool&) = delete;
  TransactionPool& operator=(const TransactionPool&) = delete;

  static std::shared_ptr<Conversation> Open(Flush flush = nullptr);
  // The answer to the request before must have come.
  void Post(const std::shared_ptr<Conversation>& conversation, TransactionRequest request, Answer answer);
  // The caller has gone: an open transaction is rolled back, a statement that runs is ended. An answer may still come.
  void Close(const std::shared_ptr<Conversation>& conversation);

  Usage usage();
  GroupUsage groups();

 private:
  struct Turn;
  class Answers;
  struct Seat;
  struct Member;
  using Requests = std::vector<TransactionRequest*>;
  struct Waiting {
    std::shared_ptr<Conversation> conversation;
    std::string holder;
    absl::Time give_up;
    bool shares = false;    // a commit with others, if they come
    bool admitted = false;  // it has had its place already
  };
  // What became of a seat.
  enum class Left {
    kAlone,     // it is free, or its caller's turn
    kWithTurn,  // it has a request, of the next in the queue
    kOpen,      // its transaction is to be rolled back
  };

  // Without blocking.
  enum class Shares { kNo, kMay, kNoMore };  // kNoMore: it was in a group that failed
  void Enter(const std::shared_ptr<Conversation>& conversation, Turn turn, Shares shares);
  enum class Waiter { kPoller, kThisThread };
  bool TryStart(Seat& seat, Waiter waiter = Waiter::kPoller);
  bool Await(Seat& seat, Waiter waiter = Waiter::kPoller);
  void Spin(Seat& seat, std::uint64_t wait, int socket, SpinWait::For what);
  bool IsAlone() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void OnReady(Seat& seat, Answers& answers);
  void GoOn(Seat& seat, Left left, Waiter waiter = Waiter::kPoller);
  Left Answered(Seat& seat, TransactionAnswer answer, Answers& answers);

  // The rest blocks.
  void WorkerMain();
  void Work(Seat& seat);
  TransactionAnswer Handle(Seat& seat);
  Error Renew(Seat& seat);

  // Of transactions that share a commit.
  bool MayShare(const TransactionRequest& request) const;
  static Requests RequestsOf(std::vector<Member>& group);
  static bool SendGroup(Seat& seat);
  Left GroupAnswered(Seat& seat, Answers& answers);
  void GoApart(std::vector<Member> group, absl::Duration spent);
  Left WorkOnGroup(Seat& seat, Answers& answers);  // blocks

  void PollerMain();
  absl::Duration LookAtTheTime(Answers& answers);

  Error Place(Conversation& conversation, Turn& turn, Waiting who, Seat*& seat) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Seat* TakeSeat() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Assign(Seat& seat, Waiting who) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool AssignNext(Seat& seat) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static bool HasWaiting(std::deque<Waiting>& queue);
  Seat* StartAnotherGroup(absl::Time now, absl::Time& next) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AssignGroup(Seat& seat) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EndGroups() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Learn(const Seat& seat, const Turn& turn, const TransactionAnswer& answer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void PauseCandidates(const std::vector<Member>& group, std::optional<std::size_t> failed)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Left Release(Seat& seat, std::unique_ptr<TransactionStorage>& closed) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Queue(Seat& seat) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);  // for a worker
  std::vector<std::pair<Member, Error>> TakeThoseInVain(absl::Time now, absl::Time& next)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static Error NoConnection(const TransactionRequest& request, const std::string& why);
  void LookBy(absl::Time limit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::string Exhausted() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const TransactionStorageFactory storage_;
  WorkflowRecords& records_;
  const Options options_;
  SocketWatch watch_;
  SpinWait spin_;

  Mutex mu_;
  CondVar work_;
  std::list<Seat> seats_ ABSL_GUARDED_BY(mu_);
  std::deque<Seat*> free_ ABSL_GUARDED_BY(mu_);
  std::deque<Waiting> waiting_ ABSL_GUARDED_BY(mu_);  // for a seat
  std::deque<Waiting> sharing_ ABSL_GUARDED_BY(mu_);  // for a seat and a group
  const Seat* ahead_ ABSL_GUARDED_BY(mu_) = nullptr;  // while it is under way, those who share wait for each other
  GroupUsage group_usage_ ABSL_GUARDED_BY(mu_);
  GroupCandidates candidates_ ABSL_GUARDED_BY(mu_);
  std::deque<Seat*> queue_ ABSL_GUARDED_BY(mu_);
  std::vector<std::thread> workers_ ABSL_GUARDED_BY(mu_);
  std::size_t idle_workers_ ABSL_GUARDED_BY(mu_) = 0;
  std::uint64_t timeouts_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Time crowded_at_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();  // when somebody came who was not alone
  absl::Time look_at_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();   // when the poller wakes by itself
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;                         // nothing begins any more
  bool workers_stop_ ABSL_GUARDED_BY(mu_) = false;                     // once they have nothing to do
  std::thread poller_ ABSL_GUARDED_BY(mu_);
};

}  // namespace dbos::sidecar
