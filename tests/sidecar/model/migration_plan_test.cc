#include "sidecar/model/migration_plan.h"

#include "gmock/gmock.h"

#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

MigrationFile File(const std::string& number, const std::string& checksum = "same") {
  return {.directory = "db", .name = number + "_a.sql", .number = number, .sql = {}, .checksum = checksum};
}

AppliedMigration Row(const std::string& number, MigrationState state = MigrationState::kApplied) {
  return {.number = number, .name = number + "_a.sql", .checksum = "same", .state = state};
}

std::vector<std::string> States(const std::vector<MigrationEntry>& entries) {
  std::vector<std::string> states;
  for (const MigrationEntry& entry : entries) states.push_back(entry.name + " " + ToString(entry.state));
  return states;
}

std::string Refusal(const std::vector<MigrationEntry>& entries, const MigrationChoices& choices = {}) {
  return Message(CheckMigrationPlan(entries, choices));
}

TEST(MigrationPlanTest, ComparesByNumber) {
  const auto entries = CompareMigrations({File("2"), File("3"), File("5"), File("10"), File("11")},
                                         {Row("10"), Row("1"), Row("2"), Row("4"), Row("12")});
  EXPECT_THAT(States(entries),
              ElementsAre("1_a.sql missing", "2_a.sql applied", "3_a.sql out of order", "4_a.sql missing",
                          "5_a.sql out of order", "10_a.sql applied", "11_a.sql out of order", "12_a.sql missing"));
}

TEST(MigrationPlanTest, WhatIsNewComesAfterWhatWasApplied) {
  const auto entries = CompareMigrations({File("1"), File("2")}, {Row("1")});
  EXPECT_THAT(States(entries), ElementsAre("1_a.sql applied", "2_a.sql pending"));
  EXPECT_EQ(Refusal(entries), "");
}

TEST(MigrationPlanTest, OneBelowTheNewestNeedsPermission) {
  const auto entries = CompareMigrations({File("9"), File("10")}, {Row("10")});
  EXPECT_THAT(Refusal(entries), HasSubstr("db/9_a.sql is new, but its number is below"));
  EXPECT_THAT(Refusal(entries), HasSubstr("--allow-out-of-order"));
  EXPECT_EQ(Refusal(entries, {.allow_out_of_order = true}), "");
}

TEST(MigrationPlanTest, AChangedFileIsRefusedWithBothChecksums) {
  const auto entries = CompareMigrations({File("1", "other")}, {Row("1")});
  EXPECT_THAT(Refusal(entries), HasSubstr("db/1_a.sql was applied with the SHA-256 same and now has other"));
  EXPECT_THAT(Refusal(entries, {.allow_out_of_order = true}), HasSubstr("restore its text"));
  EXPECT_EQ(Refusal(entries, {.mark_applied = {"1_a.sql"}}), "");
}

TEST(MigrationPlanTest, ARenamedFileIsRefusedWithBothNames) {
  MigrationFile renamed = File("1");
  renamed.name = "1_b.sql";
  EXPECT_THAT(Refusal(CompareMigrations({renamed}, {Row("1")})),
              HasSubstr("db/1_b.sql the number 1 was applied as 1_a.sql"));
}

TEST(MigrationPlanTest, AnUnfinishedFileWaitsForADecision) {
  AppliedMigration failed = Row("1", MigrationState::kFailed);
  failed.error = "line 2: no such table";
  const auto entries =
      CompareMigrations({File("1", "corrected"), File("2")}, {failed, Row("2", MigrationState::kInterrupted)});
  EXPECT_THAT(States(entries), ElementsAre("1_a.sql failed", "2_a.sql interrupted"));
  EXPECT_THAT(Refusal(entries), HasSubstr("(line 2: no such table): undo what it left, then use --rerun 1_a.sql"));
  EXPECT_THAT(Refusal(entries, {.rerun = {"1_a.sql"}}), HasSubstr("db/2_a.sql is running outside of a transaction"));
  EXPECT_EQ(Refusal(entries, {.rerun = {"1_a.sql"}, .mark_applied = {"2_a.sql"}}), "");
}

TEST(MigrationPlanTest, AChoiceFitsItsFile) {
  const auto entries = CompareMigrations({File("1"), File("2")}, {Row("1"), Row("3")});
  EXPECT_THAT(Refusal(entries, {.rerun = {"9_a.sql"}}), HasSubstr("--rerun 9_a.sql: there is no such file"));
  EXPECT_THAT(Refusal(entries, {.rerun = {"1_a.sql"}}), HasSubstr("--rerun 1_a.sql: applied; only a file that failed"));
  EXPECT_THAT(Refusal(entries, {.mark_applied = {"3_a.sql"}}),
              HasSubstr("--mark-applied 3_a.sql: there is no such file"));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckMigrationPlan(entries, {.rerun = {"1_a.sql"}})));
}

}  // namespace
}  // namespace dbos::sidecar
