// Request limits and checks, all in one place. What passes here is storable text of a bounded size.
//
// Threads: any. Blocking: never.
// Errors:  kInvalidRequest or kPayloadTooLarge; the message names the field, the limit and the fix.
#pragma once

#include <cstdint>
#include <string>

#include "dbos/v1/admin.pb.h"
#include "dbos/v1/steps.pb.h"
#include "dbos/v1/workflows.pb.h"

#include "sidecar/model/error.h"

namespace dbos::sidecar {

inline constexpr std::uint32_t kProtocolVersion = 1;
inline constexpr std::uint32_t kMessageBytesMax = 8 << 20;
inline constexpr std::uint32_t kPayloadBytesMax = 4 << 20;
inline constexpr std::uint32_t kNameBytesMax = 1024;
inline constexpr std::uint32_t kInflightOperationsMax = 4096;
inline constexpr std::uint32_t kRegistrationsMax = 1000;
inline constexpr std::uint32_t kCreditMax = 1'000'000;
inline constexpr std::uint32_t kResumeMax = 100'000;
inline constexpr std::uint32_t kListMax = 1000;
inline constexpr std::uint32_t kStatusFilterMax = 100;
inline constexpr std::size_t kTokenBytesMax = 128;
inline constexpr std::size_t kSerializationBytesMax = 64;
inline constexpr std::int64_t kTimeoutMsMax = std::int64_t{100} * 365 * 24 * 3600 * 1000;  // about a century
inline constexpr std::int64_t kTimeMsMax = 253'402'300'799'999;                            // the end of year 9999

// The limits that a client is told in Welcome.
void PutLimits(std::int64_t ping_interval_ms, std::int64_t ping_timeout_ms, v1::Limits* to);

Error Check(const v1::Hello& hello);
Error Check(const v1::Registrations& registrations);
Error Check(const v1::Credit& credit);
Error Check(const v1::RecordStepFrame& frame);
Error Check(const v1::CompleteFrame& frame);
Error Check(const v1::AwaitFrame& frame);
Error Check(const v1::ReleaseFrame& frame);

Error Check(const v1::SubscribeRequest& request);
Error Check(const v1::ExecutionRef& execution);
Error Check(const v1::StepRecord& step);
Error Check(const v1::RecordStepRequest& request);  // the execution and the count; each step is checked by itself
Error Check(const v1::CompleteWorkflowRequest& request);
Error Check(const v1::GetReplayRequest& request);

Error Check(const v1::StartWorkflowRequest& request);
Error Check(const v1::GetWorkflowRequest& request);
Error Check(const v1::AwaitWorkflowRequest& request);
Error Check(const v1::ListWorkflowsRequest& request);
Error Check(const v1::ListStepsRequest& request);
Error Check(const v1::CancelWorkflowRequest& request);
Error Check(const v1::DrainRequest& request);
Error Check(const v1::RunMigrationsRequest& request);  // the files' own rules are checked when all are there

}  // namespace dbos::sidecar
