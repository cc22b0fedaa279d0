#include "sidecar/db/connection_pool.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

#include "sidecar/base/status.h"
#include "sidecar/model/pool.h"

namespace dbos::sidecar {
namespace {

// Between two uses that follow each other so closely no ping is worth its round trip.
constexpr absl::Duration kPingAfter = absl::Seconds(1);

class BorrowedConnection : public Connection {
 public:
  explicit BorrowedConnection(std::shared_ptr<ConnectionPool> pool) : pool_(std::move(pool)) {}

  using Connection::RunBatch;
  absl::StatusOr<std::vector<Result>> RunBatch(std::span<const Statement> statements,
                                               const Meanwhile& meanwhile) override {
    ASSIGN_OR_RETURN(const auto lease, pool_->Acquire(statements.empty() ? "" : statements.front().query().name));
    return lease->RunBatch(statements, meanwhile);
  }
  absl::StatusOr<Result> Execute(const Statement& statement) override {
    ASSIGN_OR_RETURN(const auto lease, pool_->Acquire(statement.query().name));
    return lease->Execute(statement);
  }
  absl::StatusOr<Result> RunScript(const std::string& sql) override {
    ASSIGN_OR_RETURN(const auto lease, pool_->Acquire("script"));
    return lease->RunScript(sql);
  }
  absl::StatusOr<Dialect> ServerDialect() override {
    ASSIGN_OR_RETURN(const auto lease, pool_->Acquire("server_dialect"));
    return lease->ServerDialect();
  }

 private:
  const std::shared_ptr<ConnectionPool> pool_;
};

}  // namespace

absl::StatusOr<ConnectionPool::Lease> ConnectionPool::Acquire(const std::string& holder) {
  ASSIGN_OR_RETURN(const auto entry, Take(holder));
  Freshen(*entry);  // ours alone now
  return Lease(shared_from_this(), entry);
}

absl::StatusOr<std::list<ConnectionPool::Pooled>::iterator> ConnectionPool::Take(const std::string& holder) {
  const absl::Time give_up = absl::Now() + options_.timeout;
  MutexLock lock(mu_);
  const std::uint64_t ticket = next_ticket_++;
  queue_.push_back(ticket);
  while (!MayTake(ticket)) {
    const absl::Duration left = give_up - absl::Now();
    if (left <= absl::ZeroDuration()) {
      queue_.erase(std::find(queue_.begin(), queue_.end(), ticket));
      ++timeouts_;
      changed_.NotifyAll();  // another may be first now
      return Exhausted();
    }
    changed_.WaitFor(mu_, left);
  }
  queue_.pop_front();
  changed_.NotifyAll();
  auto entry = std::find_if(all_.begin(), all_.end(), [](const Pooled& pooled) { return pooled.holder.empty(); });
  if (entry == all_.end()) entry = all_.insert(all_.end(), Pooled{connect_(), absl::Now(), absl::Now(), ""});
  entry->holder = holder.empty() ? "unnamed" : holder;
  return entry;
}

bool ConnectionPool::MayTake(std::uint64_t ticket) const {
  if (queue_.front() != ticket) return false;
  const auto in_use = std::count_if(all_.begin(), all_.end(), [](const Pooled& one) { return !one.holder.empty(); });
  return in_use < options_.size + options_.max_overflow;
}

absl::Status ConnectionPool::Exhausted() const {
  PoolState state = {name_, options_.size, options_.max_overflow, options_.timeout, queue_.size(), {}};
  for (const Pooled& pooled : all_) {
    if (!pooled.holder.empty()) state.holders.push_back({pooled.holder, absl::Now() - pooled.used});
  }
  return absl::ResourceExhaustedError(PoolExhausted(state));
}

// Replaces a connection that is too old, or that died while it lay idle.
void ConnectionPool::Freshen(Pooled& pooled) const {
  const absl::Time now = absl::Now();
  const bool old = now - pooled.opened > options_.recycle;
  const bool idle = options_.pre_ping && now - pooled.used > kPingAfter;
  if (old || (idle && !pooled.connection->RunScript("SELECT 1").ok())) {
    pooled.connection = connect_();
    pooled.opened = now;
  }
  MutexLock lock(mu_);
  pooled.used = now;
}

void ConnectionPool::Return(std::list<Pooled>::iterator entry) {
  std::unique_ptr<Connection> closed;  // outside the lock, since it may take a moment
  MutexLock lock(mu_);
  entry->holder.clear();
  entry->used = absl::Now();
  if (all_.size() > static_cast<std::size_t>(options_.size)) {
    closed = std::move(entry->connection);
    all_.erase(entry);
  }
  changed_.NotifyAll();
}

ConnectionPool::Usage ConnectionPool::usage() const {
  MutexLock lock(mu_);
  Usage usage;
  for (const Pooled& pooled : all_) ++(pooled.holder.empty() ? usage.idle : usage.in_use);
  usage.waiting = static_cast<int>(queue_.size());
  usage.timeouts = timeouts_;
  return usage;
}

std::unique_ptr<Connection> PooledConnection(std::shared_ptr<ConnectionPool> pool) {
  return std::make_unique<BorrowedConnection>(std::move(pool));
}

}  // namespace dbos::sidecar
