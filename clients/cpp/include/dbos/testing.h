// dbos::testing: run a workflow function in a unit test, without a sidecar.
//
//   dbos::testing::WorkflowTest test;
//   test.returns("charge", Payment{.id = 7});            // instead of the body; otherwise the body runs
//   Receipt receipt = checkout(test.context(), order);
//   EXPECT_EQ(test.steps()[0].name, "charge");
//
// SQL is not run: a transaction or a statement is given its result as a step is, or on_sql() answers each statement.
//
// Steps run at once and in memory; retries do not wait. Values go through the same encoding as in production.
//
// Threads: as Context, one thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dbos/context.h>
#include <dbos/detail/workflow_access.h>
#include <dbos/workflow_info.h>

namespace dbos::testing {

// Answers a statement: Rows({.columns = {{"id", "int8"}}, .cells = {"7"}}), the cells row after row as the database
// writes them. Throws SqlError where the database would.
using FakeSql = std::function<Rows(std::string_view sql, const SqlParams& params)>;

class WorkflowTest {
 public:
  explicit WorkflowTest(std::string workflow_id = "test-workflow");
  ~WorkflowTest();
  WorkflowTest(const WorkflowTest&) = delete;
  WorkflowTest& operator=(const WorkflowTest&) = delete;

  Context& context();

  // The step or child workflow of this name gives `value`; its body does not run.
  template <class T>
  void returns(std::string_view name, const T& value) {
    ReturnText(name, Encode(value));
  }
  // The step or child workflow of this name fails.
  void fails(std::string_view name, const ErrorRecord& error);
  // Stands in for the database: bodies of transactions run, and `answer` gets their statements. There is no rollback.
  void on_sql(FakeSql answer);
  // Cancels the workflow: its next operation throws WorkflowCancelled.
  void cancel();

  // What was recorded so far, in step order.
  std::vector<StepInfo> steps() const;

 private:
  class Memory;
  void ReturnText(std::string_view name, std::string text);

  std::unique_ptr<Memory> memory_;
  Context context_;
};

}  // namespace dbos::testing
