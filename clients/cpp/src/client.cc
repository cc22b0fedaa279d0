#include <dbos/client.h>

#include "channel.h"
#include "unary_access.h"

namespace dbos {

Client::Client(const ClientOptions& options)
    : unary_(std::make_shared<detail::UnaryAccess>(
          runtime::OpenChannel(runtime::ResolveAddress(options.sidecar_address)), options.request_timeout)) {
}
Client::~Client() = default;

std::vector<WorkflowInfo> Client::list(const ListOptions& options) {
  return unary_->List(options);
}
std::vector<StepInfo> Client::steps(const std::string& workflow_id) {
  return unary_->Steps(workflow_id);
}
void Client::cancel(const std::string& workflow_id) {
  unary_->Cancel(workflow_id);
}

std::shared_ptr<detail::WorkflowAccess> Client::access() const {
  return unary_;
}

}  // namespace dbos
