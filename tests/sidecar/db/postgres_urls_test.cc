// The forms of PostgreSQL URLs, on a real server. What they are taken for is in database_url_test.cc.
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "sidecar/db/open.h"
#include "sidecar/db/postgres/postgres_url.h"
#include "tests/testing/test_database.h"

namespace dbos::sidecar {
namespace {

using testing::HasSubstr;

class RealUrlsTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* tcp = std::getenv("DBOS_TEST_POSTGRES_TCP_URL");  // NOLINT(concurrency-mt-unsafe): one thread
    ASSERT_NE(tcp, nullptr) << "run by tests/run";
    parameters_ = *ParsePostgresUrl(tcp, {});
    const auto socket = ParsePostgresUrl(TestDatabase::Create(DatabaseKind::kPostgres)->url(), {});
    directory_ = socket->Get("host");
  }
  // The answer of one statement over this URL, or the error.
  static std::string Ask(const std::string& url, const std::string& sql) {
    const auto rows = OpenDatabase(url, "dbos")->connect(ConnectionRole::kMigration)->RunScript(sql);
    return rows.ok() ? (*rows)[0].Text(0) : rows.status().ToString();
  }

  PostgresParameters parameters_;
  std::string directory_;
};

TEST_F(RealUrlsTest, AnyHostOfSeveralMayBeTheOne) {
  const std::string port = parameters_.Get("port");
  const std::string both = absl::StrCat("postgresql://postgres@/postgres?host=/nowhere,127.0.0.1&port=1,", port);
  EXPECT_EQ(Ask(both, "SELECT 1"), "1");
  EXPECT_EQ(Ask(both + "&target_session_attrs=primary", "SELECT pg_is_in_recovery()"), "f");
  EXPECT_THAT(Ask(both + "&target_session_attrs=standby", "SELECT 1"), HasSubstr("server is not in hot standby mode"));
  EXPECT_THAT(Ask("postgresql://postgres@/postgres?host=/nowhere,/none&port=1,2", "SELECT 1"),
              testing::AllOf(HasSubstr("/nowhere/.s.PGSQL.1"), HasSubstr("/none/.s.PGSQL.2")));
}

TEST_F(RealUrlsTest, ADirectoryOfSocketsIsAHost) {
  std::string encoded;
  for (const char c : directory_) encoded += c == '/' ? std::string("%2F") : std::string(1, c);
  EXPECT_EQ(Ask(absl::StrCat("postgresql://postgres@", encoded, "/postgres"), "SELECT inet_client_addr() IS NULL"),
            "t");
}

TEST_F(RealUrlsTest, OptionsAndNameReachTheServer) {
  const std::string url =
      absl::StrCat("postgresql://postgres@127.0.0.1:", parameters_.Get("port"),
                   "/postgres?options=-c%20statement_timeout%3D31000%20-c%20work_mem%3D5MB&application_name=cart");
  EXPECT_EQ(Ask(url, "SHOW statement_timeout"), "31s");
  EXPECT_EQ(Ask(url, "SHOW work_mem"), "5MB");
  EXPECT_EQ(Ask(url, "SHOW application_name"), "cart");
}

}  // namespace
}  // namespace dbos::sidecar
