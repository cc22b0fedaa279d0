#include "sidecar/rpc/subscription.h"

#include <utility>

#include "sidecar/base/logging.h"
#include "sidecar/rpc/convert.h"
#include "sidecar/rpc/errors.h"
#include "sidecar/rpc/greeting.h"

namespace dbos::sidecar {

Subscription* Subscription::Open(RpcContext& context, grpc::CallbackServerContext* call,
                                 const v1::SubscribeRequest* request) {
  auto subscription = std::make_shared<Subscription>(context, call);
  subscription->self_ = subscription;
  subscription->Attach(*request);
  return subscription.get();
}

// An outbox with messages of no bytes: every execution is a message of its own.
Subscription::Subscription(RpcContext& context, grpc::CallbackServerContext* call)
    : context_(context), call_(call), outbox_({.message_bytes = 0}) {
}

void Subscription::Attach(v1::SubscribeRequest request) {
  if (Error error = CheckGreeting(request, context_.info); !error.ok()) {
    Log(LogLevel::kWarning, "subscription refused", {{"why", error.message}});
    Fatal(std::move(error));
    return Flush();
  }
  Log(LogLevel::kInfo, "subscriber attached",
      {{"session", std::to_string(id_)}, {"version", request.application_version()}});
  context_.attachments.Attached(id_, request.incarnation(), std::nullopt);
  context_.loop.Post([self = shared_from_this(), hello = TakeSubscribe(request)](Engine& engine) mutable {
    engine.OpenSession(self->id_, self, std::move(hello));
  });
  open_.store(true);
}

void Subscription::Dispatched(Dispatch dispatch) {
  const std::size_t bytes = WireBytes(dispatch);
  outbox_.Append(bytes, [&](v1::Execution& execution) { Put(std::move(dispatch), &execution); });
}

void Subscription::Fatal(Error error) {
  fatal_.store(error.reason);
  outbox_.End(ToGrpcStatus(error));
}

void Subscription::OnWriteDone(bool ok) {
  if (outbox_.Written()) context_.loop.Post([](Engine&) {});  // it looks what else there is to send
  if (!ok) outbox_.Abort();
  Flush();
}

void Subscription::OnCancel() {
  outbox_.Abort();
  StreamEnded();
}

void Subscription::StreamEnded() {
  if (open_.load() && !ended_.exchange(true)) {
    context_.loop.Post([id = id_](Engine& engine) { engine.CloseSession(id, CloseCause::kProcessGone); });
    context_.attachments.Detached(id_);
    Log(LogLevel::kInfo, "subscriber detached", {{"session", std::to_string(id_)}});
  }
  Flush();
}

void Subscription::Flush() {
  switch (outbox_.Next()) {
    case StreamAction::kNone:
      return;
    case StreamAction::kWrite:
      return StartWrite(outbox_.writing());
    case StreamAction::kFinish:
      if (fatal_.load() != Reason::kNone) AddReasonTrailer(fatal_.load(), call_);
      return Finish(outbox_.status());
    case StreamAction::kCancel:
      Log(LogLevel::kWarning, "client does not read: closing its subscription", {{"session", std::to_string(id_)}});
      return call_->TryCancel();
  }
}

}  // namespace dbos::sidecar
