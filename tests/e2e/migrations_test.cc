// The application brings its migrations itself: client and app, over the real door, on every database.
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <dbos/dbos.h>

#include "gmock/gmock.h"

#include "tests/e2e/world.h"

namespace dbos::sidecar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ClientMigrationsTest : public ::testing::TestWithParam<DatabaseKind> {
 protected:
  ClientMigrationsTest() {
    std::filesystem::create_directory(directory_);
    world_.StartSidecar("", {"--app-database", world_.database_url()});
  }

  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(std::filesystem::path(directory_) / name, std::ios::binary) << text;
  }
  // "name state", with a star for those of this call.
  static std::vector<std::string> States(const std::vector<dbos::MigrationInfo>& migrations) {
    std::vector<std::string> states;
    for (const dbos::MigrationInfo& migration : migrations) {
      states.push_back(migration.name + " " + std::string(dbos::ToString(migration.state)) +
                       (migration.applied_now ? "*" : ""));
    }
    return states;
  }

  World world_{GetParam()};
  const std::string directory_ = world_.directory() + "/db";
  dbos::Client client_{{.sidecar_address = world_.address()}};
};

template <class Thrown, class Call>
std::string Caught(Call call) {
  try {
    call();
  } catch (const Thrown& error) {
    return error.what();
  }
  return "nothing of the kind was thrown";
}

TEST_P(ClientMigrationsTest, RunsWhatIsPending) {
  Write("0001_a.sql", "CREATE TABLE a (x INTEGER);");
  Write("2_large.sql", "INSERT INTO a VALUES (1); -- " + std::string((4 << 20) - 64, 'x'));
  Write("3_large.sql", "INSERT INTO a VALUES (2); -- " + std::string((4 << 20) - 64, 'x'));
  EXPECT_THAT(States(client_.migration_status({directory_})),
              ElementsAre("0001_a.sql pending", "2_large.sql pending", "3_large.sql pending"));
  EXPECT_THAT(States(client_.run_migrations({directory_}, {.dry_run = true})),
              ElementsAre("0001_a.sql pending", "2_large.sql pending", "3_large.sql pending"));
  EXPECT_THAT(States(client_.run_migrations({directory_})),
              ElementsAre("0001_a.sql applied*", "2_large.sql applied*", "3_large.sql applied*"));
  std::filesystem::remove(directory_ + "/3_large.sql");
  dbos::App app({.name = "crash-test", .version = "v", .sidecar_address = world_.address()});
  const auto again = app.run_migrations({directory_});
  EXPECT_THAT(States(again), ElementsAre("0001_a.sql applied", "2_large.sql applied", "3_large.sql missing"));
  EXPECT_GT(again[0].applied_at_ms, 1'600'000'000'000);
}

TEST_P(ClientMigrationsTest, ErrorsAreTheSameAsOnTheCommandLine) {
  using dbos::InvalidArgument;
  using dbos::MigrationFailed;
  const auto run = [this] { client_.run_migrations({directory_}); };
  EXPECT_THAT(
      Caught<InvalidArgument>([this] { client_.run_migrations({directory_ + "/missing"}); }),
      HasSubstr("cannot read the directory of migrations " + directory_ + "/missing (No such file or directory)"));
  Write("a.sql", "");
  EXPECT_THAT(Caught<InvalidArgument>(run),
              HasSubstr(directory_ + "/a.sql: a migration is called NUMBER_description.sql"));
  std::filesystem::remove(directory_ + "/a.sql");
  Write("1_a.sql", std::string((4 << 20) + 1, ' '));
  EXPECT_THAT(Caught<InvalidArgument>(run), HasSubstr("/1_a.sql: has more than 4194304 bytes"));
  Write("1_a.sql", "\nCOMMIT;");
  EXPECT_THAT(Caught<InvalidArgument>(run), HasSubstr("/1_a.sql: line 2: COMMIT"));
  Write("1_a.sql", "CREATE TABLE a (x INTEGER);\n\nSELECT nowhere;");
  EXPECT_THAT(Caught<MigrationFailed>(run), HasSubstr(directory_ + "/1_a.sql: line 3: "));
  Write("1_a.sql", "CREATE TABLE a (x INTEGER);");
  run();
  Write("1_a.sql", "");
  EXPECT_THAT(Caught<MigrationFailed>(run), HasSubstr("/1_a.sql was applied with the SHA-256"));
  EXPECT_THAT(States(client_.run_migrations({directory_}, {.mark_applied = {"1_a.sql"}})),
              ElementsAre("1_a.sql applied"));
}

TEST_P(ClientMigrationsTest, ManyAppsAtOnceRunEachFileOnce) {
  Write("1_a.sql", "CREATE TABLE a (x INTEGER);");
  for (int n = 2; n < 10; ++n) Write(std::to_string(n) + "_a.sql", "INSERT INTO a VALUES (1);");
  std::vector<std::size_t> now(4);
  std::vector<std::thread> apps;
  for (std::size_t& count : now) {
    apps.emplace_back([&count, this] {
      for (const auto& migration : client_.run_migrations({directory_})) count += migration.applied_now ? 1 : 0;
    });
  }
  for (std::thread& app : apps) app.join();
  EXPECT_EQ(now[0] + now[1] + now[2] + now[3], 9U);
}

INSTANTIATE_TEST_SUITE_P(AllDatabases, ClientMigrationsTest, ::testing::ValuesIn(TestDatabaseKinds()),
                         [](const auto& parameter) { return ToString(parameter.param); });

TEST(MigrationsWithoutTest, AnApplicationDatabaseTheErrorNamesTheKey) {
  World world(DatabaseKind::kSqlite);
  world.StartSidecar();
  std::filesystem::create_directory(world.directory() + "/db");
  dbos::Client client({.sidecar_address = world.address()});
  EXPECT_THAT(Caught<dbos::MigrationFailed>([&] { client.run_migrations({world.directory() + "/db"}); }),
              HasSubstr("there is no application database: set application_database_url"));
}

TEST(MigrationsWithoutTest, ASidecarTheWaitEndsInTime) {
  World world(DatabaseKind::kSqlite);
  dbos::Client client({.sidecar_address = world.address()});
  EXPECT_THAT(Caught<dbos::SidecarUnavailable>(
                  [&] { client.run_migrations({world.directory()}, {.timeout = std::chrono::milliseconds(100)}); }),
              HasSubstr("did not answer within 100 ms"));
}

}  // namespace
}  // namespace dbos::sidecar
