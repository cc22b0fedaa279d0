// Connection to PostgreSQL over libpq in pipeline mode: statements are prepared once per session and parameters travel
// in binary. libpq and not libpqxx, whose 6.4 cannot send parameters through a pipeline.
//
// Threads, blocking, errors: as Connection says.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <libpq-fe.h>

#include "sidecar/db/connection.h"
#include "sidecar/db/dialect.h"
#include "sidecar/db/options.h"
#include "sidecar/db/postgres/postgres_call.h"
#include "sidecar/db/postgres/postgres_link.h"
#include "sidecar/db/postgres/postgres_url.h"

namespace dbos::sidecar {

class PostgresConnection : public Connection {
 public:
  PostgresConnection(PostgresParameters parameters, Dialect dialect, ConnectionRole role, PasswordSource password)
      : link_(std::move(parameters), std::move(password)), dialect_(std::move(dialect)), role_(role) {}

  using Connection::RunBatch;
  absl::StatusOr<std::vector<Result>> RunBatch(std::span<const Statement> statements,
                                               const Meanwhile& meanwhile) override;
  void SendBatch(std::span<const Statement> statements) override;
  absl::StatusOr<Result> Execute(const Statement& statement) override;
  absl::StatusOr<Result> RunScript(const std::string& sql) override;
  absl::StatusOr<Dialect> ServerDialect() override;

 private:
  // A query as this session knows it.
  struct Prepared {
    std::string name;  // empty behind a pooler: sent with each use
    PostgresQuery query;
    bool on_server = false;
  };

  // What one message of the pipeline will be answered with.
  struct Expected {
    enum class Kind { kPrepare, kBegin, kStatement, kCommit };
    Kind kind;
    Prepared* prepared;
  };

  enum class Unit { kTransaction, kStatement };
  // One statement is a transaction by itself, which spares the server two more.
  Unit UnitOf(std::span<const Statement> batch) const {
    return batch.size() == 1 && !SettlesDurability() ? Unit::kStatement : Unit::kTransaction;
  }
  // In each transaction: what was set at the beginning is not to be relied on.
  bool SettlesDurability() const { return pooled_ && role_ == ConnectionRole::kWriter && !dialect_.durably.empty(); }

  absl::StatusOr<std::vector<Result>> RunBatchOnce(std::span<const Statement> statements, const Meanwhile& meanwhile);
  absl::StatusOr<Result> ExecuteOnce(const Statement& statement);
  absl::StatusOr<Result> RunScriptOnce(const std::string& sql);
  absl::Status Connect();
  Prepared& Look(const Statement& statement);
  absl::Status Send(const Statement& statement, Expected::Kind kind);
  absl::Status Prepare(Prepared& prepared);
  absl::Status SendPipeline(std::span<const Statement> statements, Unit unit);
  absl::Status SendTransaction(std::span<const Statement> statements);
  void KeepSent();
  absl::StatusOr<std::vector<Result>> ReceivePipeline(const std::function<void()>& at_commit);
  absl::StatusOr<std::vector<Result>> ReceiveAll(const std::function<void()>& at_commit);
  absl::Status ReceiveAnswer(const Expected& expected, std::vector<Result>& results, absl::Status& error);
  // What the server says of a statement that it sees for the first time, or has prepared before.
  enum class Seen { kFirst, kBefore };
  absl::Status ErrorOf(const PGresult* result, Seen seen);

  PostgresLink link_;
  Dialect dialect_;  // of the server that answers, once connected
  const ConnectionRole role_;
  bool pooled_ = link_.parameters().through_pooler;  // or it turned out: see ConnectionOptions::through_pooler
  std::unordered_map<const Query*, Prepared> prepared_;
  std::unordered_map<const Query*, Prepared> prepared_for_one_row_;
  std::vector<Expected> expected_;  // of what was sent last
  bool shows_early_ = false;        // and whether the server shows its results before it commits

  const Statement* sent_ = nullptr;                          // the batch of SendBatch
  bool in_flight_ = false;                                   // it is not received yet
  std::optional<absl::StatusOr<std::vector<Result>>> kept_;  // it was received when other calls came in between
};

}  // namespace dbos::sidecar
