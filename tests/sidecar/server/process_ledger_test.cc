#include "sidecar/server/process_ledger.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "sidecar/server/state_directory.h"
#include "tests/sidecar/server/temporary_directory.h"

namespace dbos::sidecar {
namespace {

TEST(ProcessLedgerTest, TheNextSidecarFindsTheProcessesThatStillLive) {
  const TemporaryDirectory directory;
  const std::string file = directory / "processes";
  ProcessIdentity living = *IdentityOf(getpid());
  ProcessIdentity dead = living;
  ++dead.start_time_ticks;
  ProcessIdentity elsewhere = living;
  elsewhere.pid_namespace = "pid:[1]";
  {
    ProcessLedger ledger(file);
    EXPECT_TRUE(ledger.Survivors().empty());
    ledger.Attached(1, "living", living);
    ledger.Attached(2, "dead", dead);
    ledger.Attached(3, "elsewhere", elsewhere);
    ledger.Attached(4, "nameless", std::nullopt);
    ledger.Attached(5, "detached", living);
    ledger.Detached(5);
    ledger.Save();
  }
  EXPECT_EQ(ProcessLedger(file).Survivors(), (std::vector<std::string>{"elsewhere", "living"}));
}

TEST(ProcessLedgerTest, SavesOnlyChanges) {
  const TemporaryDirectory directory;
  ProcessLedger ledger(directory / "processes");
  ledger.Attached(1, "a", IdentityOf(getpid()));
  ledger.Save();
  directory.Write("processes", "untouched");
  ledger.Save();
  EXPECT_EQ(directory.Read("processes"), "untouched");
  ledger.Detached(1);
  ledger.Save();
  EXPECT_EQ(directory.Read("processes"), "");
}

TEST(ProcessLedgerTest, AnUnreadableLineIsIgnored) {
  const TemporaryDirectory directory;
  directory.Write("processes", "garbage\n\nx y z\n");
  EXPECT_TRUE(ProcessLedger(directory / "processes").Survivors().empty());
}

TEST(StateDirectoryTest, KeepsTheExecutorIdAndIsHeldByOne) {
  const TemporaryDirectory directory;
  std::string id;
  {
    const auto state = StateDirectory::Open(directory / "state");
    ASSERT_TRUE(state.ok());
    id = *state->ExecutorId();
    EXPECT_EQ(id.size(), 36U);
    EXPECT_EQ(StateDirectory::Open(directory / "state").status().code(), absl::StatusCode::kAlreadyExists);
  }
  EXPECT_EQ(*StateDirectory::Open(directory / "state")->ExecutorId(), id);
}

}  // namespace
}  // namespace dbos::sidecar
