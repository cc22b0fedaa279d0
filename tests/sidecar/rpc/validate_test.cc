#include "sidecar/rpc/validate.h"

#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace dbos::sidecar {
namespace {

using std::string_literals::operator""s;

v1::RecordStepFrame ValidStep() {
  v1::RecordStepFrame frame;
  frame.set_seq(1);
  frame.mutable_execution()->set_workflow_id("w");
  frame.mutable_execution()->set_owner_token("token");
  frame.mutable_step()->set_name("charge");
  frame.mutable_step()->mutable_outcome()->mutable_value()->set_data("1");
  return frame;
}

struct BadStep {
  const char* field;  // that the message must name
  Reason reason;
  std::function<void(v1::RecordStepFrame&)> spoil;
};

TEST(ValidateTest, NamesTheFieldOfEveryBadStep) {
  const std::vector<BadStep> cases = {
      {"step is missing", Reason::kInvalidRequest, [](auto& f) { f.clear_step(); }},
      {"execution.workflow_id", Reason::kInvalidRequest, [](auto& f) { f.clear_execution(); }},
      {"execution.workflow_id", Reason::kInvalidRequest,
       [](auto& f) { f.mutable_execution()->set_workflow_id("\xFF"); }},
      {"execution.workflow_id", Reason::kInvalidRequest,
       [](auto& f) { f.mutable_execution()->set_workflow_id("a\0b"s); }},
      {"1024", Reason::kInvalidRequest,
       [](auto& f) { f.mutable_execution()->set_workflow_id(std::string(1025, 'x')); }},
      {"execution.owner_token", Reason::kInvalidRequest, [](auto& f) { f.mutable_execution()->clear_owner_token(); }},
      {"execution.owner_token", Reason::kInvalidRequest,
       [](auto& f) { f.mutable_execution()->set_owner_token("two words"); }},
      {"execution.owner_token", Reason::kInvalidRequest,
       [](auto& f) { f.mutable_execution()->set_owner_token(std::string(129, 'x')); }},
      {"step.step_id", Reason::kInvalidRequest, [](auto& f) { f.mutable_step()->set_step_id(-1); }},
      {"step.name", Reason::kInvalidRequest, [](auto& f) { f.mutable_step()->clear_name(); }},
      {"step.child_workflow_id", Reason::kInvalidRequest,
       [](auto& f) { f.mutable_step()->set_child_workflow_id("\xC0"); }},
      {"step.completed_at_ms", Reason::kInvalidRequest, [](auto& f) { f.mutable_step()->set_completed_at_ms(-5); }},
      {"step.started_at_ms", Reason::kInvalidRequest,
       [](auto& f) { f.mutable_step()->set_started_at_ms(kTimeMsMax + 1); }},
      {"outcome has neither", Reason::kInvalidRequest, [](auto& f) { f.mutable_step()->mutable_outcome()->Clear(); }},
      {"outcome.value", Reason::kInvalidRequest,
       [](auto& f) { f.mutable_step()->mutable_outcome()->mutable_value()->set_data("{"); }},
      {"outcome.error must be a JSON object", Reason::kInvalidRequest,
       [](auto& f) { f.mutable_step()->mutable_outcome()->mutable_error()->set_data("\"boom\""); }},
      {"outcome.value names a serialization", Reason::kInvalidRequest,
       [](auto& f) { f.mutable_step()->mutable_outcome()->mutable_value()->set_serialization(std::string(65, 'x')); }},
      {"the limit is 4194304", Reason::kPayloadTooLarge,
       [](auto& f) {
         f.mutable_step()->mutable_outcome()->mutable_value()->set_data(std::string(kPayloadBytesMax + 1, ' '));
       }},
  };
  EXPECT_TRUE(Check(ValidStep()).ok()) << Check(ValidStep()).message;
  for (const BadStep& bad : cases) {
    v1::RecordStepFrame frame = ValidStep();
    bad.spoil(frame);
    const Error error = Check(frame);
    EXPECT_EQ(error.reason, bad.reason) << bad.field;
    EXPECT_NE(error.message.find(bad.field), std::string::npos) << bad.field << ": " << error.message;
  }
}

TEST(ValidateTest, CarriesOtherFormatsWithoutReadingThem) {
  v1::RecordStepFrame frame = ValidStep();
  v1::Payload* value = frame.mutable_step()->mutable_outcome()->mutable_value();
  value->set_serialization("py_pickle");
  value->set_data("gASVCg==");
  EXPECT_TRUE(Check(frame).ok());
  value->set_data("\xFF");
  EXPECT_EQ(Check(frame).reason, Reason::kInvalidRequest);
}

TEST(ValidateTest, BoundsTimeouts) {
  v1::StartWorkflowRequest start;
  start.set_name("checkout");
  for (const std::int64_t timeout : {std::int64_t{0}, std::int64_t{1}, kTimeoutMsMax}) {
    start.set_timeout_ms(timeout);
    EXPECT_TRUE(Check(start).ok()) << timeout;
  }
  for (const std::int64_t timeout : {std::int64_t{-1}, kTimeoutMsMax + 1, INT64_MAX, INT64_MIN}) {
    start.set_timeout_ms(timeout);
    EXPECT_EQ(Check(start).reason, Reason::kInvalidRequest) << timeout;
  }
}

TEST(ValidateTest, ChecksTheParentOfAChildStart) {
  v1::StartWorkflowRequest start;
  start.set_name("ship");
  start.mutable_parent()->set_workflow_id("w");
  EXPECT_NE(Check(start).message.find("parent.owner_token"), std::string::npos);
  start.mutable_parent()->set_owner_token("token");
  EXPECT_TRUE(Check(start).ok());
  start.mutable_parent()->set_step_id(-1);
  EXPECT_NE(Check(start).message.find("parent.step_id"), std::string::npos);
}

TEST(ValidateTest, BoundsRegistrationsAndCredit) {
  v1::Registrations registrations;
  for (std::uint32_t i = 0; i <= kRegistrationsMax; ++i) registrations.add_workflows()->set_name("w");
  EXPECT_NE(Check(registrations).message.find("between 0 and 1000"), std::string::npos);
  registrations.mutable_workflows()->RemoveLast();
  EXPECT_TRUE(Check(registrations).ok());
  registrations.mutable_workflows(0)->set_max_recovery_attempts(-1);
  EXPECT_FALSE(Check(registrations).ok());
  v1::Credit credit;
  credit.set_executions(kCreditMax + 1);
  EXPECT_FALSE(Check(credit).ok());
}

TEST(ValidateTest, BoundsListsAndPages) {
  v1::ListWorkflowsRequest list;
  EXPECT_TRUE(Check(list).ok());
  list.set_limit(1001);
  EXPECT_NE(Check(list).message.find("limit"), std::string::npos);
  list.set_limit(0);
  list.add_status(static_cast<v1::WorkflowStatus>(99));
  EXPECT_NE(Check(list).message.find("status"), std::string::npos);
  v1::ListStepsRequest steps;
  steps.set_workflow_id("w");
  steps.set_after_step_id(-2);
  EXPECT_NE(Check(steps).message.find("after_step_id"), std::string::npos);
}

}  // namespace
}  // namespace dbos::sidecar
