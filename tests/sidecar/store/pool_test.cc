// Callers share a pool; what executions wait for does not.
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "sidecar/base/status.h"
#include "sidecar/store/open_storage.h"
#include "tests/testing/test_database.h"

namespace dbos::sidecar {
namespace {

using testing::HasSubstr;

TEST(PoolTest, ExhaustionIsToldToCallersAndDoesNotReachTheEnginesReads) {
  const auto database = TestDatabase::CreateMigrated(DatabaseKind::kPostgres);
  StorageOptions options = {database->url(), "dbos", "executor", "shop"};
  options.pool.size = 1;
  options.pool.timeout = absl::Milliseconds(50);
  const auto storage = OpenStorage(options);
  ASSERT_TRUE(storage.ok()) << storage.status();

  // Whoever holds the only connection waits for this lock.
  database->Run("BEGIN; LOCK TABLE " + database->Table("operation_outputs") + " IN ACCESS EXCLUSIVE MODE");
  std::thread slow(
      [&] { EXPECT_TRUE((*storage)(StorageRole::kPooled)->ListSteps({.workflow_id = "w", .max_bytes = 1}).ok()); });
  while (storage->pool->usage().in_use == 0) std::this_thread::yield();

  const auto list = (*storage)(StorageRole::kPooled)->ListWorkflows({});
  EXPECT_TRUE(absl::IsResourceExhausted(list.status())) << list.status();
  EXPECT_THAT(Message(list.status()), HasSubstr("QueuePool limit of size 1 overflow 0 reached"));
  EXPECT_THAT(Message(list.status()), HasSubstr("in use by list_steps"));
  EXPECT_TRUE((*storage)(StorageRole::kReader)->FindClaimable({}).ok());
  Batch batch;
  EXPECT_TRUE((*storage)(StorageRole::kWriter)->Commit(batch).ok());

  database->Run("COMMIT");
  slow.join();
  EXPECT_TRUE((*storage)(StorageRole::kPooled)->ListWorkflows({}).ok());
}

}  // namespace
}  // namespace dbos::sidecar
