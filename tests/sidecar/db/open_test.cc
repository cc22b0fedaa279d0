#include "sidecar/db/open.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dbos::sidecar {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string ErrorOf(const std::string& url) {
  const auto database = OpenDatabase(url, "dbos");
  return database.ok() ? "" : std::string(database.status().message());
}

TEST(OpenTest, SqliteUrlsNameFiles) {
  EXPECT_EQ(OpenDatabase("sqlite:///shop.sqlite", "dbos")->sqlite_path, "shop.sqlite");
  EXPECT_EQ(OpenDatabase("sqlite:////var/shop.sqlite", "dbos")->sqlite_path, "/var/shop.sqlite");
  EXPECT_THAT(ErrorOf("sqlite:///"), HasSubstr("sqlite:///relative"));
}

TEST(OpenTest, ServerUrlsChooseTheirDialect) {
  EXPECT_EQ(OpenDatabase("postgres://u@h/d", "s")->dialect.schema, "\"s\".");
  EXPECT_EQ(OpenDatabase("postgresql://u@h/d", "s")->dialect.concurrently, "CONCURRENTLY");
  EXPECT_EQ(OpenDatabase("cockroachdb://u@h/d", "s")->dialect.concurrently, "");
}

TEST(OpenTest, UnknownSchemeNamesTheKnownOnes) {
  EXPECT_THAT(ErrorOf("mysql://h/d"), HasSubstr("postgresql://"));
  EXPECT_THAT(ErrorOf(""), HasSubstr("sqlite:///"));
}

TEST(OpenTest, ErrorsNeverShowThePassword) {
  EXPECT_THAT(ErrorOf("postgresql://me:sesame@h:port:1/d?nonsense=1"), Not(HasSubstr("sesame")));
  EXPECT_NE(ErrorOf("postgresql://me:sesame@h/d?nonsense=1"), "");
  const auto database = OpenDatabase("postgresql://me:sesame@localhost:1/d", "dbos");
  const auto done = database->connect(ConnectionRole::kReader)->RunScript("SELECT 1");
  EXPECT_TRUE(absl::IsUnavailable(done.status())) << done.status();
  EXPECT_THAT(done.status().ToString(), Not(HasSubstr("sesame")));
}

TEST(OpenTest, FileInAMissingDirectoryIsUnavailableAndNamesTheFile) {
  const auto database = OpenDatabase("sqlite:////nonexistent/dir/shop.sqlite", "dbos");
  const auto done = database->connect(ConnectionRole::kWriter)->RunScript("SELECT 1");
  EXPECT_TRUE(absl::IsUnavailable(done.status())) << done.status();
  EXPECT_THAT(done.status().ToString(), HasSubstr("/nonexistent/dir/shop.sqlite"));
}

}  // namespace
}  // namespace dbos::sidecar
