#include <algorithm>

#include "sidecar/store/rename_store.h"
#include "tests/sidecar/store/store_fixture.h"

namespace dbos::sidecar {
namespace {

using testing::Each;
using testing::ElementsAre;

class RenameTest : public StoreTest {
 protected:
  // Of "old", of "other" and of nobody: a queue, a schedule, a version, `kEnded` ended workflows and a pending one,
  // each with two steps.
  void SetUp() override {
    for (const std::string owner : {"'old'", "'other'", "NULL"}) {
      const std::string id = owner == "NULL" ? "'nobody" : owner.substr(0, owner.size() - 1);
      Insert("queues (queue_id, name, application_name)", id + "-q', " + id + "-q', " + owner);
      Insert("workflow_schedules (schedule_id, schedule_name, workflow_name, schedule, context, application_name)",
             id + "-s', " + id + "-s', 'w', '* * * * *', '{}', " + owner);
      Insert("application_versions (version_id, version_name, application_name)", id + "-v', " + id + "-v', " + owner);
      for (int n = 0; n <= kEnded; ++n) {
        const std::string workflow = id + "-" + std::to_string(n) + "'";
        Insert("workflow_status (workflow_uuid, status, application_name)",
               workflow + (n == kEnded ? ", 'PENDING', " : ", 'SUCCESS', ") + owner);
        for (const std::string step : {"0", "1"}) {
          Insert("operation_outputs (workflow_uuid, function_id, application_name)",
                 workflow + ", " + step + ", " + owner);
        }
      }
    }
  }
  void Insert(const std::string& table, const std::string& values) {
    database_->Run("INSERT INTO " + database_->Table(table) + " VALUES (" + values + ")");
  }
  // "workflows,steps" of this name, and how many of the three other tables have a row of it.
  std::string Owned(const std::string& name) {
    const std::string where =
        name.empty() ? " WHERE application_name IS NULL" : " WHERE application_name = '" + name + "'";
    std::string counts;
    for (const char* table :
         {"workflow_status", "operation_outputs", "queues", "workflow_schedules", "application_versions"}) {
      counts +=
          (counts.empty() ? "" : ",") + database_->Query("SELECT COUNT(*) FROM " + database_->Table(table) + where)[0];
    }
    return counts;
  }
  std::vector<std::int64_t> Rename(const Renaming& renaming) {
    const auto rows = RenameApplication(*database_->Open().connect(ConnectionRole::kMigration), renaming);
    EXPECT_TRUE(rows.ok()) << rows.status();
    if (!rows.ok()) return {};
    return {rows->workflows, rows->steps, rows->queues, rows->schedules, rows->versions};
  }

  // No transaction changed the steps of more workflows.
  void ExpectTransactionsOf(int batch, const std::string& name) {
    const auto sizes =
        database_->Query("SELECT COUNT(DISTINCT workflow_uuid) FROM dbos.operation_outputs WHERE application_name = '" +
                         name + "' GROUP BY CAST(xmin AS TEXT) ORDER BY 1 DESC");
    EXPECT_EQ(sizes[0], std::to_string(std::min(batch, 8)));
  }

  static constexpr int kEnded = 7;
};

TEST_P(RenameTest, OnlyTheRowsOfTheOldNameAreRenamed) {
  for (const int batch : {1, 3, 8, 10000}) {
    const std::string to = "new-" + std::to_string(batch);
    const std::string from = batch == 1 ? "old" : batch == 3 ? "new-1" : batch == 8 ? "new-3" : "new-8";
    EXPECT_THAT(Rename({from, to, false, batch}), ElementsAre(8, 16, 1, 1, 1)) << batch;
    EXPECT_EQ(Owned(to), "8,16,1,1,1");
    EXPECT_EQ(Owned(from), "0,0,0,0,0");
    if (GetParam() == DatabaseKind::kPostgres) ExpectTransactionsOf(batch, to);
  }
  EXPECT_EQ(Owned("other"), "8,16,1,1,1");
  EXPECT_EQ(Owned(""), "8,16,1,1,1");
}

TEST_P(RenameTest, RowsOfNobodyAreAdoptedWhenAsked) {
  EXPECT_THAT(Rename({std::nullopt, "new", true, 3}), ElementsAre(8, 16, 1, 1, 1));
  EXPECT_EQ(Owned(""), "0,0,0,0,0");
  EXPECT_EQ(Owned("old"), "8,16,1,1,1");
}

TEST_P(RenameTest, BothAtOnce) {
  EXPECT_THAT(Rename({"old", "new", true, 3}), ElementsAre(16, 32, 2, 2, 2));
  EXPECT_EQ(Owned("other"), "8,16,1,1,1");
}

TEST_P(RenameTest, AnInterruptedOneIsFinishedByAnother) {
  // As a process that was killed between two batches of steps leaves it.
  EXPECT_THAT(Rename({"old", "new", false, 3}), ElementsAre(8, 16, 1, 1, 1));
  database_->Run("UPDATE " + database_->Table("operation_outputs") +
                 " SET application_name = 'old' WHERE workflow_uuid IN ('old-6', 'old-7')");
  EXPECT_THAT(Rename({"old", "new", false, 3}), ElementsAre(0, 4, 0, 0, 0));
  EXPECT_EQ(Owned("new"), "8,16,1,1,1");
  EXPECT_THAT(Rename({"old", "new", false, 3}), Each(0));
}

INSTANTIATE_OVER_DATABASES(RenameTest);

}  // namespace
}  // namespace dbos::sidecar
