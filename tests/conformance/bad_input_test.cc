// Requests that no correct client sends: each is refused by name, on every database and through both doors, and what
// else runs is not disturbed.
#include "tests/conformance/conformance_fixture.h"

namespace dbos::sidecar {
namespace {

const std::string kBadUtf8 = "\xff\xfe";
const std::string kNul("a\0b", 3);

class BadInputTest : public ConformanceTest {
 protected:
  // A refused record ends its execution in a session, so each case has a workflow of its own.
  Answer RecordInANewWorkflow(Door& door, const v1::StepRecord& step) {
    return door.Record(Begin(door, "bad-" + std::to_string(++count_)).execution(), step);
  }

  template <typename Request, typename Response>
  std::string ReasonOf(grpc::Status (v1::WorkflowService::Stub::*method)(grpc::ClientContext*, const Request&,
                                                                         Response*),
                       const Request& request) const {
    grpc::ClientContext call;
    call.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    Response response;
    return ToAnswer((workflows.get()->*method)(&call, request, &response), call).reason;
  }

 private:
  int count_ = 0;
};

TEST_P(BadInputTest, StartsAreRefusedByName) {
  auto door = Open();
  ASSERT_TRUE(door->Attach({}).ok());
  v1::StartWorkflowResponse response;
  for (const std::string& id : {kBadUtf8, kNul, std::string(5000, 'i')}) {
    EXPECT_EQ(door->Start(StartOf(id), &response).reason, "REASON_INVALID_REQUEST") << id;
  }
  for (const std::string& name : {std::string(), kBadUtf8, kNul, std::string(5000, 'n')}) {
    EXPECT_EQ(door->Start(StartOf("x", name), &response).reason, "REASON_INVALID_REQUEST") << name;
  }
  for (const std::int64_t timeout :
       {std::int64_t{-1}, std::int64_t{1} << 62, std::numeric_limits<std::int64_t>::min()}) {
    v1::StartWorkflowRequest start = StartOf("timeout");
    start.set_timeout_ms(timeout);
    const Answer answer = door->Start(start, &response);
    EXPECT_EQ(answer.reason, "REASON_INVALID_REQUEST") << timeout;
    EXPECT_NE(answer.message.find("timeout_ms"), std::string::npos) << answer.message;
  }
  v1::StartWorkflowRequest input = StartOf("input");
  input.mutable_input()->set_data("\"" + kBadUtf8 + "\"");
  EXPECT_EQ(door->Start(input, &response).reason, "REASON_INVALID_REQUEST");
  input.mutable_input()->set_data("[1]");
  EXPECT_EQ(door->Start(input, &response).reason, "REASON_INVALID_REQUEST") << "arguments are an object";
  input.mutable_input()->set_data("{\"positionalArgs\":[\"" + std::string(5 << 20, 'x') + "\"]}");
  EXPECT_EQ(door->Start(input, &response).reason, "REASON_PAYLOAD_TOO_LARGE");
  const v1::Execution good = Begin(*door, "good");
  EXPECT_TRUE(door->Complete(good.execution(), Value("1")).ok());
}

TEST_P(BadInputTest, RecordsAreRefusedByNameAndOthersGoOn) {
  auto door = Open();
  ASSERT_TRUE(door->Attach({.credit = 100}).ok());
  const v1::Execution good = Begin(*door, "good");
  for (const v1::StepRecord& bad :
       {Step(-1, "charge", "1"), Step(0, "charge", "{not json"), Step(0, "charge", "\"" + kBadUtf8 + "\""),
        Step(0, kNul, "1"), Step(0, kBadUtf8, "1"), Step(0, "", "1"), Step(0, "charge", std::string(200'000, '[')),
        Step(0, "charge", "")}) {
    EXPECT_EQ(RecordInANewWorkflow(*door, bad).reason, "REASON_INVALID_REQUEST")
        << bad.ShortDebugString().substr(0, 200);
  }
  v1::StepRecord late = Step(0, "charge", "1");
  late.set_completed_at_ms(std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(RecordInANewWorkflow(*door, late).reason, "REASON_INVALID_REQUEST");
  const Answer large = RecordInANewWorkflow(*door, Step(0, "charge", "\"" + std::string(5 << 20, 'x') + "\""));
  EXPECT_EQ(large.reason, "REASON_PAYLOAD_TOO_LARGE");
  EXPECT_NE(large.message.find("4194304"), std::string::npos) << large.message;
  v1::ExecutionRef nobody;
  nobody.set_workflow_id("nobody");
  nobody.set_owner_token("token");
  EXPECT_EQ(door->Record(nobody, Step(0, "charge", "1")).reason, "REASON_WORKFLOW_NOT_FOUND");
  // After all that the good one is as it was.
  EXPECT_TRUE(door->Record(good.execution(), Step(0, "charge", "1")).ok());
  EXPECT_TRUE(door->Complete(good.execution(), Value("1")).ok());
}

TEST_P(BadInputTest, CompletionsAreRefusedByName) {
  auto door = Open();
  ASSERT_TRUE(door->Attach({.credit = 100}).ok());
  int count = 0;
  for (const v1::Outcome& bad :
       {v1::Outcome(), Value("{not json"), Value("\"" + kBadUtf8 + "\""), Failure("\"text\"")}) {
    const v1::Execution one = Begin(*door, "bad-end-" + std::to_string(++count));
    EXPECT_EQ(door->Complete(one.execution(), bad).reason, "REASON_INVALID_REQUEST") << bad.ShortDebugString();
    EXPECT_EQ(Get(one.execution().workflow_id()).status(), v1::WORKFLOW_STATUS_PENDING);
  }
}

TEST_P(BadInputTest, WaitsAndReadsAreRefusedByName) {
  auto door = Open();
  ASSERT_TRUE(door->Attach({}).ok());
  for (const std::int64_t timeout :
       {std::int64_t{-1}, std::numeric_limits<std::int64_t>::min(), std::int64_t{1} << 62}) {
    EXPECT_EQ(door->AwaitEnd("order-1", timeout).reason, "REASON_INVALID_REQUEST") << timeout;
  }
  EXPECT_TRUE(door->AwaitEnd("order-1", 50).ok()) << "an end in time";
  using Stub = v1::WorkflowService::Stub;
  for (const std::string& id : {std::string(), kBadUtf8, kNul}) {
    v1::GetWorkflowRequest get;
    get.set_workflow_id(id);
    EXPECT_EQ(ReasonOf(&Stub::GetWorkflow, get), "REASON_INVALID_REQUEST");
    v1::ListStepsRequest steps;
    steps.set_workflow_id(id);
    EXPECT_EQ(ReasonOf(&Stub::ListSteps, steps), "REASON_INVALID_REQUEST");
    v1::CancelWorkflowRequest cancel;
    cancel.set_workflow_id(id);
    EXPECT_EQ(ReasonOf(&Stub::CancelWorkflow, cancel), "REASON_INVALID_REQUEST");
    EXPECT_EQ(door->AwaitEnd(id, 50).reason, "REASON_INVALID_REQUEST");
  }
  v1::ListWorkflowsRequest list;
  list.set_workflow_id_prefix(kBadUtf8);
  EXPECT_EQ(ReasonOf(&Stub::ListWorkflows, list), "REASON_INVALID_REQUEST");
  v1::GetWorkflowRequest unknown;
  unknown.set_workflow_id("nobody");
  EXPECT_EQ(ReasonOf(&Stub::GetWorkflow, unknown), "REASON_WORKFLOW_NOT_FOUND");
}

// ---------------------------------------------------------------- the prefix rule
TEST_P(BadInputTest, WhatWasSentBehindARefusedRecordIsRefusedToo) {
  auto door = Open();
  ASSERT_TRUE(door->Attach({}).ok());
  const v1::Execution other = Begin(*door, "other");
  int count = 0;
  for (const v1::StepRecord& bad :
       {Step(1, kBadUtf8, "1"), Step(1, "charge", "\"" + std::string(5 << 20, 'x') + "\"")}) {
    const v1::Execution one = Begin(*door, "order-" + std::to_string(++count));
    const auto answers =
        door->RecordAll(one.execution(), {Step(0, "a", "1"), bad, Step(2, "c", "1"), Step(3, "d", "1")});
    EXPECT_TRUE(answers[0].ok()) << answers[0].message;
    EXPECT_TRUE(answers[1].reason == "REASON_INVALID_REQUEST" || answers[1].reason == "REASON_PAYLOAD_TOO_LARGE");
    EXPECT_EQ(answers[2].reason, "REASON_PRECEDING_OPERATION_FAILED");
    EXPECT_EQ(answers[3].reason, "REASON_PRECEDING_OPERATION_FAILED");
    EXPECT_EQ(Steps(one.execution().workflow_id()).steps_size(), 1) << "what came before it";
  }
  EXPECT_TRUE(door->Record(other.execution(), Step(0, "a", "1")).ok());
  EXPECT_TRUE(door->Complete(other.execution(), Value("1")).ok());
}

TEST_P(BadInputTest, WhatWasSentBehindAMismatchIsRefusedToo) {
  auto door = Open();
  ASSERT_TRUE(door->Attach({}).ok());
  const v1::Execution one = Begin(*door, "order-1");
  ASSERT_TRUE(door->Record(one.execution(), Step(0, "a", "1")).ok());
  const auto answers = door->RecordAll(one.execution(), {Step(0, "b", "1"), Step(1, "c", "1"), Step(2, "d", "1")});
  EXPECT_EQ(answers[0].reason, "REASON_STEP_MISMATCH");
  EXPECT_EQ(answers[1].reason, "REASON_PRECEDING_OPERATION_FAILED");
  EXPECT_EQ(answers[2].reason, "REASON_PRECEDING_OPERATION_FAILED");
  EXPECT_EQ(Steps("order-1").steps_size(), 1);
}

INSTANTIATE_OVER_DATABASES_AND_DOORS(BadInputTest);

}  // namespace
}  // namespace dbos::sidecar
