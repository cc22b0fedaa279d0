// ConnectionPool: a bounded number of connections to one database, lent out one by one.
//
// First come, first served; whoever takes a place in the line has come, even if he does not wait yet. A connection is
// kept when it comes back, and closed instead when it was opened beyond `size`, is older than `recycle`, or the pool is
// gone.
//
// Threads:  any.
// Blocking: Acquire waits until `timeout` after its place was taken, and for a ping where a connection lay idle for a
//           second.
// Errors:   ResourceExhausted: all were in use for that long; the message says by whom and since when.
// Limits:   size + max_overflow connections.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "sidecar/base/mutex.h"
#include "sidecar/db/connection.h"
#include "sidecar/db/options.h"
#include "sidecar/model/pool.h"

namespace dbos::sidecar {

class ConnectionPool : public std::enable_shared_from_this<ConnectionPool> {
  struct Pooled {
    std::unique_ptr<Connection> connection;
    absl::Time opened;
    absl::Time used;
    std::string holder;  // empty: nobody
  };

 public:
  using Connect = std::function<std::unique_ptr<Connection>()>;

  // A connection on loan, for one thread at a time; it goes back with its end.
  class Lease {
   public:
    Lease(std::shared_ptr<ConnectionPool> pool, std::list<Pooled>::iterator entry)
        : pool_(std::move(pool)), entry_(entry) {}
    Lease(Lease&& other) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() {
      if (pool_ != nullptr) pool_->Return(entry_);
    }
    Connection* operator->() const { return entry_->connection.get(); }

   private:
    std::shared_ptr<ConnectionPool> pool_;
    std::list<Pooled>::iterator entry_;
  };

  // A place in the line. Whoever takes one has to call Acquire or Leave with it.
  struct Place {
    std::uint64_t number = 0;
    absl::Time give_up;
  };

  using Usage = PoolUsage;  // those who wait are the places

  // `name` is how messages call it, such as "system".
  static std::shared_ptr<ConnectionPool> Create(std::string name, const PoolOptions& options, Connect connect) {
    return std::shared_ptr<ConnectionPool>(new ConnectionPool(std::move(name), options, std::move(connect)));
  }

  Place Join();
  void Leave(const Place& place);
  // `holder`: what it is for, for the message of those who wait in vain.
  absl::StatusOr<Lease> Acquire(const Place& place, const std::string& holder);
  absl::StatusOr<Lease> Acquire(const std::string& holder) { return Acquire(Join(), holder); }

  Usage usage() const;

 private:
  ConnectionPool(std::string name, const PoolOptions& options, Connect connect)
      : name_(std::move(name)), options_(options), connect_(std::move(connect)) {}

  enum class Waits { kNotYet, kNow };

  absl::StatusOr<std::list<Pooled>::iterator> Take(const Place& place, const std::string& holder);
  bool MayTake(std::uint64_t number) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status Exhausted() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Freshen(Pooled& pooled) const;
  void Return(std::list<Pooled>::iterator entry);

  const std::string name_;
  const PoolOptions options_;
  const Connect connect_;

  mutable Mutex mu_;
  CondVar changed_;
  std::list<Pooled> all_ ABSL_GUARDED_BY(mu_);
  std::map<std::uint64_t, Waits> line_ ABSL_GUARDED_BY(mu_);  // by the number of the place
  std::uint64_t next_number_ ABSL_GUARDED_BY(mu_) = 0;
  std::uint64_t timeouts_ ABSL_GUARDED_BY(mu_) = 0;
};

// For one caller: it has a place in the line from now on, borrows a connection with the first call, under the name of
// that statement, and keeps it to its own end.
std::unique_ptr<Connection> PooledConnection(std::shared_ptr<ConnectionPool> pool);

}  // namespace dbos::sidecar
