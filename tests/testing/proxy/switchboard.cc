#include "tests/testing/proxy/switchboard.h"

#include "absl/time/clock.h"

namespace dbos::testing {

using sidecar::MutexLock;

void Switchboard::Arm(const FaultOrder& order) {
  MutexLock lock(mu_);
  order_ = order;
}

void Switchboard::Disarm() {
  MutexLock lock(mu_);
  order_.reset();
}

void Switchboard::Stall() {
  MutexLock lock(mu_);
  stalled_ = true;
}

void Switchboard::Resume() {
  MutexLock lock(mu_);
  stalled_ = false;
  ++resumes_;
}

bool Switchboard::stalled() const {
  MutexLock lock(mu_);
  return stalled_;
}

int64_t Switchboard::resumes() const {
  MutexLock lock(mu_);
  return resumes_;
}

Counts Switchboard::counts() const {
  MutexLock lock(mu_);
  return counts_;
}

void Switchboard::ResetCounts() {
  MutexLock lock(mu_);
  counts_ = {};
}

bool Switchboard::WaitForFaults(int64_t count, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  MutexLock lock(mu_);
  while (counts_.faults < count) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return false;
    changed_.WaitFor(mu_, left);
  }
  return true;
}

std::optional<Fault> Switchboard::Decide(const ClientAction& action, const StatementTracker& statements) {
  MutexLock lock(mu_);
  if (!order_) return std::nullopt;
  const bool counts = action.carries_commit || (order_->at == CommitPoint::kAny && action.ends_implicit);
  if (!counts || !statements.TransactionMentions(order_->mentions)) return std::nullopt;
  if (order_->skip > 0) {
    --order_->skip;
    return std::nullopt;
  }
  const Fault fault = order_->fault;
  if (--order_->times <= 0) order_.reset();
  return fault;
}

void Switchboard::Add(const Counts& delta) {
  MutexLock lock(mu_);
  counts_.connections += delta.connections;
  counts_.refused += delta.refused;
  counts_.syncs += delta.syncs;
  counts_.ready_for_query += delta.ready_for_query;
  counts_.flushes += delta.flushes;
  counts_.executes += delta.executes;
  counts_.commits += delta.commits;
  counts_.turns += delta.turns;
  counts_.bytes_to_server += delta.bytes_to_server;
  counts_.bytes_to_client += delta.bytes_to_client;
  counts_.faults += delta.faults;
  if (delta.faults > 0) changed_.NotifyAll();
}

}  // namespace dbos::testing
