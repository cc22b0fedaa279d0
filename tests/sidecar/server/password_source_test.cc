// Passwords that change while the sidecar runs.
#include "sidecar/server/password_source.h"

#include <fstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "absl/time/clock.h"

#include "sidecar/base/status.h"
#include "tests/sidecar/server/temporary_directory.h"

namespace dbos::sidecar {
namespace {

absl::StatusOr<std::string> Printed(const std::string& command) {
  Config config;
  config.password_command = command;
  return PasswordSourceOf(config)();
}

std::string FaultOf(const std::string& command) {
  const auto password = Printed(command);
  EXPECT_TRUE(absl::IsUnavailable(password.status())) << password.status();
  return Message(password.status());
}

TEST(PasswordSourceTest, ThereIsNoneUnlessItIsConfigured) {
  EXPECT_FALSE(PasswordSourceOf(Config()));
}

TEST(PasswordSourceTest, TheFileIsReadEachTime) {
  const TemporaryDirectory directory;
  Config config;
  config.password_file = directory / "password";
  const PasswordSource source = PasswordSourceOf(config);
  EXPECT_TRUE(absl::IsUnavailable(source().status())) << source().status();
  directory.Write("password", "first\n");
  EXPECT_EQ(*source(), "first");
  directory.Write("password", " second ");
  EXPECT_EQ(*source(), " second ");
  directory.Write("password", "\n");
  EXPECT_NE(Message(source().status()).find("is empty"), std::string::npos);
}

TEST(PasswordSourceTest, TheCommandIsRunEachTime) {
  const TemporaryDirectory directory;
  const std::string counter = "echo x >>" + (directory / "calls") + "; grep -c x " + (directory / "calls");
  EXPECT_EQ(*Printed(counter), "1");
  EXPECT_EQ(*Printed(counter), "2");
}

TEST(PasswordSourceTest, ACommandThatFailsIsAnOutageThatSaysWhy) {
  EXPECT_NE(FaultOf("exit 3").find("exit code 3"), std::string::npos);
  EXPECT_NE(FaultOf("kill -9 $$").find("killed"), std::string::npos);
  EXPECT_NE(FaultOf("true").find("printed nothing"), std::string::npos);
  EXPECT_NE(FaultOf("yes").find("more than 64 KiB"), std::string::npos);
}

// "Z" for one that has ended and waits for its parent, empty for none.
std::string StateOf(const std::string& pid) {
  std::ifstream stat("/proc/" + pid + "/stat");
  std::string number;
  std::string name;
  std::string state;
  stat >> number >> name >> state;
  return state;
}

TEST(PasswordSourceTest, ACommandThatHangsIsEndedWithWhatItStarted) {
  const TemporaryDirectory directory;
  Config config;
  config.password_command = "sleep 60 & echo $! >" + (directory / "pid") + "; wait";
  const absl::Time begin = absl::Now();
  const auto password = PasswordSourceOf(config, absl::Milliseconds(300))();
  EXPECT_NE(Message(password.status()).find("did not end within"), std::string::npos) << password.status();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(20));
  std::string pid = directory.Read("pid");
  pid.pop_back();
  while (!StateOf(pid).empty() && StateOf(pid) != "Z") std::this_thread::yield();  // hangs if it was not killed
}

}  // namespace
}  // namespace dbos::sidecar
