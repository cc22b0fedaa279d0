// A password that is changed while the sidecar runs, as rotated credentials and IAM tokens are: each new connection
// asks for it again, so that work goes on.
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/e2e/ledger_checks.h"
#include "tests/e2e/postgres_server.h"
#include "tests/e2e/world.h"

namespace dbos::sidecar {
namespace {

class PasswordTest : public ::testing::TestWithParam<const char*> {
 protected:
  PasswordTest() {
    server_.WriteFile("pg_hba.conf", "local all all trust\nhost all rotated all scram-sha-256\n");
    server_.Start();
    server_.Query("CREATE ROLE rotated SUPERUSER LOGIN");
    world_ = std::make_unique<World>(server_.Url());
  }

  std::string File() const { return world_->directory() + "/password"; }
  void ChangeTo(const std::string& password) {
    server_.Query("ALTER ROLE rotated PASSWORD '" + password + "'");
    std::ofstream(File()) << password << "\n";
    server_.Query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rotated'");
  }
  std::string Url() const {
    const std::string url = world_->database_url();
    const std::string database = url.substr(url.find("e2e_"), url.find('?') - url.find("e2e_"));
    return "postgresql://rotated@127.0.0.1:" + std::to_string(server_.port()) + "/" + database;
  }

  PostgresServer server_;
  std::unique_ptr<World> world_;
};

TEST_P(PasswordTest, WorkGoesOnWithEachPasswordInTurn) {
  const bool is_file = GetParam() == std::string("file");
  ChangeTo("sesame1");
  world_->StartSidecar("", {"--database", Url(), is_file ? "--password-file" : "--password-command",
                            is_file ? File() : "cat " + File()});
  world_->StartApp();
  constexpr int kCallers = 5;
  for (const int round : {0, 1, 2}) {
    if (round > 0) ChangeTo("sesame" + std::to_string(round + 1));
    Callers callers(*world_, kCallers, round * kCallers);
    callers.Finish();
    callers.CheckRecords();
  }
  ExpectEachBodyRanOnce(*world_);
  EXPECT_EQ(world_->Logs().find("sesame"), std::string::npos) << "a password in the log";
}

INSTANTIATE_TEST_SUITE_P(Sources, PasswordTest, ::testing::Values("file", "command"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace dbos::sidecar
