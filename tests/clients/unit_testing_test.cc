// dbos::testing: a workflow function in a unit test, without a sidecar.
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <dbos/dbos.h>
#include <dbos/testing.h>

#include "gtest/gtest.h"

namespace dbos::testing {
namespace {

std::string Checkout(Context& ctx, const std::string& item) {
  const int payment = ctx.step("charge", {.max_attempts = 3}, [&] { return static_cast<int>(item.size()); });
  auto weight = ctx.async("weigh", [] { return 2; });
  auto shipping = ctx.start<std::string>("ship", {}, item, weight.get());
  return std::to_string(payment) + " " + shipping.result();
}

TEST(UnitTestingTest, AWorkflowRunsInMemoryAndShowsItsRecords) {
  WorkflowTest test("order-1");
  test.returns("ship", "sent");
  EXPECT_EQ(Checkout(test.context(), "shoes"), "5 sent");
  const auto steps = test.steps();
  ASSERT_EQ(steps.size(), 4U);
  EXPECT_EQ(steps[0].name, "charge");
  EXPECT_EQ(steps[0].output, "5");
  EXPECT_EQ(steps[2].child_workflow_id, "order-1-2");
  EXPECT_EQ(steps[3].name, "DBOS.getResult");
}

TEST(UnitTestingTest, AStepCanBeGivenAResultOrAFailure) {
  WorkflowTest test;
  test.returns("charge", 7);
  test.fails("ship", {.name = "Lost", .message = "truck"});
  EXPECT_THROW(Checkout(test.context(), "shoes"), WorkflowError);
  EXPECT_EQ(test.steps()[0].output, "7");
  EXPECT_EQ(test.steps()[3].error->message, "truck");
}

TEST(UnitTestingTest, RetriesDoNotWait) {
  WorkflowTest test;
  int attempts = 0;
  const int value = test.context().step("flaky", {.max_attempts = 3, .interval = std::chrono::hours(1)}, [&] {
    if (++attempts < 3) throw std::runtime_error("down");
    return attempts;
  });
  EXPECT_EQ(value, 3);
}

TEST(UnitTestingTest, AStepCallsOnlySteps) {
  WorkflowTest test;
  Context& ctx = test.context();
  test.returns("ship", 1);
  EXPECT_EQ(ctx.step("outer", [&] { return ctx.step("inner", [] { return 1; }); }), 1);
  EXPECT_THROW(ctx.step("outer", [&] { ctx.start<int>("ship", {}); }), StepError);
  EXPECT_THROW(ctx.step("outer", [&] { ctx.handle<int>("ship").result(); }), StepError);
  EXPECT_THROW(ctx.step("outer", [&] { ctx.async("inner", [] {}); }), StepError);
  EXPECT_EQ(test.steps().size(), 4U);
}

TEST(UnitTestingTest, CancellingUnwinds) {
  WorkflowTest test;
  test.cancel();
  EXPECT_THROW(Checkout(test.context(), "x"), WorkflowCancelled);
}

int Stock(Context& ctx) {
  ctx.sql("log", "INSERT INTO log VALUES (:x)", {{"x", 1}});
  return ctx.transaction("take", [](Transaction& tx) {
    tx.savepoint([&] { tx.execute("UPDATE stock SET n = n - 1"); });
    int sum = 0;
    for (const Row& row : tx.stream("SELECT n FROM stock")) sum += row.get<int>("n");
    return sum;
  });
}

TEST(UnitTestingTest, TheTestAnswersTheSqlOfATransaction) {
  WorkflowTest test;
  std::vector<std::string> asked;
  test.on_sql([&asked](std::string_view sql, const SqlParams& /*params*/) {
    asked.emplace_back(sql);
    return Rows({.columns = {{"n", "int8"}}, .cells = {"3", "4"}});
  });
  EXPECT_EQ(Stock(test.context()), 7);
  EXPECT_EQ(asked.size(), 3U);
  EXPECT_EQ(test.steps()[1].output, "7");
}

TEST(UnitTestingTest, ATransactionIsGivenItsResultOrSaysWhatIsMissing) {
  WorkflowTest test;
  try {
    Stock(test.context());
    ADD_FAILURE();
  } catch (const StepError& error) {
    EXPECT_NE(error.message().find("WorkflowTest::returns or fails, or answer its SQL with WorkflowTest::on_sql"),
              std::string::npos);
  }
  test.returns("log", Rows());
  test.returns("take", 5);
  EXPECT_EQ(Stock(test.context()), 5);
}

}  // namespace
}  // namespace dbos::testing
