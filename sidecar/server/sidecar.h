// Sidecar: the parts of one running sidecar, in the order in which they start and, backwards, stop.
//
//   Reserve (state directory, socket) -> OpenDatabase -> Serve -> Supervise ... -> Stop
//
// Threads:  one, the process's main thread. It starts the others.
// Blocking: OpenDatabase, Stop.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "sidecar/db/connection_pool.h"
#include "sidecar/engine/engine_records.h"
#include "sidecar/engine/loop.h"
#include "sidecar/engine/transaction_pool.h"
#include "sidecar/rpc/grpc_server.h"
#include "sidecar/server/acceptor.h"
#include "sidecar/server/config.h"
#include "sidecar/server/exit_codes.h"
#include "sidecar/server/http_server.h"
#include "sidecar/server/migration_thread.h"
#include "sidecar/server/periodic_task.h"
#include "sidecar/server/process_ledger.h"
#include "sidecar/server/signals.h"
#include "sidecar/server/state_directory.h"
#include "sidecar/server/wakeups.h"

namespace dbos::sidecar {

extern const char kVersion[];

// Tests wrap the storages to fail at a named point.
using StorageDecorator = std::function<StorageFactory(StorageFactory)>;
using TransactionDecorator = std::function<TransactionStorageFactory(TransactionStorageFactory)>;

class Sidecar {
 public:
  // `config` is complete (CompleteConfig).
  explicit Sidecar(Config config, StorageDecorator decorate = {}, TransactionDecorator decorate_transactions = {})
      : config_(std::move(config)),
        decorate_(std::move(decorate)),
        decorate_transactions_(std::move(decorate_transactions)) {}
  ~Sidecar();
  Sidecar(const Sidecar&) = delete;
  Sidecar& operator=(const Sidecar&) = delete;

  // All that must succeed before clients can connect; none when all did.
  std::optional<StartupError> Start(Signals& signals);

  // About once a second: health, the ledger of processes, memory.
  void Supervise();

  // Hands work back and ends: sessions get the drain timeout to finish.
  void Stop();

  int schema_version() const { return schema_version_; }
  // "unix:" and the absolute path of the socket.
  std::string address() const;

 private:
  absl::Status Reserve();
  absl::Status OpenDatabase(Signals& signals);
  absl::Status Serve();
  absl::Status OpenTransactions();
  SidecarInfo Info() const;
  absl::Status ServeHttp();
  void UpdateHealth();

  const Config config_;
  const StorageDecorator decorate_;
  const TransactionDecorator decorate_transactions_;
  std::string executor_id_;
  int schema_version_ = 0;
  bool stopped_ = false;
  absl::Time survivors_until_;
  int idle_rounds_ = 0;
  std::optional<bool> database_was_available_;

  // In the order of their start.
  std::optional<StateDirectory> state_;
  std::unique_ptr<ProcessLedger> ledger_;
  std::unique_ptr<ListeningSocket> socket_;
  std::unique_ptr<FileLock> database_lock_;
  std::shared_ptr<const ConnectionPool> pool_;
  std::unique_ptr<Wakeups> wakeups_;  // none: the database has no notifications
  std::unique_ptr<EngineLoop> loop_;
  std::unique_ptr<MigrationThread> migrations_;
  std::unique_ptr<EngineRecords> records_;
  std::unique_ptr<PeriodicTask> sweeper_;
  std::unique_ptr<TransactionPool> transactions_;  // null: there is no application database
  std::unique_ptr<GrpcServer> grpc_;
  std::unique_ptr<Acceptor> acceptor_;
  std::unique_ptr<HttpServer> http_;  // none: not configured
};

}  // namespace dbos::sidecar
