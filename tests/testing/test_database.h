// TestDatabase: a fresh database for one test, on each kind of database that we support.
//
// SQLite uses a new directory. PostgreSQL uses a new database on the server of DBOS_TEST_POSTGRES_URL (Debian's 15) or
// DBOS_TEST_POSTGRES18_URL, the URLs of superusers; without them the PostgreSQL tests fail, they are never skipped.
// Lifetime: the destructor removes the database, whoever is still connected.
#pragma once

#include <memory>
#include <string>

#include "gtest/gtest.h"

#include "sidecar/db/open.h"

namespace dbos::sidecar {

enum class DatabaseKind { kSqlite, kPostgres, kPostgres18 };

class TestDatabase {
 public:
  // Empty: no schema. CHECKs that it can be made.
  static std::unique_ptr<TestDatabase> Create(DatabaseKind kind);
  // With the system database at the version we know, in schema "dbos".
  static std::unique_ptr<TestDatabase> CreateMigrated(DatabaseKind kind);

  virtual ~TestDatabase() = default;

  const std::string& url() const { return url_; }
  Database Open(const std::string& schema = "dbos") const;

  // The cells of one query, row after row: "a,b" and so on, null as "-".
  std::vector<std::string> Query(const std::string& sql);
  void Run(const std::string& sql);

  // The name of a DBOS table in SQL text of a test.
  std::string Table(const std::string& name) const;

 protected:
  explicit TestDatabase(std::string url) : url_(std::move(url)) {}

 private:
  Connection& connection();

  const std::string url_;
  std::unique_ptr<Connection> connection_;
};

// A suite of tests over all databases: class MyTest : public OverDatabases {}; INSTANTIATE_OVER_DATABASES(MyTest);
class OverDatabases : public ::testing::TestWithParam<DatabaseKind> {
 protected:
  std::unique_ptr<TestDatabase> database_ = TestDatabase::CreateMigrated(GetParam());
};

std::string DatabaseKindName(const ::testing::TestParamInfo<DatabaseKind>& info);

#define INSTANTIATE_OVER_DATABASES(suite)                                                                  \
  INSTANTIATE_TEST_SUITE_P(                                                                                \
      AllDatabases, suite,                                                                                 \
      ::testing::Values(::dbos::sidecar::DatabaseKind::kSqlite, ::dbos::sidecar::DatabaseKind::kPostgres), \
      ::dbos::sidecar::DatabaseKindName)

}  // namespace dbos::sidecar
