// Every form of a database URL, and what is wrong with the others.
#include "sidecar/db/database_url.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "sidecar/base/status.h"
#include "sidecar/db/open.h"

namespace dbos::sidecar {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(DatabaseUrlTest, TakesEveryFormOfTheDocumentation) {
  const std::pair<const char*, const char*> forms[] = {
      {"postgresql://me:secret@host:5432/shop", "shop"},
      {"postgres://host/shop", "shop"},
      {"postgresql://localhost/shop", "shop"},
      {"postgresql:///shop", "shop"},
      {"postgresql+psycopg://host/shop", "shop"},
      {"postgresql+psycopg2://host/shop", "shop"},
      {"cockroachdb://root@host:26257/shop?sslmode=disable", "shop"},
      {"postgresql://me:p%40ss%2Fword%3A%25@host/shop", "shop"},
      {"postgresql://[::1]:5433/shop", "shop"},
      {"postgresql://h1:5432,h2:5433/shop?target_session_attrs=read-write", "shop"},
      {"postgresql://h1,h2,h3/shop?connect_timeout=3", "shop"},
      {"postgresql://%2Fvar%2Frun%2Fpostgresql/shop", "shop"},
      {"postgresql://me@/shop?host=/var/run/postgresql&port=5433", "shop"},
      {"postgresql://h/caf%C3%A9%20%26%20co", "café & co"},
      {"postgresql://h/?dbname=shop", "shop"},
      {"postgresql://h/shop?ssl=true", "shop"},
      {"postgresql://h/shop?sslmode=verify-full&sslrootcert=ca.crt&sslcert=c.crt&sslkey=c.key", "shop"},
      {"postgresql://h/shop?options=-c%20statement_timeout%3D30000&keepalives_idle=30&tcp_user_timeout=9", "shop"},
  };
  for (const auto& [url, name] : forms) {
    const auto parsed = ParseDatabaseUrl(url);
    ASSERT_TRUE(parsed.ok()) << url << ": " << parsed.status();
    EXPECT_EQ(parsed->type, DatabaseType::kPostgres) << url;
    EXPECT_EQ(parsed->name, name) << url;
  }
  const std::pair<const char*, const char*> files[] = {{"sqlite:///shop.sqlite", "shop.sqlite"},
                                                       {"sqlite:///dir/shop.sqlite", "dir/shop.sqlite"},
                                                       {"sqlite:////var/lib/shop.sqlite", "/var/lib/shop.sqlite"},
                                                       {"sqlite:///:memory:", ""},
                                                       {"sqlite://", ""}};
  for (const auto& [url, path] : files) {
    const auto parsed = ParseDatabaseUrl(url);
    ASSERT_TRUE(parsed.ok()) << url << ": " << parsed.status();
    EXPECT_EQ(parsed->type, DatabaseType::kSqlite) << url;
    EXPECT_EQ(parsed->name, path) << url;
  }
}

TEST(DatabaseUrlTest, SaysWhatIsWrongAndNeverThePassword) {
  const std::pair<const char*, const char*> faults[] = {
      {"", "must begin with postgresql://"},
      {"shop", "must begin with postgresql://"},
      {"mysql://me:sesame@h/d", "must begin with postgresql://"},
      {"postgresqlx://h/d", "must begin with postgresql://"},
      {"postgresql://me:sesame@h", "Database name must be specified in the connection URL: write it after the host"},
      {"postgresql://me:sesame@h/", "Database name must be specified in the connection URL"},
      {"postgresql://me:sesame@h:port/d", "a port that is no number from 1 to 65535"},
      {"postgresql://me:sesame@h:0/d", "a port that is no number from 1 to 65535"},
      {"postgresql://me:sesame@h:65536/d", "a port that is no number from 1 to 65535"},
      {"postgresql://me:ses@me@h/d", "an \"@\" too many: within user and password \"@\" is written %40"},
      {"postgresql://me:ses/me@h/d", "a port that is no number"},
      {"postgresql://me:ses%me@h/d", "a \"%\" without two hexadecimal digits"},
      {"postgresql://me:sesame@[::1/d", "is malformed"},
      {"postgresql://me:sesame@h/d?sslmod=require", "unknown parameter \"sslmod\"; did you mean \"sslmode\"?"},
      {"postgresql://me:sesame@h/d?sslmode=maybe", "invalid sslmode value: \"maybe\""},
      {"postgresql://me:sesame@h/d?target_session_attrs=leader", "invalid target_session_attrs value: \"leader\""},
      {"postgresql://me:sesame@h/d?connect_timeout=soon", "connect_timeout must be a whole number, not \"soon\""},
      {"postgresql://me:sesame@h1,h2/d?port=1,2,3", "could not match 3 port numbers to 2 hosts"},
      {"sqlite:/shop.sqlite", "sqlite:///relative/path.sqlite"},
      {"sqlite:///", "sqlite:///relative/path.sqlite"},
      {"sqlite:///:other:", "sqlite:///relative/path.sqlite"},
      {"sqlite:///shop.sqlite?mode=ro", "sqlite:///relative/path.sqlite"},
  };
  for (const auto& [url, fault] : faults) {
    const auto parsed = ParseDatabaseUrl(url);
    ASSERT_TRUE(absl::IsInvalidArgument(parsed.status())) << url << ": " << parsed.status();
    EXPECT_THAT(Message(parsed.status()), HasSubstr(fault)) << url;
    EXPECT_THAT(Message(parsed.status()), Not(HasSubstr("sesame"))) << url;
    EXPECT_THAT(Message(parsed.status()), Not(HasSubstr("ses@me"))) << url;
  }
}

TEST(DatabaseUrlTest, ConnectArgsAreCheckedToo) {
  ConnectionOptions options;
  options.connect_args = {{"sslmode", "maybe"}};
  EXPECT_THAT(Message(ParseDatabaseUrl("postgresql://h/d", options).status()), HasSubstr("invalid sslmode value"));
}

TEST(DatabaseUrlTest, ShowsNoSecrets) {
  const std::pair<const char*, const char*> masked[] = {
      {"postgresql://me:sesame@h:5432/d?sslmode=require", "postgresql://me:***@h:5432/d?sslmode=require"},
      {"postgresql://me@h/d?password=sesame&port=1", "postgresql://me@h/d?password=***&port=1"},
      {"postgresql://h/d?port=1&sslpassword=sesame", "postgresql://h/d?port=1&sslpassword=***"},
      {"postgresql://me:ses@me/x@h/d", "postgresql://me:***@h/d"},
      {"sqlite:///shop.sqlite", "sqlite:///shop.sqlite"},
      {"sesame", "***"}};
  for (const auto& [url, shown] : masked) EXPECT_EQ(MaskPasswords(url), shown);
  EXPECT_EQ(DescribeDatabase("postgresql://user:pass@host:5432/db?password=x"), "postgresql://host:5432/db");
  EXPECT_EQ(DescribeDatabase("postgresql://user:p@ss@host/db"), "postgresql://host/db");
  EXPECT_EQ(DescribeDatabase("postgresql:///db?host=/tmp&password=x"), "postgresql:///db");
  EXPECT_EQ(DescribeDatabase("sqlite:///shop.sqlite"), "sqlite:///shop.sqlite");
  EXPECT_EQ(DescribeDatabase("password"), "(not a URL)");
}

TEST(DatabaseUrlTest, AnotherDatabaseOnTheSameServer) {
  const auto named = [](const std::string& url, const std::string& name) {
    const std::string other = WithDatabaseName(url, name);
    const auto parsed = ParseDatabaseUrl(other);
    EXPECT_TRUE(parsed.ok()) << other << ": " << parsed.status();
    EXPECT_EQ(parsed->name, name) << other;
    return other;
  };
  EXPECT_EQ(named("postgresql://me:p@h:1/d?sslmode=require", "d_dbos"), "postgresql://me:p@h:1/d_dbos?sslmode=require");
  EXPECT_EQ(named("postgresql://h/?dbname=d&port=1", "x y/?&"), "postgresql://h/x%20y%2f%3f%26?port=1");
  EXPECT_EQ(named("postgresql://h/a/b", "c"), "postgresql://h/c");
}

}  // namespace
}  // namespace dbos::sidecar
