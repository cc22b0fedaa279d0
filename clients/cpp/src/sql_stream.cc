#include "sql_stream.h"

#include <optional>
#include <utility>

#include "protocol_errors.h"

namespace dbos::runtime {
namespace {

constexpr std::size_t kIdleMax = 64;

}  // namespace

SqlStream::SqlStream(v1::TransactionService::Stub& stub) {
  context_.set_wait_for_ready(true);
  stream_ = stub.PrepareAsyncTransact(&context_, &queue_);
}

SqlStream::~SqlStream() {
  context_.TryCancel();
  grpc::Status status;
  if (started_) stream_->Finish(&status, this);
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

bool SqlStream::Exchange(const v1::TransactRequest& request, v1::TransactResponse& response, SystemTime deadline) {
  if (!started_) {
    started_ = true;
    stream_->StartCall(this);
    if (!Wait(1, deadline)) return false;
  }
  stream_->Write(request, this);
  stream_->Read(&response, this);
  used_ = Wait(2, deadline);
  return used_;
}

bool SqlStream::Wait(int events, SystemTime deadline) {
  bool all_ok = true;
  while (events > 0) {
    void* tag = nullptr;
    bool ok = false;
    switch (queue_.AsyncNext(&tag, &ok, deadline)) {
      case grpc::CompletionQueue::GOT_EVENT:
        --events;
        all_ok = all_ok && ok;
        break;
      case grpc::CompletionQueue::TIMEOUT:
        all_ok = false;
        context_.TryCancel();  // the events that are still to come fail now
        deadline = SystemTime::max();
        break;
      case grpc::CompletionQueue::SHUTDOWN:
        return false;
    }
  }
  return all_ok;
}

SqlStreams::SqlStreams(const std::shared_ptr<grpc::Channel>& channel)
    : stub_(v1::TransactionService::NewStub(channel)) {
}

std::unique_ptr<SqlStream> SqlStreams::Take() {
  {
    const MutexLock lock(mu_);
    if (!idle_.empty()) {
      std::unique_ptr<SqlStream> stream = std::move(idle_.back());
      idle_.pop_back();
      return stream;
    }
  }
  return New();
}

std::unique_ptr<SqlStream> SqlStreams::New() {
  return std::make_unique<SqlStream>(*stub_);
}

void SqlStreams::Give(std::unique_ptr<SqlStream> stream) {
  const MutexLock lock(mu_);
  if (idle_.size() < kIdleMax) idle_.push_back(std::move(stream));
}

void SqlStreams::DropIdle() {
  std::vector<std::unique_ptr<SqlStream>> dropped;  // ended without the lock
  const MutexLock lock(mu_);
  dropped.swap(idle_);
}

SqlStreams::Executed SqlStreams::Execute(const v1::ExecuteRequest& request, SystemTime deadline,
                                         const std::stop_token& stop) {
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(deadline);
  const std::stop_callback cancel(stop, [&context] { context.TryCancel(); });
  v1::ExecuteResponse response;
  const grpc::Status status = stub_->Execute(&context, request, &response);
  if (status.ok()) return {.response = std::move(response)};
  v1::ErrorDetail refusal;
  refusal.set_reason(ReasonOf(context));
  refusal.set_message(status.error_message());
  if (refusal.reason() != v1::REASON_UNSPECIFIED) return {.refusal = std::move(refusal)};
  const bool lost = status.error_code() == grpc::StatusCode::UNAVAILABLE ||
                    status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED ||
                    status.error_code() == grpc::StatusCode::CANCELLED;
  if (!lost) ThrowIfFailed(status, context);
  return {.why_lost = status.error_message()};
}

}  // namespace dbos::runtime
