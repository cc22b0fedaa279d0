// Between the wire's messages and the model's records.
//
// Take... empties the message it is given: text is moved, never copied. Call them after the checks of rpc/validate.h.
// Put fills a message from a record, and moves the record's text when it may.
//
// Threads: any. Blocking: never.
#pragma once

#include <vector>

#include "dbos/v1/steps.pb.h"
#include "dbos/v1/workflows.pb.h"

#include "sidecar/engine/requests.h"
#include "sidecar/engine/sink.h"
#include "sidecar/model/step.h"
#include "sidecar/model/workflow.h"
#include "sidecar/store/storage.h"

namespace dbos::sidecar {

ExecutionRef TakeExecution(v1::ExecutionRef& from);
Payload TakePayload(v1::Payload& from);
Outcome TakeOutcome(v1::Outcome& from);
// A time that the caller left at 0 becomes `now_ms`.
StepRecord TakeStep(v1::StepRecord& from, std::int64_t now_ms);
std::vector<WorkflowDefinition> TakeDefinitions(v1::Registrations& from);
HelloRequest TakeHello(v1::Hello& from);
HelloRequest TakeSubscribe(v1::SubscribeRequest& from);
StartRequest TakeStart(v1::StartWorkflowRequest& from, std::int64_t now_ms);
AwaitRequest TakeAwait(v1::AwaitFrame& from);
WorkflowFilter TakeFilter(v1::ListWorkflowsRequest& from);

v1::WorkflowStatus ToWire(WorkflowStatus status);
WorkflowStatus FromWire(v1::WorkflowStatus status);

void Put(ExecutionRef from, v1::ExecutionRef* to);
void Put(Payload from, v1::Payload* to);
void Put(Outcome from, v1::Outcome* to);
void Put(StepRecord from, v1::StepRecord* to);
void Put(WorkflowRecord from, v1::WorkflowInfo* to);
void Put(Dispatch from, v1::Execution* to);
void Put(ReplayPage from, v1::ReplayPage* to);
void Put(StartResult from, v1::StartWorkflowResponse* to);
void Put(AwaitResult from, v1::AwaitWorkflowResponse* to);
void Put(Reattached from, v1::Reattached* to);

// About what a record adds to a message, for the outbox's limits.
std::size_t WireBytes(const StepRecord& step);
std::size_t WireBytes(const Dispatch& dispatch);
std::size_t WireBytes(const std::vector<StepRecord>& steps);

}  // namespace dbos::sidecar
