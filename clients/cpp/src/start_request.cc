#include "start_request.h"

#include <utility>

#include "deadline.h"
#include "error_records.h"
#include "ids.h"

namespace dbos::runtime {

v1::StartWorkflowRequest MakeStartRequest(std::string_view name, const StartOptions& options, std::string input,
                                          const RequestLimits& limits) {
  CheckName("workflow name", name, limits.max_name_bytes);
  if (!options.workflow_id.empty()) CheckName("workflow id", options.workflow_id, limits.max_name_bytes);
  if (options.timeout.count() < 0) throw InvalidArgument("StartOptions::timeout must not be negative; 0 means none");
  if (input.size() > limits.max_payload_bytes) {
    throw PayloadTooLarge("the arguments have " + std::to_string(input.size()) + " bytes, the limit is " +
                          std::to_string(limits.max_payload_bytes) + " (Limits.max_payload_bytes)");
  }
  v1::StartWorkflowRequest request;
  request.set_workflow_id(options.workflow_id);  // none: the workflow is called as the request
  request.set_name(name.data(), name.size());
  request.mutable_input()->set_data(std::move(input));
  request.set_request_id(TimeOrderedUuid());
  request.set_timeout_ms(Bounded(options.timeout).count());
  return request;
}

}  // namespace dbos::runtime
