#include "sidecar/rpc/unary_call.h"

namespace dbos::sidecar {

void UnaryCall::Refuse(const Error& error) {
  if (ended_.exchange(true)) return;
  AddReasonTrailer(error.reason, call_);
  Finish(ToGrpcStatus(error));
}

void UnaryCall::OnCancel() {
  if (!ended_.exchange(true)) Finish(grpc::Status(grpc::CANCELLED, "the caller no longer waits"));
  Abandoned();
}

void UnaryCall::Acknowledged(std::uint64_t) {
  missing_.fetch_sub(1);
}

void UnaryCall::Refused(std::uint64_t seq, Error error) {
  StepRefused(seq, std::move(error));
  missing_.fetch_sub(1);
}

void UnaryCall::Started(std::uint64_t, StartResult result) {
  KeepStarted(std::move(result));
  missing_.fetch_sub(1);
}

void UnaryCall::Awaited(std::uint64_t, AwaitResult result) {
  KeepAwaited(std::move(result));
  missing_.fetch_sub(1);
}

void UnaryCall::StepRefused(std::uint64_t, Error error) {
  if (first_refusal_.ok()) first_refusal_ = std::move(error);
}

void UnaryCall::Flush() {
  if (missing_.load() != 0 || ended_.load()) return;
  if (!first_refusal_.ok()) return Refuse(first_refusal_);
  Complete();
}

}  // namespace dbos::sidecar
