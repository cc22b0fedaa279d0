#include "tests/sidecar/store/store_fixture.h"

namespace dbos::sidecar {
namespace {

using testing::ElementsAre;

class LegacyPayloadsTest : public StoreTest {
 protected:
  // A workflow from start to end, in the batches that it takes.
  void Run(const std::string& id, Outcome::Kind kind) {
    const ExecutionRef execution = Begin(id);
    CompletionOp completion = Completion(execution, R"({"name":"E"})");
    completion.outcome.kind = kind;
    EXPECT_TRUE(CommitOne(&Batch::completions, completion).error.ok());
  }
  // What an old SDK sees.
  std::vector<std::string> LegacyRow(const std::string& id) {
    return Select("inputs, output, error", "workflow_status", id);
  }
  // What a new one sees.
  std::string InputRow(const std::string& id) { return Select("inputs", "workflow_input", id).at(0); }

  void SwitchOn() {
    const auto factory = OpenStorage({database_->url(), "dbos", kExecutor, kApplication, LegacyPayloads::kOn});
    ASSERT_TRUE(factory.ok()) << factory.status();
    writer_ = (*factory)(StorageRole::kWriter);
  }
};

TEST_P(LegacyPayloadsTest, AreNotWrittenUnlessSwitchedOn) {
  Run("order-1", Outcome::Kind::kValue);
  EXPECT_THAT(LegacyRow("order-1"), ElementsAre("-,-,-"));
}

TEST_P(LegacyPayloadsTest, SwitchedOnTheyAreWrittenBesideThePayloadTables) {
  SwitchOn();
  Run("good", Outcome::Kind::kValue);
  EXPECT_THAT(LegacyRow("good"), ElementsAre(InputRow("good") + R"(,{"name":"E"},-)"));
  EXPECT_THAT(OutcomeRows("good"), ElementsAre(R"({"name":"E"},-)"));
  Run("bad", Outcome::Kind::kError);
  EXPECT_THAT(LegacyRow("bad"), ElementsAre(InputRow("bad") + R"(,-,{"name":"E"})"));
}

TEST_P(LegacyPayloadsTest, ARefusedCompletionWritesNone) {
  SwitchOn();
  Begin("order-1");
  EXPECT_EQ(CommitOne(&Batch::completions, Completion({"order-1", "stale"}, "8")).error.reason, Reason::kFenced);
  EXPECT_THAT(LegacyRow("order-1"), ElementsAre(InputRow("order-1") + ",-,-"));
}

INSTANTIATE_OVER_DATABASES(LegacyPayloadsTest);

}  // namespace
}  // namespace dbos::sidecar
