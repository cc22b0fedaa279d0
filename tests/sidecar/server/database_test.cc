#include "sidecar/server/database.h"

#include <gtest/gtest.h>

#include "sidecar/base/status.h"
#include "tests/sidecar/server/temporary_directory.h"

namespace dbos::sidecar {
namespace {

TEST(LockDatabaseTest, ASqliteFileHasOneWritingProcess) {
  const TemporaryDirectory directory;
  Config config;
  config.name = "shop";
  config.system_database_url = "sqlite:///" + directory / "shop.sqlite";
  auto first = LockDatabase(config);
  ASSERT_TRUE(first.ok());
  const auto second = LockDatabase(config);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_NE(Message(second.status()).find("in use by the process"), std::string::npos);
  first->reset();
  EXPECT_TRUE(LockDatabase(config).ok());
}

TEST(AwaitDatabaseTest, GivesUpNamingThePlaceAndTheFix) {
  const TemporaryDirectory directory;
  Config config;
  config.name = "shop";
  config.system_database_url = "postgresql://shop:secret@/shop?host=" + directory.path();
  config.database_wait = absl::Milliseconds(300);
  Signals signals;
  const auto version = AwaitDatabase(config, signals);
  signals.Release();
  ASSERT_TRUE(absl::IsUnavailable(version.status())) << version.status();
  const std::string message = Message(version.status());
  EXPECT_NE(message.find("postgresql:///shop"), std::string::npos) << message;
  EXPECT_NE(message.find("--database-wait"), std::string::npos) << message;
  EXPECT_EQ(message.find("secret"), std::string::npos) << message;
}

}  // namespace
}  // namespace dbos::sidecar
