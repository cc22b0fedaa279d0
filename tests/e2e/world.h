// World: a database, a sidecar process, and application processes of one crash test, in a directory of their own.
//
// The sidecar is `faulty_sidecar`, the product with named points of failure (faulty_storage.h). Whoever dies is started
// again by Supervise, without its fault unless PlanFaults says otherwise.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "tests/e2e/process.h"
#include "tests/testing/proxy/pg_proxy.h"
#include "tests/testing/proxy/played_cockroach.h"

namespace dbos::sidecar {

// kPlayedCockroach: PostgreSQL that a proxy passes off as CockroachDB and that aborts one transaction in six.
enum class DatabaseKind { kSqlite, kPostgres, kSqliteMemory, kPostgres18, kPlayedCockroach, kCockroach };

// The databases of this run that outlive a sidecar: SQLite, and PostgreSQL where DBOS_TEST_POSTGRES_URL names a server.
std::vector<DatabaseKind> TestDatabaseKinds();
// Those of the conformance suite: also what passes for CockroachDB, and CockroachDB where DBOS_TEST_COCKROACHDB_URL
// names a server.
std::vector<DatabaseKind> ConformanceDatabaseKinds();
std::string ToString(DatabaseKind kind);

class World {
 public:
  explicit World(DatabaseKind kind);
  // A new database on a server of the test's own: the URL of a superuser. It stays there.
  explicit World(const std::string& server_url);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  void StartSidecar(const std::string& fault = "", const std::vector<std::string>& flags = {});
  // The program of the apps that are started from now on; at first ledger_app.
  void UseApp(const std::string& program) { app_program_ = program; }
  // For the sidecars that are started from now on.
  void SetEnvironment(const std::string& name, const std::string& value) { environment_[name] = value; }
  // The faults of the sidecars that Supervise starts, one each, in this order; after that none.
  void PlanFaults(const std::vector<std::string>& faults) { planned_faults_.assign(faults.begin(), faults.end()); }
  // Index of the new process. `strike`: arguments of the program; `stream_fault`: see faulty_transport.h.
  std::size_t StartApp(const std::vector<std::string>& strike = {}, const std::string& stream_fault = "");
  // Sidecars started from now on, and Query, use this role. PostgreSQL only.
  void ConnectAs(const std::string& role);
  // Sidecars started from now on reach the database through this proxy. PostgreSQL only.
  dbos::testing::PgProxy& PutProxyBetween();
  // For `duration`: whoever has died is started again, whoever has stopped goes on after `pause`.
  void Supervise(absl::Duration duration, absl::Duration pause = absl::Milliseconds(300));

  // SIGKILL for everyone.
  void EndAll();
  Process& sidecar() { return *sidecar_; }
  Process& app(std::size_t index) { return *apps_[index]; }
  void ForgetAttachedProcesses();
  // What Supervise had to do so far.
  int restarts() const { return restarts_; }
  int continuations() const { return continuations_; }
  // Waits until the sidecars, or the apps, have written `text` this often, all of them together.
  bool SidecarsWrote(const std::string& text, int times = 1) const { return Wrote("sidecar.log", text, times); }
  bool AppsWrote(const std::string& text, int times = 1) const { return Wrote("app.log", text, times); }

  // The first column of a query that asks PostgreSQL itself, whatever a proxy does.
  std::vector<std::string> Query(const std::string& sql) const;
  // How often each "workflow step" was run, and with which numbers.
  std::map<std::string, std::vector<std::string>> Ledger() const;
  std::string address() const { return "unix:" + directory_ + "/s"; }
  std::string database_url() const { return database_url_; }
  // Where PutProxyBetween's proxy is, or will be.
  std::string proxy_url() const;
  // Null unless the database is kPlayedCockroach.
  const dbos::testing::PlayedCockroach* cockroach() const { return cockroach_.get(); }
  std::string directory() const { return directory_; }
  std::string Logs() const;

 private:
  std::string SidecarDatabaseUrl() const;
  bool Wrote(const std::string& log, const std::string& text, int times) const;

  void MakeDirectory();
  void MakeDatabase();

  std::string directory_;
  std::string app_program_ = DBOS_LEDGER_APP;
  const std::string server_url_;
  const bool drop_database_ = false;
  std::string drop_options_ = " WITH (FORCE)";
  std::string database_url_;
  std::map<std::string, std::string> environment_;
  std::unique_ptr<dbos::testing::PgProxy> proxy_;
  std::unique_ptr<dbos::testing::PlayedCockroach> cockroach_;
  std::unique_ptr<Process> sidecar_;
  std::deque<std::string> planned_faults_;
  std::vector<std::unique_ptr<Process>> apps_;
  std::map<const Process*, absl::Duration> stopped_since_;
  int restarts_ = 0;
  int continuations_ = 0;
};

}  // namespace dbos::sidecar
