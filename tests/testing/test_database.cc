#include "tests/testing/test_database.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include <unistd.h>

#include "absl/strings/str_cat.h"

#include "sidecar/base/check.h"
#include "sidecar/base/ids.h"
#include "sidecar/db/migrator.h"

namespace dbos::sidecar {
namespace {

class SqliteTestDatabase : public TestDatabase {
 public:
  explicit SqliteTestDatabase(std::filesystem::path directory)
      : TestDatabase(absl::StrCat("sqlite:///", (directory / "test.sqlite").string())),
        directory_(std::move(directory)) {
    std::filesystem::create_directories(directory_);
  }
  ~SqliteTestDatabase() override { std::filesystem::remove_all(directory_); }
  SqliteTestDatabase(const SqliteTestDatabase&) = delete;
  SqliteTestDatabase& operator=(const SqliteTestDatabase&) = delete;

 private:
  const std::filesystem::path directory_;
};

std::string ServerUrl(DatabaseKind kind) {
  const char* variable = kind == DatabaseKind::kPostgres18 ? "DBOS_TEST_POSTGRES18_URL" : "DBOS_TEST_POSTGRES_URL";
  const char* url = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe)
  return url == nullptr ? "" : url;
}

// The same URL with another database.
std::string WithDatabase(const std::string& url, const std::string& name) {
  const std::size_t host = url.find("://") + 3;
  const std::size_t query = url.find('?', host);
  const std::size_t path = url.find('/', host);
  const std::string parameters = query == std::string::npos ? "" : url.substr(query);
  return absl::StrCat(url.substr(0, std::min(path, query)), "/", name, parameters);
}

class PostgresTestDatabase : public TestDatabase {
 public:
  PostgresTestDatabase(std::string server_url, std::string name)
      : TestDatabase(WithDatabase(server_url, name)), server_url_(std::move(server_url)), name_(std::move(name)) {
    OnServer(absl::StrCat("CREATE DATABASE ", name_));
  }
  ~PostgresTestDatabase() override { OnServer(absl::StrCat("DROP DATABASE IF EXISTS ", name_, " WITH (FORCE)")); }
  PostgresTestDatabase(const PostgresTestDatabase&) = delete;
  PostgresTestDatabase& operator=(const PostgresTestDatabase&) = delete;

 private:
  void OnServer(const std::string& sql) const {
    const auto server = OpenDatabase(server_url_, "dbos");
    DBOS_CHECK(server.ok());  // the variable names no server
    const auto done = server->connect(ConnectionRole::kMigration)->RunScript(sql);
    if (!done.ok()) ADD_FAILURE() << done.status();
  }

  const std::string server_url_;
  const std::string name_;
};

std::string FreshName() {
  std::string id = RandomUuid();
  std::replace(id.begin(), id.end(), '-', '_');
  return absl::StrCat("dbos_test_", id);
}

}  // namespace

std::unique_ptr<TestDatabase> TestDatabase::Create(DatabaseKind kind) {
  if (kind == DatabaseKind::kSqlite) {
    return std::make_unique<SqliteTestDatabase>(std::filesystem::temp_directory_path() / FreshName());
  }
  return std::make_unique<PostgresTestDatabase>(ServerUrl(kind), FreshName());
}

std::unique_ptr<TestDatabase> TestDatabase::CreateMigrated(DatabaseKind kind) {
  std::unique_ptr<TestDatabase> database = Create(kind);
  const absl::StatusOr<int> version = Migrate(database->Open());
  if (!version.ok()) ADD_FAILURE() << version.status();
  return database;
}

Database TestDatabase::Open(const std::string& schema) const {
  absl::StatusOr<Database> database = OpenDatabase(url_, schema);
  DBOS_CHECK(database.ok());
  return *std::move(database);
}

Connection& TestDatabase::connection() {
  if (connection_ == nullptr) connection_ = Open().connect(ConnectionRole::kMigration);
  return *connection_;
}

std::vector<std::string> TestDatabase::Query(const std::string& sql) {
  const absl::StatusOr<Result> rows = connection().RunScript(sql);
  std::vector<std::string> lines;
  if (!rows.ok()) {
    ADD_FAILURE() << rows.status() << " in " << sql;
    return lines;
  }
  for (std::size_t row = 0; row < rows->size(); ++row) {
    std::string line;
    for (std::size_t column = 0; column < rows->columns(); ++column) {
      const Result::Row cells = (*rows)[row];
      absl::StrAppend(&line, column == 0 ? "" : ",", cells.IsNull(column) ? "-" : cells.Text(column));
    }
    lines.push_back(line);
  }
  return lines;
}

void TestDatabase::Run(const std::string& sql) {
  const absl::Status done = connection().RunScript(sql).status();
  if (!done.ok()) ADD_FAILURE() << done << " in " << sql;
}

std::string TestDatabase::Table(const std::string& name) const {
  return absl::StrCat(Open().dialect.schema, name);
}

std::string DatabaseKindName(const ::testing::TestParamInfo<DatabaseKind>& info) {
  if (info.param == DatabaseKind::kPostgres18) return "Postgres18";
  return info.param == DatabaseKind::kSqlite ? "Sqlite" : "Postgres";
}

}  // namespace dbos::sidecar
