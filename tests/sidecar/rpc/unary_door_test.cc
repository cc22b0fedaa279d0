#include <chrono>
#include <string>

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "tests/sidecar/rpc/door_fixture.h"

namespace dbos::sidecar {
namespace {

class UnaryDoorTest : public DoorFixture {
 protected:
  using Executions = std::unique_ptr<grpc::ClientReader<v1::Execution>>;

  Executions Subscribe(grpc::ClientContext& context, const std::string& incarnation = "process") {
    v1::SubscribeRequest request;
    request.set_application_name("shop");
    request.set_application_version("shop-1");
    request.set_incarnation(incarnation);
    request.mutable_registrations()->add_workflows()->set_name("checkout");
    request.mutable_credit()->set_executions(1);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    return steps_->Subscribe(&context, request);
  }

  v1::RecordStepResponse Record(const v1::RecordStepRequest& request) {
    grpc::ClientContext context;
    v1::RecordStepResponse response;
    const grpc::Status status = steps_->RecordStep(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  static void AddStep(v1::RecordStepRequest& request, int step_id, const std::string& value, const char* name = "s") {
    v1::StepRecord* step = request.add_steps();
    step->set_step_id(step_id);
    step->set_name(name);
    step->mutable_outcome()->mutable_value()->set_data(value);
  }
};

TEST_F(UnaryDoorTest, RunsAWorkflowFromDispatchToOutcome) {
  grpc::ClientContext subscription;
  const Executions executions = Subscribe(subscription);
  StartWorkflow("w");
  v1::Execution execution;
  ASSERT_TRUE(executions->Read(&execution));
  EXPECT_EQ(execution.execution().workflow_id(), "w");

  v1::RecordStepRequest record;
  *record.mutable_execution() = execution.execution();
  AddStep(record, 0, "1");
  AddStep(record, 1, "2");
  const v1::RecordStepResponse recorded = Record(record);
  ASSERT_EQ(recorded.results_size(), 2);
  EXPECT_EQ(recorded.results(1).step_id(), 1);
  EXPECT_FALSE(recorded.results(0).has_error());
  EXPECT_FALSE(recorded.results(1).has_error());

  grpc::ClientContext context;
  v1::CompleteWorkflowRequest complete;
  *complete.mutable_execution() = execution.execution();
  complete.mutable_outcome()->mutable_value()->set_data("\"paid\"");
  v1::StepRecord* trailing = complete.add_trailing();
  trailing->set_step_id(2);
  trailing->set_name("ship");
  v1::CompleteWorkflowResponse completed;
  ASSERT_TRUE(steps_->CompleteWorkflow(&context, complete, &completed).ok());
  EXPECT_EQ(completed.status(), v1::WORKFLOW_STATUS_SUCCESS);

  grpc::ClientContext list_context;
  v1::ListStepsRequest list;
  list.set_workflow_id("w");
  list.set_after_step_id(-1);
  v1::ListStepsResponse listed;
  ASSERT_TRUE(workflows_->ListSteps(&list_context, list, &listed).ok());
  ASSERT_EQ(listed.steps_size(), 3);
  EXPECT_EQ(listed.steps(2).name(), "ship");
  EXPECT_FALSE(listed.steps(0).has_outcome()) << "not asked for";
}

TEST_F(UnaryDoorTest, StepsTooLargeForOneMessageAreListedInPages) {
  grpc::ClientContext subscription;
  const Executions executions = Subscribe(subscription);
  StartWorkflow("w");
  v1::Execution execution;
  ASSERT_TRUE(executions->Read(&execution));
  constexpr int kSteps = 4;
  const std::string large = '"' + std::string(3 << 20, 'x') + '"';
  for (int step = 0; step < kSteps; ++step) {
    v1::RecordStepRequest record;
    *record.mutable_execution() = execution.execution();
    AddStep(record, step, large);
    ASSERT_FALSE(Record(record).results(0).has_error());
  }
  v1::ListStepsRequest list;
  list.set_workflow_id("w");
  list.set_after_step_id(-1);
  list.set_with_outcome(true);
  int listed = 0;
  for (bool more = true; more;) {
    grpc::ClientContext context;
    v1::ListStepsResponse page;
    const grpc::Status status = workflows_->ListSteps(&context, list, &page);
    ASSERT_TRUE(status.ok()) << status.error_message();
    ASSERT_GT(page.steps_size(), 0);
    listed += page.steps_size();
    list.set_after_step_id(page.steps(page.steps_size() - 1).step_id());
    more = page.more();
  }
  EXPECT_EQ(listed, kSteps);
}

TEST_F(UnaryDoorTest, RecordStepStopsAtTheFirstRefusal) {
  grpc::ClientContext subscription;
  const Executions executions = Subscribe(subscription);
  StartWorkflow("w");
  v1::Execution execution;
  ASSERT_TRUE(executions->Read(&execution));
  v1::RecordStepRequest record;
  *record.mutable_execution() = execution.execution();
  AddStep(record, 0, "1");
  AddStep(record, 1, "not json");
  AddStep(record, 2, "3");
  const v1::RecordStepResponse response = Record(record);
  ASSERT_EQ(response.results_size(), 3);
  EXPECT_FALSE(response.results(0).has_error());
  EXPECT_EQ(response.results(1).error().reason(), v1::REASON_INVALID_REQUEST);
  EXPECT_EQ(response.results(1).error().step_id(), 1);
  EXPECT_EQ(response.results(1).error().workflow_id(), "w");
  EXPECT_EQ(response.results(2).error().reason(), v1::REASON_PRECEDING_OPERATION_FAILED);
}

TEST_F(UnaryDoorTest, TheEnginesRefusalStopsTheRestToo) {
  grpc::ClientContext subscription;
  const Executions executions = Subscribe(subscription);
  StartWorkflow("w");
  v1::Execution execution;
  ASSERT_TRUE(executions->Read(&execution));
  v1::RecordStepRequest record;
  *record.mutable_execution() = execution.execution();
  AddStep(record, 0, "1", "charge");
  Record(record);
  record.clear_steps();
  AddStep(record, 0, "1", "other name");
  AddStep(record, 1, "2");
  const v1::RecordStepResponse response = Record(record);
  ASSERT_EQ(response.results_size(), 2);
  EXPECT_EQ(response.results(0).error().reason(), v1::REASON_STEP_MISMATCH);
  EXPECT_EQ(response.results(1).error().reason(), v1::REASON_PRECEDING_OPERATION_FAILED);
}

TEST_F(UnaryDoorTest, AStrangersTokenIsFenced) {
  grpc::ClientContext subscription;
  const Executions executions = Subscribe(subscription);
  StartWorkflow("w");
  v1::Execution execution;
  ASSERT_TRUE(executions->Read(&execution));
  v1::CompleteWorkflowRequest complete;
  complete.mutable_execution()->set_workflow_id("w");
  complete.mutable_execution()->set_owner_token("stranger");
  complete.mutable_outcome()->mutable_value()->set_data("1");
  grpc::ClientContext context;
  v1::CompleteWorkflowResponse response;
  const grpc::Status status = steps_->CompleteWorkflow(&context, complete, &response);
  EXPECT_EQ(status.error_code(), grpc::ABORTED);
  const auto& trailers = context.GetServerTrailingMetadata();
  ASSERT_NE(trailers.find("x-dbos-reason"), trailers.end());
  EXPECT_EQ(trailers.find("x-dbos-reason")->second, "REASON_FENCED");
  EXPECT_FALSE(status.error_details().empty());
}

TEST_F(UnaryDoorTest, AnEndedSubscriptionGivesItsExecutionsToTheNext) {
  grpc::ClientContext first;
  Executions executions = Subscribe(first);
  StartWorkflow("w");
  v1::Execution before;
  ASSERT_TRUE(executions->Read(&before));
  first.TryCancel();
  executions->Finish();

  grpc::ClientContext second;
  executions = Subscribe(second, "another-process");
  v1::Execution after;
  ASSERT_TRUE(executions->Read(&after));
  EXPECT_EQ(after.execution().workflow_id(), "w");
  EXPECT_NE(after.execution().owner_token(), before.execution().owner_token());
}

TEST_F(UnaryDoorTest, AReleasedExecutionIsHandedOutAgain) {
  grpc::ClientContext subscription;
  const Executions executions = Subscribe(subscription);
  StartWorkflow("w");
  v1::Execution before;
  ASSERT_TRUE(executions->Read(&before));
  grpc::ClientContext context;
  v1::ReleaseExecutionRequest release;
  *release.mutable_execution() = before.execution();
  v1::ReleaseExecutionResponse response;
  ASSERT_TRUE(steps_->ReleaseExecution(&context, release, &response).ok());
  v1::Execution after;
  ASSERT_TRUE(executions->Read(&after));
  EXPECT_NE(after.execution().owner_token(), before.execution().owner_token());
}

TEST_F(UnaryDoorTest, GetReplayContinuesWhereTheLastPageEnded) {
  grpc::ClientContext subscription;
  const Executions executions = Subscribe(subscription);
  StartWorkflow("w");
  v1::Execution execution;
  ASSERT_TRUE(executions->Read(&execution));
  const std::string large = "\"" + std::string(600'000, 'x') + "\"";
  for (int step = 0; step < 4; ++step) {
    v1::RecordStepRequest record;
    *record.mutable_execution() = execution.execution();
    AddStep(record, step, large);
    Record(record);
  }
  int next = 0;
  for (bool last = false; !last;) {
    grpc::ClientContext context;
    v1::GetReplayRequest request;
    *request.mutable_execution() = execution.execution();
    request.set_after_step_id(next - 1);
    v1::ReplayPage page;
    ASSERT_TRUE(steps_->GetReplay(&context, request, &page).ok());
    ASSERT_GT(page.steps_size(), 0);
    EXPECT_LT(page.steps_size(), 4) << "a page is bounded";
    for (const auto& step : page.steps()) EXPECT_EQ(step.step_id(), next++);
    last = page.last();
  }
  EXPECT_EQ(next, 4);
}

TEST_F(UnaryDoorTest, GetReplayOfAWorkflowThatIsGoneIsNotTheEndOfItsReplay) {
  grpc::ClientContext context;
  v1::GetReplayRequest request;
  request.mutable_execution()->set_workflow_id("deleted");
  request.mutable_execution()->set_owner_token("token");
  request.set_after_step_id(3);
  v1::ReplayPage page;
  const grpc::Status status = steps_->GetReplay(&context, request, &page);
  EXPECT_EQ(status.error_code(), grpc::NOT_FOUND) << "its next step would run, recorded or not";
}

TEST_F(UnaryDoorTest, RefusesASubscriberOfAnotherApplication) {
  grpc::ClientContext context;
  v1::SubscribeRequest request;
  request.set_application_name("bakery");
  request.set_application_version("1");
  request.set_incarnation("process");
  const auto executions = steps_->Subscribe(&context, request);
  v1::Execution execution;
  EXPECT_FALSE(executions->Read(&execution));
  EXPECT_EQ(executions->Finish().error_code(), grpc::FAILED_PRECONDITION);
  const auto& trailers = context.GetServerTrailingMetadata();
  ASSERT_NE(trailers.find("x-dbos-reason"), trailers.end());
  EXPECT_EQ(trailers.find("x-dbos-reason")->second, "REASON_APPLICATION_MISMATCH");
}

}  // namespace
}  // namespace dbos::sidecar
