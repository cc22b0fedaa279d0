#include "sidecar/db/connection_pool.h"

#include <algorithm>
#include <optional>
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
  explicit BorrowedConnection(std::shared_ptr<ConnectionPool> pool) : pool_(std::move(pool)), place_(pool_->Join()) {}
  BorrowedConnection(const BorrowedConnection&) = delete;
  BorrowedConnection& operator=(const BorrowedConnection&) = delete;
  ~BorrowedConnection() override {
    if (place_) pool_->Leave(*place_);
  }

  using Connection::RunBatch;
  absl::StatusOr<std::vector<Result>> RunBatch(std::span<const Statement> statements,
                                               const Meanwhile& meanwhile) override {
    RETURN_IF_ERROR(Borrow(statements.empty() ? "" : statements.front().query().name));
    return (*lease_)->RunBatch(statements, meanwhile);
  }
  absl::StatusOr<Result> Execute(const Statement& statement) override {
    RETURN_IF_ERROR(Borrow(statement.query().name));
    return (*lease_)->Execute(statement);
  }
  absl::StatusOr<Result> RunScript(const std::string& sql) override {
    RETURN_IF_ERROR(Borrow("script"));
    return (*lease_)->RunScript(sql);
  }
  absl::StatusOr<Dialect> ServerDialect() override {
    RETURN_IF_ERROR(Borrow("server_dialect"));
    return (*lease_)->ServerDialect();
  }

 private:
  absl::Status Borrow(const std::string& holder) {
    if (lease_) return absl::OkStatus();
    const ConnectionPool::Place place = place_ ? *place_ : pool_->Join();
    place_.reset();
    absl::StatusOr<ConnectionPool::Lease> lease = pool_->Acquire(place, holder);
    if (!lease.ok()) return lease.status();
    lease_.emplace(*std::move(lease));
    return absl::OkStatus();
  }

  const std::shared_ptr<ConnectionPool> pool_;
  std::optional<ConnectionPool::Place> place_;  // until it is used
  std::optional<ConnectionPool::Lease> lease_;
};

}  // namespace

ConnectionPool::Place ConnectionPool::Join() {
  const MutexLock lock(mu_);
  const Place place = {next_number_++, absl::Now() + options_.timeout};
  line_.emplace(place.number, Waits::kNotYet);
  return place;
}

void ConnectionPool::Leave(const Place& place) {
  const MutexLock lock(mu_);
  line_.erase(place.number);
}

absl::StatusOr<ConnectionPool::Lease> ConnectionPool::Acquire(const Place& place, const std::string& holder) {
  ASSIGN_OR_RETURN(const auto entry, Take(place, holder));
  Freshen(*entry);  // ours alone now
  return Lease(shared_from_this(), entry);
}

absl::StatusOr<std::list<ConnectionPool::Pooled>::iterator> ConnectionPool::Take(const Place& place,
                                                                                 const std::string& holder) {
  MutexLock lock(mu_);
  line_[place.number] = Waits::kNow;
  while (!MayTake(place.number)) {
    const absl::Duration left = place.give_up - absl::Now();
    if (left <= absl::ZeroDuration()) {
      line_.erase(place.number);
      ++timeouts_;
      changed_.NotifyAll();  // another may be first now
      return Exhausted();
    }
    changed_.WaitFor(mu_, left);
  }
  line_.erase(place.number);
  changed_.NotifyAll();
  auto entry = std::find_if(all_.begin(), all_.end(), [](const Pooled& pooled) { return pooled.holder.empty(); });
  if (entry == all_.end()) entry = all_.insert(all_.end(), Pooled{connect_(), absl::Now(), absl::Now(), ""});
  entry->holder = holder.empty() ? "unnamed" : holder;
  return entry;
}

// Those who have a place but do not wait yet hold nobody up.
bool ConnectionPool::MayTake(std::uint64_t number) const {
  const bool first = std::none_of(line_.begin(), line_.lower_bound(number),
                                  [](const auto& before) { return before.second == Waits::kNow; });
  if (!first) return false;
  const auto in_use = std::count_if(all_.begin(), all_.end(), [](const Pooled& one) { return !one.holder.empty(); });
  return in_use < options_.size + options_.max_overflow;
}

absl::Status ConnectionPool::Exhausted() const {
  PoolState state = {name_, options_.size, options_.max_overflow, options_.timeout, line_.size(), {}};
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
  usage.waiting = static_cast<int>(line_.size());
  usage.timeouts = timeouts_;
  return usage;
}

std::unique_ptr<Connection> PooledConnection(std::shared_ptr<ConnectionPool> pool) {
  return std::make_unique<BorrowedConnection>(std::move(pool));
}

}  // namespace dbos::sidecar
