// World: a database, a sidecar process, and application processes of one crash test, in a directory of their own.
//
// The sidecar is `faulty_sidecar`, the product with named points of failure (faulty_storage.h). Whoever dies is started
// again, without its fault, by Supervise.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "tests/e2e/process.h"

namespace dbos::sidecar {

enum class DatabaseKind { kSqlite, kPostgres };

// The databases of this run: SQLite, and PostgreSQL where DBOS_TEST_POSTGRES_URL names a server.
std::vector<DatabaseKind> TestDatabaseKinds();
std::string ToString(DatabaseKind kind);

class World {
 public:
  explicit World(DatabaseKind kind);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  void StartSidecar(const std::string& fault = "", const std::vector<std::string>& flags = {});
  // Index of the new process. `strike`: arguments of ledger_app.
  std::size_t StartApp(const std::vector<std::string>& strike = {});
  // For `duration`: whoever has died is started again, whoever has stopped goes on after `pause`.
  void Supervise(absl::Duration duration, absl::Duration pause = absl::Milliseconds(300));

  Process& sidecar() { return *sidecar_; }
  Process& app(std::size_t index) { return *apps_[index]; }
  void ForgetAttachedProcesses();
  int restarts() const { return restarts_; }

  // How often each "workflow step" was run, and with which numbers.
  std::map<std::string, std::vector<std::string>> Ledger() const;
  std::string address() const { return "unix:" + directory_ + "/s"; }
  std::string database_url() const { return database_url_; }
  std::string directory() const { return directory_; }
  std::string Logs() const;

 private:
  std::string directory_;
  std::string database_url_;
  std::unique_ptr<Process> sidecar_;
  std::vector<std::unique_ptr<Process>> apps_;
  std::map<const Process*, absl::Duration> stopped_since_;
  int restarts_ = 0;
};

}  // namespace dbos::sidecar
