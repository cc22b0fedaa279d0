// A database that cannot be written: full or read-only, SQLite or PostgreSQL. Nothing is acknowledged meanwhile,
// nothing acknowledged before is lost, what can be answered is answered, and work goes on by itself when the fault is
// gone.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <SQLiteCpp/SQLiteCpp.h>
#include <dbos/dbos.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dbos/v1/admin.grpc.pb.h"

#include "sidecar/base/check.h"
#include "tests/conformance/session_door.h"
#include "tests/e2e/faulty_disk.h"
#include "tests/e2e/world.h"

namespace dbos::sidecar {
namespace {

void Touch(const World& world, const char* file) {
  std::ofstream(world.directory() + "/" + file).flush();
}

void Remove(const World& world, const char* file) {
  std::filesystem::remove(world.directory() + "/" + file);
}

void Psql(const World& world, const std::string& sql) {
  const std::string command = "PGOPTIONS='-c default_transaction_read_only=off' psql -qX '" + world.database_url() +
                              "' -c \"" + sql + "\" >/dev/null";
  DBOS_CHECK(std::system(command.c_str()) == 0);
}

// The server says what a full disk says, in the middle of a batch.
void FillPostgres(const World& world) {
  Psql(world,
       "CREATE OR REPLACE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION "
       "''could not extend file: No space left on device'' USING ERRCODE = ''53100''; END'");
  Psql(world, "CREATE TRIGGER full_disk BEFORE INSERT ON dbos.operation_outputs EXECUTE FUNCTION full_disk()");
  Psql(world, "CREATE TRIGGER full_disk BEFORE INSERT ON dbos.workflow_status EXECUTE FUNCTION full_disk()");
}

void EmptyPostgres(const World& world) {
  Psql(world, "DROP FUNCTION full_disk() CASCADE");
}

// As when a primary becomes a standby: existing connections break, new ones are read-only.
void SetReadOnly(const World& world, const char* value) {
  Psql(world, "DO 'BEGIN EXECUTE format(''ALTER DATABASE %I SET default_transaction_read_only = " + std::string(value) +
                  "'', current_database()); END'");
}

void MakePostgresReadOnly(const World& world) {
  SetReadOnly(world, "on");
  Psql(world,
       "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
       "pg_backend_pid()");
}

// A process that is none of ours, as far as locks go, and its transaction.
std::unique_ptr<SQLite::Database> intruder;

void LockSqlite(const World& world) {
  intruder = std::make_unique<SQLite::Database>(world.directory() + "/system.sqlite", SQLite::OPEN_READWRITE, 5000);
  intruder->exec("BEGIN EXCLUSIVE");
}

struct Outage {
  const char* name;
  DatabaseKind database;
  void (*begin)(const World&);
  void (*end)(const World&);
  const char* fix;  // what the log and the callers are told
};

void PrintTo(const Outage& outage, std::ostream* out) {
  *out << outage.name;
}

const Outage kOutages[] = {
    {"SqliteFull", DatabaseKind::kSqlite, [](const World& world) { Touch(world, kDiskFull); },
     [](const World& world) { Remove(world, kDiskFull); }, "free space on its disk"},
    {"SqliteReadOnly", DatabaseKind::kSqlite, [](const World& world) { Touch(world, kDiskReadOnly); },
     [](const World& world) { Remove(world, kDiskReadOnly); }, "writable for this user"},
    {"SqliteLocked", DatabaseKind::kSqlite, LockSqlite, [](const World& /*world*/) { intruder.reset(); },
     "another process keeps it locked"},
    {"PostgresFull", DatabaseKind::kPostgres, FillPostgres, EmptyPostgres, "free space on the server's disk"},
    {"PostgresReadOnly", DatabaseKind::kPostgres, MakePostgresReadOnly,
     [](const World& world) { SetReadOnly(world, "off"); }, "switch default_transaction_read_only off"},
};

std::vector<Outage> Outages() {
  std::vector<Outage> possible;
  for (const Outage& outage : kOutages) {
    for (const DatabaseKind kind : TestDatabaseKinds()) {
      if (kind == outage.database) possible.push_back(outage);
    }
  }
  return possible;
}

class OutageTest : public ::testing::TestWithParam<Outage> {
 protected:
  OutageTest() {
    world.StartSidecar("", {"--name", "conformance"});
    channel = grpc::CreateChannel(world.address(), grpc::InsecureChannelCredentials());
    EXPECT_TRUE(channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(20))) << world.Logs();
  }

  v1::Execution Begin(Door& door, const std::string& id) const {
    v1::StartWorkflowResponse response;
    EXPECT_TRUE(door.Start(StartOf(id), &response).ok());
    auto execution = door.Next();
    EXPECT_TRUE(execution.has_value()) << world.Logs();
    return execution.value_or(v1::Execution());
  }

  bool IsAvailable() const {
    grpc::ClientContext call;
    v1::GetInfoResponse response;
    EXPECT_TRUE(v1::AdminService::NewStub(channel)->GetInfo(&call, {}, &response).ok());
    return response.database_available();
  }

  // -1 when it is not answered; a broken connection to the database takes one attempt to be replaced.
  int StepsOf(const std::string& id) const {
    v1::ListStepsRequest request;
    request.set_workflow_id(id);
    request.set_after_step_id(-1);
    v1::ListStepsResponse response;
    const auto stub = v1::WorkflowService::NewStub(channel);
    for (int tries = 0; tries < 5; ++tries) {
      grpc::ClientContext call;
      if (stub->ListSteps(&call, request, &response).ok()) return response.steps_size();
    }
    return -1;
  }

  World world{GetParam().database};
  std::shared_ptr<grpc::Channel> channel;
};

TEST_P(OutageTest, NothingAcknowledgedIsLostAndWorkGoesOnByItself) {
  auto session_door = OpenDoor(DoorKind::kSession, channel);
  auto& session = dynamic_cast<SessionDoor&>(*session_door);
  auto unary = OpenDoor(DoorKind::kUnary, channel);
  ASSERT_TRUE(session.Attach({}).ok());
  ASSERT_TRUE(unary->Attach({.workflows = {}}).ok());
  const v1::Execution one = Begin(session, "one");
  const v1::Execution two = Begin(session, "two");
  ASSERT_TRUE(session.Record(one.execution(), Step(0, "charge", "1")).ok());
  ASSERT_TRUE(unary->Record(two.execution(), Step(0, "charge", "1")).ok());

  GetParam().begin(world);
  v1::ClientFrame frame;
  const std::uint64_t waiting = session.NextSeq();
  frame.mutable_record_step()->set_seq(waiting);
  *frame.mutable_record_step()->mutable_execution() = one.execution();
  *frame.mutable_record_step()->mutable_step() = Step(1, "ship", "2");
  session.Send(frame);
  ASSERT_TRUE(Eventually(absl::Seconds(10), [&] { return !IsAvailable(); })) << world.Logs();
  // It stays so, although reads succeed: the session's record waits, the unary door refuses at once and says why.
  v1::StartWorkflowResponse response;
  Answer refused;
  for (const absl::Duration end = SinceBoot() + absl::Milliseconds(2200); SinceBoot() < end;) {
    ASSERT_FALSE(IsAvailable()) << world.Logs();
    refused = unary->Record(two.execution(), Step(1, "ship", "2"));
    ASSERT_EQ(refused.reason, "REASON_DATABASE_UNAVAILABLE") << refused.message;
    ASSERT_EQ(unary->Start(StartOf("three"), &response).reason, "REASON_DATABASE_UNAVAILABLE");
    ASSERT_EQ(StepsOf("one"), 1);
    ASSERT_EQ(StepsOf("two"), 1);
    Pause(absl::Milliseconds(100));
  }
  EXPECT_NE(refused.message.find(GetParam().fix), std::string::npos) << refused.message;
  EXPECT_FALSE(session.IsAnswered(waiting));
  EXPECT_TRUE(Eventually(absl::Seconds(3), [&] { return world.Logs().find("work waits") != std::string::npos; }));
  EXPECT_NE(world.Logs().find(GetParam().fix), std::string::npos) << world.Logs();

  GetParam().end(world);
  EXPECT_TRUE(session.AnswerTo(waiting).ok()) << world.Logs();
  EXPECT_TRUE(unary->Record(two.execution(), Step(1, "ship", "2")).ok());
  EXPECT_TRUE(session.Complete(one.execution(), Value("1")).ok());
  EXPECT_TRUE(unary->Complete(two.execution(), Value("1")).ok());
  EXPECT_TRUE(unary->Start(StartOf("three"), &response).ok());
  EXPECT_EQ(StepsOf("one"), 2);
  EXPECT_EQ(StepsOf("two"), 2);
  EXPECT_TRUE(Eventually(absl::Seconds(3), [&] {
    return world.Logs().find("the database is back") != std::string::npos;
  })) << world.Logs();
}

INSTANTIATE_TEST_SUITE_P(Outages, OutageTest, ::testing::ValuesIn(Outages()),
                         [](const auto& test) { return std::string(test.param.name); });

// ---------------------------------------------------------------- at start
void ExpectRefusedStart(World& world, const std::string& fix) {
  world.StartSidecar("", {"--database-wait", "1"});
  EXPECT_EQ(world.sidecar().Wait(absl::Seconds(15)), 3) << world.Logs();
  EXPECT_NE(world.Logs().find(fix), std::string::npos) << world.Logs();
}

void StopSidecar(World& world) {
  ASSERT_TRUE(Eventually(absl::Seconds(15), [&] { return world.Logs().find("sidecar is ready") != std::string::npos; }))
      << world.Logs();
  world.sidecar().Terminate();
  ASSERT_EQ(world.sidecar().Wait(absl::Seconds(15)), 0) << world.Logs();
  std::ofstream(world.directory() + "/sidecar.log") << "(stopped)\n";
}

// Root may write anything: the sidecar runs as a user who may not. Its directories are its own.
void ExpectRefusedStartOfNobody(World& world, const std::string& fix) {
  constexpr uid_t kNobody = 65534;
  const std::string own = world.directory() + "/nobody";
  std::filesystem::create_directory(own);
  std::string run = "exec 3<" DBOS_FAULTY_SIDECAR "; exec ";
  if (geteuid() == 0) {
    DBOS_CHECK(chown(own.c_str(), kNobody, kNobody) == 0);
    run += "setpriv --reuid=65534 --regid=65534 --clear-groups ";
  }
  run += "/proc/self/fd/3 serve --name crash-test --address unix:" + own + "/s --database " + world.database_url() +
         " --state-dir " + own + "/state --database-wait 1";
  Process nobody({"/bin/sh", "-c", run}, {{}, world.directory() + "/app.log", world.directory()});
  EXPECT_EQ(nobody.Wait(absl::Seconds(15)), 3) << world.Logs();
  EXPECT_NE(world.Logs().find(fix), std::string::npos) << world.Logs();
}

TEST(StartTest, ASqliteFileThatCannotBeWrittenEndsTheStartWithTheFix) {
  World world(DatabaseKind::kSqlite);
  world.StartSidecar();
  StopSidecar(world);
  const std::string file = world.directory() + "/system.sqlite";
  chmod(file.c_str(), 0444);
  chmod((file + ".lock").c_str(), 0444);
  chmod(world.directory().c_str(), 0755);
  ExpectRefusedStartOfNobody(world, "this user must be able to write its directory");
  std::filesystem::remove(file + ".lock");
  chmod(world.directory().c_str(), 0777);
  ExpectRefusedStartOfNobody(world, "make the file and its directory writable for this user");
  chmod(file.c_str(), 0644);
  chmod(world.directory().c_str(), 0755);
  std::filesystem::remove(file + ".lock");
  world.StartSidecar();
  StopSidecar(world);
}

TEST(StartTest, AFullDiskEndsTheFirstStartWithTheFix) {
  World world(DatabaseKind::kSqlite);
  Touch(world, kDiskFull);
  ExpectRefusedStart(world, "free space on its disk");
}

TEST(StartTest, AnEmptyReadOnlyPostgresEndsTheStartWithTheFix) {
  ASSERT_NE(std::getenv("DBOS_TEST_POSTGRES_URL"), nullptr) << "run by tests/run";
  World world(DatabaseKind::kPostgres);
  SetReadOnly(world, "on");
  ExpectRefusedStart(world, "switch default_transaction_read_only off");
}

TEST(StartTest, AMigratedReadOnlyPostgresIsWaitedFor) {
  ASSERT_NE(std::getenv("DBOS_TEST_POSTGRES_URL"), nullptr) << "run by tests/run";
  World world(DatabaseKind::kPostgres);
  world.StartSidecar();
  StopSidecar(world);
  SetReadOnly(world, "on");
  world.StartSidecar();
  world.StartApp();
  ASSERT_TRUE(Eventually(absl::Seconds(15), [&] { return world.Logs().find("work waits") != std::string::npos; }))
      << world.Logs();
  SetReadOnly(world, "off");
  dbos::Client client({.sidecar_address = world.address()});
  EXPECT_EQ(
      client.start<std::vector<std::string>>("ledger", {.workflow_id = "w"}, 2).result(std::chrono::seconds(20)).size(),
      6U)
      << world.Logs();
}

// ---------------------------------------------------------------- a limit of the kernel, and an application
// The files may not grow beyond `bytes`: whatever SQLite is writing is cut in the middle.
void LimitFiles(World& world, rlim_t bytes) {
  const rlimit limit{bytes, RLIM_INFINITY};
  DBOS_CHECK(prlimit(world.sidecar().pid(), RLIMIT_FSIZE, &limit, nullptr) == 0);
}

TEST(FileLimitTest, WorkflowsOfAnApplicationWaitAndRunEachBodyOnce) {
  DBOS_CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);  // children inherit it: the write fails instead
  World world(DatabaseKind::kSqlite);
  world.StartSidecar();
  world.StartApp();
  dbos::Client client({.sidecar_address = world.address(), .request_timeout = std::chrono::seconds(30)});
  using Seen = std::vector<std::string>;
  EXPECT_EQ(client.start<Seen>("ledger", {.workflow_id = "before"}, 2).result(std::chrono::seconds(20)).size(), 6U);
  LimitFiles(world, 256 << 10);
  constexpr int kWorkflows = 16;
  std::vector<std::thread> callers;
  std::vector<Seen> seen(kWorkflows);
  for (int i = 0; i < kWorkflows; ++i) {
    callers.emplace_back([&, i] {
      auto handle = client.start<Seen>("ledger", {.workflow_id = "w" + std::to_string(i)}, 4);
      seen[static_cast<std::size_t>(i)] = handle.result(std::chrono::seconds(60));
    });
  }
  EXPECT_TRUE(Eventually(absl::Seconds(20), [&] { return world.Logs().find("work waits") != std::string::npos; }))
      << world.Logs();
  EXPECT_EQ(client.steps("before").size(), 7U) << "reads are answered";
  LimitFiles(world, RLIM_INFINITY);
  for (std::thread& caller : callers) caller.join();
  for (int i = 0; i < kWorkflows; ++i) {
    EXPECT_EQ(seen[static_cast<std::size_t>(i)].size(), 8U);
    std::vector<std::string> recorded;
    for (const dbos::StepInfo& step : client.steps("w" + std::to_string(i))) {
      if (step.output) recorded.push_back(*step.output);
    }
    for (const std::string& nonce : seen[static_cast<std::size_t>(i)]) {
      if (nonce == seen[static_cast<std::size_t>(i)][6]) continue;  // the child's
      EXPECT_NE(std::find(recorded.begin(), recorded.end(), "\"" + nonce + "\""), recorded.end()) << nonce;
    }
  }
  for (const auto& [key, runs] : world.Ledger()) EXPECT_EQ(runs.size(), 1U) << key << "\n" << world.Logs();
}

}  // namespace
}  // namespace dbos::sidecar
