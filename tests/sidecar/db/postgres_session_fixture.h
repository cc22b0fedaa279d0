// A session with the test's PostgreSQL database through a proxy that counts, cuts and swallows.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <stdlib.h>

#include "absl/strings/str_cat.h"

#include "tests/sidecar/db/session_fixture.h"
#include "tests/testing/proxy/pg_proxy.h"

namespace dbos::sidecar {

inline constexpr Query kNote = {
    .name = "test_note",
    .args = "id bigint",
    .rows = "",
    .sql = "INSERT INTO item (id, name) VALUES ($1, {result})",
};

// The test's database through a proxy.
class PostgresSessionTest : public SessionFixture {
 protected:
  void SetUp() override {
    database_->Run("CREATE TABLE item (id BIGINT PRIMARY KEY, name TEXT NOT NULL)");
    const std::string path = database_->Query("SHOW unix_socket_directories")[0];
    const std::string port = database_->Query("SHOW port")[0];
    auto proxy =
        dbos::testing::PgProxy::Start({.upstream = absl::StrCat(path.substr(0, path.find(',')), "/.s.PGSQL.", port),
                                       .listen = absl::StrCat(directory_, "/.s.PGSQL.5432")});
    ASSERT_TRUE(proxy.ok()) << proxy.status();
    proxy_ = *std::move(proxy);
    url_ = proxy_->Url(database_->Query("SELECT current_user")[0], database_->Query("SELECT current_database()")[0]);
    session_ = OpenSession(*OpenDatabase(url_, "dbos"));
  }
  void TearDown() override {
    session_.reset();
    proxy_.reset();
    std::filesystem::remove_all(directory_);
  }

  void UsePooler(bool through_pooler) {
    ConnectionOptions options;
    options.through_pooler = through_pooler;
    session_ = OpenSession(*OpenDatabase(url_, "dbos", options));
  }
  std::int64_t RoundTrips(const std::function<void()>& body) {
    proxy_->ResetCounts();
    body();
    return proxy_->counts().syncs;
  }
  void EndSessions() {
    database_->Run(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
        "pg_backend_pid()");
  }
  SqlAnswer Insert(std::int64_t id) {
    return Run("INSERT INTO item (id, name) VALUES (:id, :name)", {{"name", Text("x")}, {"id", Int(id)}});
  }
  std::string Both(const std::string& sql, std::vector<SqlParameter> parameters = {}) {
    std::string outcomes[2];
    for (std::string& outcome : outcomes) {
      Begin();
      outcome = RunAndCommit(sql, nullptr, parameters);
    }
    EXPECT_EQ(outcomes[0], outcomes[1]) << sql;
    return outcomes[1];
  }

  std::string directory_ = [] {
    std::string path = (std::filesystem::temp_directory_path() / "session-XXXXXX").string();
    return std::string(mkdtemp(path.data()));
  }();
  std::unique_ptr<dbos::testing::PgProxy> proxy_;
  std::string url_;
};

}  // namespace dbos::sidecar
