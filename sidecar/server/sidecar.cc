#include "sidecar/server/sidecar.h"

#include <filesystem>
#include <thread>
#include <utility>

#include <malloc.h>

#include "absl/time/clock.h"

#include "sidecar/base/ids.h"
#include "sidecar/base/logging.h"
#include "sidecar/base/status.h"
#include "sidecar/server/application_database.h"
#include "sidecar/server/database.h"
#include "sidecar/server/last_resort.h"
#include "sidecar/server/metrics.h"

#ifndef DBOS_VERSION
#error "DBOS_VERSION comes from sidecar/server/CMakeLists.txt"
#endif

namespace dbos::sidecar {
namespace {

constexpr int kRoundsUntilTrim = 10;
constexpr absl::Duration kSurvivorsListed = absl::Seconds(10);  // well beyond the grace they have to come back
constexpr absl::Duration kCallsGrace = absl::Seconds(2);
constexpr absl::Duration kSweepPause = absl::Minutes(1);
// For the database's last answers, when everything is handed back or given up.
constexpr absl::Duration kDatabaseGrace = absl::Seconds(2);

std::optional<StartupError> Failure(ExitCode code, const absl::Status& status) {
  if (status.ok()) return std::nullopt;
  return StartupError{code, status};
}

}  // namespace

const char kVersion[] = DBOS_VERSION;

Sidecar::~Sidecar() {
  Stop();
}

std::optional<StartupError> Sidecar::Start(Signals& signals) {
  if (auto error = Failure(kExitSocket, Reserve())) return error;
  if (auto error = Failure(kExitDatabase, OpenDatabase(signals))) return error;
  if (auto error = Failure(kExitFailure, Serve())) return error;
  if (auto error = Failure(kExitSocket, socket_->Listen())) return error;
  acceptor_ = std::make_unique<Acceptor>(*socket_, config_.allowed, [this](int fd) { grpc_->HandleConnection(fd); });
  if (auto error = Failure(kExitSocket, ServeHttp())) return error;
  UpdateHealth();
  Log(LogLevel::kInfo, "sidecar is ready",
      {{"application", config_.name},
       {"address", address()},
       {"database", DescribeDatabase(config_.system_database_url)},
       {"schema_version", std::to_string(schema_version_)},
       {"executor_id", executor_id_},
       {"http", http_ == nullptr ? "off" : http_->address()},
       {"version", kVersion}});
  malloc_trim(0);  // what starting took is not needed again
  return std::nullopt;
}

absl::Status Sidecar::Reserve() {
  ASSIGN_OR_RETURN(const std::string path, SocketPath(config_.address));
  ASSIGN_OR_RETURN(state_, StateDirectory::Open(config_.state_dir));
  ASSIGN_OR_RETURN(socket_, ListeningSocket::Reserve(path, config_.socket_mode));
  executor_id_ = config_.executor_id;
  if (executor_id_.empty()) {
    ASSIGN_OR_RETURN(executor_id_, state_->ExecutorId());
  }
  ledger_ = std::make_unique<ProcessLedger>(state_->ProcessesFile());
  survivors_until_ = absl::Now() + kSurvivorsListed;
  return absl::OkStatus();
}

absl::Status Sidecar::OpenDatabase(Signals& signals) {
  ASSIGN_OR_RETURN(database_lock_, LockDatabase(config_));
  ASSIGN_OR_RETURN(schema_version_, AwaitDatabase(config_, signals));
  return RunConfiguredMigrations(config_, signals);
}

absl::Status Sidecar::Serve() {
  ASSIGN_OR_RETURN(SystemStorage system, OpenSystemStorage(config_, executor_id_));
  pool_ = system.pool;
  StorageFactory storage = std::move(system.open);
  if (decorate_) storage = decorate_(std::move(storage));
  EngineOptions options;
  options.ping_timeout = config_.ping_timeout;
  options.expected_incarnations = ledger_->Survivors();
  ASSIGN_OR_RETURN(wakeups_, Wakeups::Open(config_, executor_id_));
  EngineLoop::Options threads;
  if (wakeups_ != nullptr) threads.work_for_others = [this] { wakeups_->Tell(); };
  const int pooled = config_.system_pool_size.value_or(config_.pool.size) + config_.pool.max_overflow;
  threads.callers = static_cast<std::size_t>(pooled) + 1;
  loop_ = std::make_unique<EngineLoop>(std::make_unique<Engine>(options, RandomUuid), std::move(storage), threads);
  loop_->Start();
  if (wakeups_ != nullptr) {
    wakeups_->Hear([this] { loop_->Post([](Engine& engine) { engine.WorkArrived(); }); });
  }
  migrations_ = std::make_unique<MigrationThread>(config_);
  RETURN_IF_ERROR(OpenTransactions());
  grpc_ = GrpcServer::Start({*loop_, Info(), *ledger_, *migrations_, transactions_.get()}, config_.reflection);
  if (grpc_ == nullptr) return absl::InternalError("gRPC could not start");
  return absl::OkStatus();
}

// Without an application database there are none; whoever asks for one is told the key.
absl::Status Sidecar::OpenTransactions() {
  if (config_.application_database_url.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(ApplicationTransactions application, OpenApplicationTransactions(config_, executor_id_));
  if (decorate_transactions_) application.open = decorate_transactions_(std::move(application.open));
  records_ = std::make_unique<EngineRecords>(*loop_);
  TransactionPool::Options options;
  options.size = config_.pool.size;
  options.max_overflow = config_.pool.max_overflow;
  options.timeout = config_.pool.timeout;
  options.recycle = config_.pool.recycle;
  options.group_max = config_.transaction_group_max;
  // The one processor is the database's.
  if (std::thread::hardware_concurrency() > 1) options.spin = absl::Microseconds(config_.transaction_spin_us);
  transactions_ = std::make_unique<TransactionPool>(std::move(application.open), *records_, options);
  sweeper_ = std::make_unique<PeriodicTask>("records of deleted workflows", kSweepPause, std::move(application.sweep));
  return absl::OkStatus();
}

SidecarInfo Sidecar::Info() const {
  const EngineOptions defaults;
  SidecarInfo info;
  info.version = kVersion;
  info.boot_id = RandomUuid();
  info.executor_id = executor_id_;
  info.application_name = config_.name;
  info.database = DescribeDatabase(config_.system_database_url);
  info.schema_version = static_cast<std::uint32_t>(schema_version_);
  info.ping_interval = defaults.ping_interval;
  info.ping_timeout = config_.ping_timeout;
  return info;
}

absl::Status Sidecar::ServeHttp() {
  if (config_.http_address.empty()) return absl::OkStatus();
  HttpServer::Answers answers;
  answers.ready = [this] { return !loop_->status().draining; };
  answers.metrics = [this] {
    MetricsSample sample = {kVersion, config_.name, loop_->status(), pool_->usage(), std::nullopt, {}};
    if (transactions_ != nullptr) sample.application_pool = transactions_->usage();
    if (transactions_ != nullptr) sample.groups = transactions_->groups();
    sample.wakeups_arrive = wakeups_ != nullptr && wakeups_->arrive();
    return MetricsText(sample);
  };
  ASSIGN_OR_RETURN(http_, HttpServer::Start(config_.http_address, answers));
  return absl::OkStatus();
}

void Sidecar::UpdateHealth() {
  const EngineStatus status = loop_->status();
  grpc_->SetHealth({status.database_available, !status.draining});
  if (database_was_available_ != status.database_available) {
    if (database_was_available_) {
      const std::string database = DescribeDatabase(config_.system_database_url);
      if (status.database_available) {
        Log(LogLevel::kInfo, "the database is back", {{"database", database}});
      } else {
        Log(LogLevel::kError, "the database fails: work waits, and goes on by itself when it is back",
            {{"database", database}, {"error", status.database_error}});
      }
    }
    database_was_available_ = status.database_available;
  }
}

void Sidecar::Supervise() {
  UpdateHealth();
  if (absl::Now() > survivors_until_) ledger_->ForgetSurvivors();
  ledger_->Save();
  // Memory of the last burst goes back once things are quiet, not between bursts.
  idle_rounds_ = loop_->status().executions == 0 ? idle_rounds_ + 1 : 0;
  if (idle_rounds_ == kRoundsUntilTrim) malloc_trim(0);
}

void Sidecar::Stop() {
  if (std::exchange(stopped_, true)) return;
  const bool served = acceptor_ != nullptr;
  if (served) {
    grpc_->SetHealth({loop_->status().database_available, false});
    Log(LogLevel::kInfo, "stopping: executions may finish",
        {{"drain_timeout", absl::FormatDuration(config_.drain_timeout)}});
    const bool drained = loop_->DrainAndWait(config_.drain_timeout);
    if (!drained) Log(LogLevel::kWarning, "not everything could be handed back; it is recovered at the next start");
  }
  acceptor_.reset();
  socket_.reset();
  if (grpc_ != nullptr) grpc_->Shutdown(kCallsGrace);
  if (ledger_ != nullptr && grpc_ != nullptr) ledger_->Save();
  http_.reset();  // answers until everything is handed back
  {
    const LastResort end(
        kDatabaseGrace, kExitDatabase,
        "the database does not answer: ending without it; what was not acknowledged may not be stored");
    if (wakeups_ != nullptr) wakeups_->StopHearing();
    migrations_.reset();
    sweeper_.reset();
    transactions_.reset();
    loop_.reset();
    wakeups_.reset();  // tells of what was handed back
  }
  grpc_.reset();
  if (served) Log(LogLevel::kInfo, "stopped");
}

std::string Sidecar::address() const {
  return "unix://" + std::filesystem::absolute(socket_->path()).lexically_normal().string();
}

}  // namespace dbos::sidecar
