#include "sql_stream.h"

#include <optional>
#include <string>
#include <utility>

#include "protocol_errors.h"
#include "request_limits.h"

namespace dbos::runtime {
namespace {

constexpr std::size_t kIdleMax = 64;
constexpr std::chrono::seconds kThreadIdle{1};

// What a failed call says about itself. Without a reason: it got no answer.
v1::ErrorDetail RefusalOf(const grpc::Status& status, const grpc::ClientContext& context) {
  v1::ErrorDetail refusal;
  refusal.set_reason(ReasonOf(context));
  refusal.set_message(status.error_message());
  if (refusal.reason() != v1::REASON_UNSPECIFIED) return refusal;
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
    refusal.set_reason(v1::REASON_UNSUPPORTED);
    refusal.set_message("this sidecar runs no transactions; bring it to the client's version");
  } else if (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) {
    refusal.set_reason(v1::REASON_PAYLOAD_TOO_LARGE);
    refusal.set_message("the rows do not fit into a message of " + std::to_string(kMessageBytesMax) +
                        " bytes: stream them (" + status.error_message() + ")");
  }
  return refusal;
}

}  // namespace

void SqlEvents::Expect(int events) {
  const MutexLock lock(mu_);
  expected_ = events;
  all_ok_ = true;
  handed_over_.store(true, std::memory_order_release);
}

// Notified under the lock: whoever waits may be gone a moment later.
void SqlEvents::Arrived(bool ok) {
  static_cast<void>(handed_over_.load(std::memory_order_acquire));
  const MutexLock lock(mu_);
  all_ok_ = all_ok_ && ok;
  if (--expected_ == 0) changed_.NotifyOne();
}

bool SqlEvents::WaitUntil(SteadyTime deadline) {
  const MutexLock lock(mu_);
  while (expected_ > 0) {
    if (!changed_.WaitUntil(mu_, deadline) && expected_ > 0) return false;
  }
  return true;
}

bool SqlEvents::Wait() {
  const MutexLock lock(mu_);
  while (expected_ > 0) changed_.Wait(mu_);
  return all_ok_;
}

void SqlEventThread::Expect(SqlEvents& events, int count) {
  events.Expect(count);
  const MutexLock lock(mu_);
  expected_ += count;
  if (std::exchange(runs_, true)) return;
  if (thread_.joinable()) thread_.join();  // it has nothing left to do
  thread_ = std::thread([this] { Run(); });
}

void SqlEventThread::Run() {
  void* tag = nullptr;
  bool ok = false;
  while (true) {
    const auto next = queue_.AsyncNext(&tag, &ok, std::chrono::system_clock::now() + kThreadIdle);
    if (next == grpc::CompletionQueue::SHUTDOWN) return;
    if (next == grpc::CompletionQueue::GOT_EVENT) {
      static_cast<SqlEvents*>(tag)->Arrived(ok);
      const MutexLock lock(mu_);
      --expected_;
    } else {
      const MutexLock lock(mu_);
      runs_ = expected_ > 0;
      if (!runs_) return;
    }
  }
}

SqlEventThread::~SqlEventThread() {
  queue_.Shutdown();
  std::thread thread;
  {
    const MutexLock lock(mu_);
    thread.swap(thread_);
  }
  if (thread.joinable()) thread.join();
  Run();  // what is left, if the thread has ended before
}

GrpcSqlStream::GrpcSqlStream(v1::TransactionService::Stub& stub, SqlEventThread& thread) : thread_(thread) {
  context_.set_wait_for_ready(true);
  stream_ = stub.PrepareAsyncTransact(&context_, &thread.queue());
}

GrpcSqlStream::~GrpcSqlStream() {
  if (!started_ || finished_) return;
  context_.TryCancel();
  TakeRefusal();
}

bool GrpcSqlStream::Exchange(const v1::TransactRequest& request, v1::TransactResponse& response, SteadyTime deadline) {
  if (!started_) {
    started_ = true;
    thread_.Expect(events_, 1);
    stream_->StartCall(&events_);
    if (!Wait(deadline)) return false;
  }
  sent_ = true;
  thread_.Expect(events_, 2);
  stream_->Write(request, &events_);
  stream_->Read(&response, &events_);
  used_ = Wait(deadline);
  return used_;
}

v1::ErrorDetail GrpcSqlStream::TakeRefusal() {
  finished_ = true;
  grpc::Status status;
  thread_.Expect(events_, 1);
  stream_->Finish(&status, &events_);
  events_.Wait();
  return RefusalOf(status, context_);
}

bool GrpcSqlStream::Wait(SteadyTime deadline) {
  if (!events_.WaitUntil(deadline)) context_.TryCancel();  // what is still to come fails now
  return events_.Wait();
}

SqlStreams::SqlStreams(const std::shared_ptr<grpc::Channel>& channel)
    : channel_(channel), stub_(v1::TransactionService::NewStub(channel)) {
}

SqlStreams::~SqlStreams() {
  DropIdle();
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
  return std::make_unique<GrpcSqlStream>(*stub_, thread_);
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

SqlDoor::Executed SqlStreams::Execute(const v1::ExecuteRequest& request, std::chrono::milliseconds timeout,
                                      const std::stop_token& stop) {
  const auto deadline = std::chrono::system_clock::now() + timeout;
  if (!channel_->WaitForConnected(deadline)) return {.why_lost = "no sidecar answers", .sent = false};
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(deadline);
  const std::stop_callback cancel(stop, [&context] { context.TryCancel(); });
  v1::ExecuteResponse response;
  grpc::Status status;
  SqlEvents events;
  thread_.Expect(events, 1);
  const auto call = stub_->AsyncExecute(&context, request, &thread_.queue());
  call->Finish(&response, &status, &events);
  events.Wait();
  if (status.ok()) return {.response = std::move(response)};
  v1::ErrorDetail refusal = RefusalOf(status, context);
  if (refusal.reason() != v1::REASON_UNSPECIFIED) return {.refusal = std::move(refusal)};
  return {.why_lost = status.error_message()};
}

}  // namespace dbos::runtime
