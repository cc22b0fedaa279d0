// WorkflowHandle: a started workflow, seen from outside. Copyable; works for any workflow of the database.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include <dbos/detail/workflow_access.h>
#include <dbos/values.h>
#include <dbos/workflow_info.h>

namespace dbos {

namespace detail {

template <class R>
R DecodeResult(const std::string& text) {
  if constexpr (!std::is_void_v<R>) {
    return Decode<R>(text);
  } else {
    static_cast<void>(text);
  }
}

}  // namespace detail

template <class R>
class WorkflowHandle {
 public:
  WorkflowHandle(std::shared_ptr<detail::WorkflowAccess> access, std::string workflow_id)
      : access_(std::move(access)), workflow_id_(std::move(workflow_id)) {}

  const std::string& id() const { return workflow_id_; }
  // Throws WorkflowNotFound if there is no such workflow.
  WorkflowStatus status() const { return access_->Status(workflow_id_); }
  WorkflowInfo info() const { return access_->Describe(workflow_id_); }

  // Waits for the end, however long, sidecar restarts included. Throws WorkflowError, AwaitedWorkflowCancelled or
  // MaxRecoveryAttemptsExceeded when the workflow ended so. A workflow that does not exist yet is waited for.
  R result() const { return detail::DecodeResult<R>(access_->Await(workflow_id_, std::nullopt)); }
  // Throws TimeoutError when the time is over first; the workflow goes on.
  R result(std::chrono::milliseconds timeout) const {
    return detail::DecodeResult<R>(access_->Await(workflow_id_, timeout));
  }

 private:
  std::shared_ptr<detail::WorkflowAccess> access_;
  std::string workflow_id_;
};

}  // namespace dbos
