// The first halves of Run, Commit and RunAndCommit, for a thread that must not block.
#include <utility>

#include "absl/time/clock.h"

#include "sidecar/db/postgres/postgres_session.h"

namespace dbos::sidecar {

bool PostgresSession::MaySend() {
  if (state_ != State::kBegun && state_ != State::kOpen) return false;
  if (state_ == State::kBegun) pipeline_.link().CloseIfEnded();
  return pipeline_.link().is_open() && absl::Now() < limits_.deadline;
}

bool PostgresSession::SendHalf(Question question) {
  sent_ = std::move(question);
  pipeline_.Start(sent_->calls, limits_);
  return true;
}

bool PostgresSession::SendRun(const NamedSql& sql, const SqlValues& values) {
  return MaySend() && SendHalf(Running(sql, values));
}

bool PostgresSession::SendCommit(const Statement* record) {
  if (IsEmpty(record)) return false;
  pipeline_.link().CloseIfEnded();  // what is not sent is not in doubt
  return MaySend() && SendHalf(Committing(record));
}

bool PostgresSession::SendRunAndCommit(const NamedSql& sql, const SqlValues& values, const Statement* record) {
  if (!MaySend()) return false;
  const std::shared_ptr<const PostgresShape> shape = ShapeToJoin(sql, values);
  return shape != nullptr && shape->joins && SendHalf(Joined(sql, values, record, *shape));
}

SqlArrival PostgresSession::Poll() {
  const PostgresPipeline::Arrival arrival = pipeline_.Poll();
  if (arrival == PostgresPipeline::Arrival::kNotYet) return SqlArrival::kNotYet;
  if (arrival == PostgresPipeline::Arrival::kFailed) return SqlArrival::kMayBlock;
  for (const unsigned int type : pipeline_.trip().types) {
    if (catalog_->TypeName(type).empty()) return SqlArrival::kMayBlock;  // it has to be looked up
  }
  return SqlArrival::kAll;
}

}  // namespace dbos::sidecar
