#include "sidecar/rpc/workflow_calls.h"

#include <utility>

#include "absl/time/clock.h"

#include "sidecar/rpc/convert.h"
#include "sidecar/rpc/validate.h"

namespace dbos::sidecar {

void StartWorkflowCall::Run(RpcContext& context, v1::StartWorkflowRequest request) {
  if (Error error = Check(request); !error.ok()) return Refuse(error);
  Expect(1);
  StartRequest start = TakeStart(request, absl::ToUnixMillis(absl::Now()));
  context.loop.Post([self = shared_from_this(), start = std::move(start)](Engine& engine) mutable {
    engine.StartWorkflow(kNoSession, self, 0, std::move(start));
  });
}

void StartWorkflowCall::Complete() {
  Answer([this] { Put(std::move(result_), response_); });
}

void AwaitWorkflowCall::Run(const v1::AwaitWorkflowRequest& request) {
  if (Error error = Check(request); !error.ok()) return Refuse(error);
  Expect(1);
  AwaitRequest wait;
  wait.workflow_id = request.workflow_id();
  wait.timeout_ms = request.timeout_ms();
  context_.loop.Post([self = shared_from_this(), wait = std::move(wait)](Engine& engine) mutable {
    engine.AwaitWorkflow(kNoSession, self, 0, std::move(wait));
  });
}

void AwaitWorkflowCall::Complete() {
  Answer([this] { Put(std::move(result_), response_); });
}

void AwaitWorkflowCall::Abandoned() {
  context_.loop.Post([self = shared_from_this()](Engine& engine) { engine.AbandonAwait(self, 0); });
}

void CancelWorkflowCall::Run(RpcContext& context, const v1::CancelWorkflowRequest& request) {
  if (Error error = Check(request); !error.ok()) return Refuse(error);
  Expect(1);
  context.loop.Post([self = shared_from_this(), id = request.workflow_id()](Engine& engine) mutable {
    engine.CancelWorkflow(self, 0, std::move(id));
  });
}

void CancelWorkflowCall::Complete() {
  Answer([] {});
}

}  // namespace dbos::sidecar
