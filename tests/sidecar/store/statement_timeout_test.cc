// Commits that the server's statement_timeout cuts off.
#include "absl/strings/str_cat.h"

#include "tests/sidecar/store/store_fixture.h"

namespace dbos::sidecar {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Only "slow" takes the server longer than it may; it must neither keep the others waiting nor be tried for ever.
class StatementTimeoutTest : public StoreTest {
 protected:
  void SetUp() override {
    database_->Run(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(5); RETURN NEW; END $$; "
        "CREATE TRIGGER slow BEFORE INSERT ON dbos.operation_outputs FOR EACH ROW WHEN (NEW.function_name = 'slow') "
        "EXECUTE FUNCTION slow()");
    fine_ = Begin("fine");
    batch_.steps = {Step(Begin("stuck"), 0, "slow", "1"), Step(fine_, 0, "quick", "2")};
  }
  std::unique_ptr<Storage> Impatient(absl::Duration patience) {
    StorageOptions options = {absl::StrCat(database_->url(), "&options=-c%20statement_timeout%3D50"), "dbos", kExecutor,
                              kApplication};
    options.cut_off_patience = patience;
    return (*OpenStorage(options))(StorageRole::kWriter);
  }
  void ExpectCutOff(Storage& writer) {
    const absl::Status status = writer.Commit(batch_);
    EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("statement_timeout, which the database URL's options"));
  }

  ExecutionRef fine_;
  Batch batch_;
};

TEST_P(StatementTimeoutTest, WhatIsCutOffEachTimeIsRefusedAloneWithTheSetting) {
  const auto writer = Impatient(absl::ZeroDuration());
  for (int tries = 0; tries < 5; ++tries) {
    ASSERT_NO_FATAL_FAILURE(ExpectCutOff(*writer)) << tries;
    EXPECT_EQ(StepRows("fine").size(), 1U) << "it does not wait for the other";
  }
  const absl::Status status = writer->Commit(batch_);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(batch_.steps[0].error.reason, Reason::kDatabaseError);
  EXPECT_THAT(batch_.steps[0].error.message, HasSubstr("statement_timeout"));
  EXPECT_TRUE(batch_.steps[1].error.ok()) << batch_.steps[1].error.message;
  EXPECT_THAT(StepRows("stuck"), IsEmpty());
}

TEST_P(StatementTimeoutTest, NothingIsRefusedBeforeTheTimeIsOver) {
  const auto writer = Impatient(absl::Hours(1));
  for (int tries = 0; tries < 8; ++tries) ASSERT_NO_FATAL_FAILURE(ExpectCutOff(*writer)) << tries;
  database_->Run("DROP FUNCTION slow() CASCADE");
  EXPECT_TRUE(writer->Commit(batch_).ok());
  EXPECT_TRUE(batch_.steps[0].error.ok());
  EXPECT_EQ(StepRows("stuck").size(), 1U);
}

// Whoever recovers nothing by a refusal would leave workflows behind.
TEST_P(StatementTimeoutTest, WhatCannotBeRefusedIsTriedAgain) {
  database_->Run("CREATE TRIGGER slow BEFORE UPDATE ON dbos.workflow_status FOR EACH ROW EXECUTE FUNCTION slow()");
  const auto writer = Impatient(absl::ZeroDuration());
  batch_ = {};
  batch_.recoveries.emplace_back();
  for (int tries = 0; tries < 8; ++tries) ASSERT_NO_FATAL_FAILURE(ExpectCutOff(*writer)) << tries;
}

INSTANTIATE_TEST_SUITE_P(OnlyPostgres, StatementTimeoutTest, ::testing::Values(DatabaseKind::kPostgres),
                         DatabaseKindName);

}  // namespace
}  // namespace dbos::sidecar
