#include "tests/e2e/world.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <libpq-fe.h>
#include <stdlib.h>
#include <unistd.h>

#include "sidecar/base/check.h"
#include "sidecar/base/ids.h"

namespace dbos::sidecar {
namespace {

// One part of the server's URL.
std::string PartOf(const char* url, const std::string& keyword) {
  PQconninfoOption* options = PQconninfoParse(url, nullptr);
  DBOS_CHECK(options != nullptr);
  std::string value;
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
    if (option->keyword == keyword && option->val != nullptr) value = option->val;
  }
  PQconninfoFree(options);
  return value;
}

// The server's URL with another database: "postgresql://user@/postgres?host=..." names one before the '?'.
std::string WithDatabase(const std::string& url, const std::string& database) {
  const std::size_t query = std::min(url.find('?'), url.size());
  const std::size_t slash = url.rfind('/', query);
  return url.substr(0, slash + 1) + database + url.substr(query);
}

void Psql(const std::string& server_url, const std::string& sql) {
  const std::string command = "psql -qX '" + server_url + "' -c '" + sql + "'";
  DBOS_CHECK(std::system(command.c_str()) == 0);
}

// Empty for SQLite.
std::string ServerOf(DatabaseKind kind) {
  if (kind == DatabaseKind::kSqlite || kind == DatabaseKind::kSqliteMemory) return "";
  const char* name = "DBOS_TEST_POSTGRES_URL";
  if (kind == DatabaseKind::kPostgres18) name = "DBOS_TEST_POSTGRES18_URL";
  if (kind == DatabaseKind::kCockroach) name = "DBOS_TEST_COCKROACHDB_URL";
  const char* url = std::getenv(name);
  DBOS_CHECK(url != nullptr);  // run by tests/run
  const std::string text = url;
  return text.starts_with("cockroachdb://") ? "postgresql" + text.substr(text.find("://")) : text;
}

}  // namespace

std::vector<DatabaseKind> TestDatabaseKinds() {
  if (std::getenv("DBOS_TEST_POSTGRES_URL") == nullptr) return {DatabaseKind::kSqlite};
  return {DatabaseKind::kSqlite, DatabaseKind::kPostgres};
}

std::vector<DatabaseKind> ConformanceDatabaseKinds() {
  std::vector<DatabaseKind> kinds = TestDatabaseKinds();
  if (std::getenv("DBOS_TEST_POSTGRES_URL") != nullptr) kinds.push_back(DatabaseKind::kPlayedCockroach);
  if (std::getenv("DBOS_TEST_COCKROACHDB_URL") != nullptr) kinds.push_back(DatabaseKind::kCockroach);
  return kinds;
}

std::string ToString(DatabaseKind kind) {
  if (kind == DatabaseKind::kSqliteMemory) return "memory";
  if (kind == DatabaseKind::kPlayedCockroach) return "played_cockroach";
  if (kind == DatabaseKind::kCockroach) return "cockroach";
  if (kind == DatabaseKind::kPostgres18) return "postgres18";
  return kind == DatabaseKind::kSqlite ? "sqlite" : "postgres";
}

World::World(DatabaseKind kind) : server_url_(ServerOf(kind)), drop_database_(!server_url_.empty()) {
  MakeDirectory();
  database_url_ = kind == DatabaseKind::kSqlite ? "sqlite:///" + directory_ + "/system.sqlite" : "sqlite:///:memory:";
  if (!server_url_.empty()) MakeDatabase();
  if (kind == DatabaseKind::kPlayedCockroach) {
    cockroach_ = std::make_unique<dbos::testing::PlayedCockroach>(dbos::testing::CockroachOptions{.abort_one_in = 6});
  }
  if (kind == DatabaseKind::kCockroach) drop_options_ = " CASCADE";
}

World::World(const std::string& server_url) : server_url_(server_url) {
  MakeDirectory();
  MakeDatabase();
}

void World::MakeDirectory() {
  char path[] = "/tmp/dbos-e2e-XXXXXX";
  DBOS_CHECK(mkdtemp(path) != nullptr);
  directory_ = path;
}

void World::MakeDatabase() {
  const std::string database = "e2e_" + RandomUuid().substr(0, 8);
  Psql(server_url_, "CREATE DATABASE " + database);
  database_url_ = WithDatabase(server_url_, database);
}

void World::EndAll() {
  apps_.clear();
  sidecar_.reset();
}

World::~World() {
  EndAll();
  proxy_.reset();
  cockroach_.reset();
  if (drop_database_) {
    Psql(server_url_, "DROP DATABASE " + PartOf(database_url_.c_str(), "dbname") + drop_options_);
  }
  std::filesystem::remove_all(directory_);
}

std::string World::SidecarDatabaseUrl() const {
  if (cockroach_ != nullptr) return cockroach_->Url(PartOf(database_url_.c_str(), "dbname"));
  return proxy_ == nullptr ? database_url_ : proxy_url();
}

void World::StartSidecar(const std::string& fault, const std::vector<std::string>& flags) {
  std::vector<std::string> command = {DBOS_FAULTY_SIDECAR,
                                      "serve",
                                      "--name",
                                      "crash-test",
                                      "--address",
                                      address(),
                                      "--database",
                                      SidecarDatabaseUrl(),
                                      "--state-dir",
                                      directory_ + "/state"};
  command.insert(command.end(), flags.begin(), flags.end());
  auto environment = environment_;
  environment["DBOS_TEST_FAULT"] = fault;
  sidecar_ = std::make_unique<Process>(command, Process::Options{environment, directory_ + "/sidecar.log", directory_});
}

std::size_t World::StartApp(const std::vector<std::string>& strike, const std::string& stream_fault) {
  std::vector<std::string> command = {app_program_, directory_ + "/ledger"};
  command.insert(command.end(), strike.begin(), strike.end());
  apps_.push_back(std::make_unique<Process>(
      command, Process::Options{{{"DBOS_SIDECAR_ADDRESS", address()}, {"DBOS_TEST_STREAM_FAULT", stream_fault}},
                                directory_ + "/app.log",
                                directory_}));
  return apps_.size() - 1;
}

void World::ConnectAs(const std::string& role) {
  const std::size_t user = database_url_.find("://") + 3;
  database_url_.replace(user, database_url_.find('@') - user, role);
}

dbos::testing::PgProxy& World::PutProxyBetween() {
  const std::string host = PartOf(server_url_.c_str(), "host");
  const std::string given = PartOf(server_url_.c_str(), "port");
  const std::string port = given.empty() ? "5432" : given;
  auto proxy =
      dbos::testing::PgProxy::Start({.upstream = host.starts_with("/") ? host + "/.s.PGSQL." + port : host + ":" + port,
                                     .listen = directory_ + "/.s.PGSQL.5432"});
  DBOS_CHECK(proxy.ok());
  proxy_ = *std::move(proxy);
  return *proxy_;
}

std::string World::proxy_url() const {
  return "postgresql://" + PartOf(database_url_.c_str(), "user") + "@/" + PartOf(database_url_.c_str(), "dbname") +
         "?host=" + directory_;
}

void World::Supervise(absl::Duration duration, absl::Duration pause) {
  const absl::Duration end = SinceBoot() + duration;
  do {
    if (!sidecar_->Running()) {
      ++restarts_;
      const std::string fault = planned_faults_.empty() ? "" : planned_faults_.front();
      if (!planned_faults_.empty()) planned_faults_.pop_front();
      StartSidecar(fault);
    }
    for (std::size_t i = 0; i < apps_.size(); ++i) {
      if (apps_[i]->Running()) continue;
      std::ofstream(directory_ + "/app.log", std::ios::app)
          << "(ended with " << apps_[i]->Wait(absl::ZeroDuration()) << ")\n";
      ++restarts_;
      StartApp();
      apps_[i] = std::move(apps_.back());
      apps_.pop_back();
    }
    std::vector<Process*> all = {sidecar_.get()};
    for (auto& app : apps_) all.push_back(app.get());
    for (Process* process : all) {
      if (!process->WaitStopped(absl::ZeroDuration())) {
        stopped_since_.erase(process);
        continue;
      }
      const auto [since, fresh] = stopped_since_.try_emplace(process, SinceBoot());
      if (SinceBoot() - since->second < pause) continue;
      process->Continue();
      stopped_since_.erase(since);
      ++continuations_;
    }
    Pause(absl::Milliseconds(5));
  } while (SinceBoot() < end);
}

bool World::Wrote(const std::string& log, const std::string& text, int times) const {
  return Eventually(absl::Seconds(20), [&] {
    std::ifstream file(directory_ + "/" + log);
    int seen = 0;
    for (std::string line; std::getline(file, line);) seen += line.find(text) == std::string::npos ? 0 : 1;
    return seen >= times;
  });
}

void World::ForgetAttachedProcesses() {
  std::ofstream(directory_ + "/state/processes");
}

std::vector<std::string> World::Query(const std::string& sql) const {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(database_url_.c_str()), &PQfinish);
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection.get(), sql.c_str()), &PQclear);
  DBOS_CHECK(PQresultStatus(result.get()) == PGRES_TUPLES_OK);
  std::vector<std::string> values;
  for (int row = 0; row < PQntuples(result.get()); ++row) values.emplace_back(PQgetvalue(result.get(), row, 0));
  return values;
}

std::map<std::string, std::vector<std::string>> World::Ledger() const {
  std::map<std::string, std::vector<std::string>> runs;
  std::ifstream file(directory_ + "/ledger");
  std::string workflow;
  std::string step;
  std::string nonce;
  while (file >> workflow >> step >> nonce) runs[workflow + " " + step].push_back(nonce);
  return runs;
}

std::string World::Logs() const {
  std::ostringstream text;
  for (const char* name : {"/sidecar.log", "/app.log", "/ledger"}) {
    text << "---- " << name << "\n" << std::ifstream(directory_ + name).rdbuf() << "\n";
  }
  return text.str();
}

}  // namespace dbos::sidecar
