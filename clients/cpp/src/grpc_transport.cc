#include "grpc_transport.h"

#include <atomic>
#include <utility>

#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/proto_buffer_reader.h"

namespace dbos::runtime {

// One stream. Every call on it posts one event to the queue, which names the method to tell. Keeps itself alive until
// the last of these events.
class GrpcTransport::Stream final : public std::enable_shared_from_this<Stream> {
 public:
  // What the queue hands back.
  struct Event {
    Stream* stream;
    void (Stream::*tell)(bool ok);
  };

  Stream(const std::shared_ptr<grpc::Channel>& channel, grpc::CompletionQueue& queue, TransportEvents* events)
      : stub_(channel), events_(events) {
    context_.set_wait_for_ready(true);
    context_.set_initial_metadata_corked(true);  // it leaves with the first write, which may then follow at once
    call_ = stub_.PrepareCall(&context_, "/dbos.v1.StepService/Session", &queue);
  }

  void Open() {
    self_ = shared_from_this();
    call_->StartCall(nullptr);  // corked: no event comes of it
    Read();
  }

  void Write(const std::string& message) {
    const MutexLock lock(mu_);
    if (closing_) return;
    grpc::Slice slice(message);
    writing_ = true;
    Expect();
    call_->Write(grpc::ByteBuffer(&slice, 1), &written_);
  }

  void Finish() {
    const MutexLock lock(mu_);
    last_written_ = true;
    if (!writing_) EndWriting();
  }

  void Cancel() { context_.TryCancel(); }

  // Tells of one event; the stream may be gone afterwards.
  static void Deliver(const Event& event, bool ok) {
    Stream& stream = *event.stream;
    (stream.*event.tell)(ok);
    if (--stream.expected_ == 0) const std::shared_ptr<Stream> last = std::move(stream.self_);
  }

 private:
  void OnEndedWriting(bool /*ok*/) {}
  void OnWritten(bool ok) {
    {
      const MutexLock lock(mu_);
      writing_ = false;
      if (last_written_) return EndWriting();
    }
    if (ok) events_->OnWritten();
  }
  void OnRead(bool ok) {
    const bool readable = ok && Parse();
    if (readable) events_->OnMessage(event_);
    if (ok && !readable) Cancel();
    if (readable) return Read();
    const MutexLock lock(mu_);
    closing_ = true;
    Expect();
    call_->Finish(&status_, &finished_);
  }
  void OnFinished(bool /*ok*/) { events_->OnClosed(status_.error_message()); }

  void Read() {
    Expect();
    call_->Read(&incoming_, &read_);
  }
  void EndWriting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (closing_) return;
    Expect();
    call_->WritesDone(&ended_writing_);
  }
  void Expect() { ++expected_; }
  bool Parse() {
    grpc::ProtoBufferReader reader(&incoming_);
    return event_.ParseFromZeroCopyStream(&reader);
  }

  grpc::GenericStub stub_;
  TransportEvents* const events_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  Event read_{this, &Stream::OnRead};
  Event written_{this, &Stream::OnWritten};
  Event ended_writing_{this, &Stream::OnEndedWriting};
  Event finished_{this, &Stream::OnFinished};
  grpc::ByteBuffer incoming_;
  v1::SessionEvent event_;
  grpc::Status status_;

  std::shared_ptr<Stream> self_;  // set before the first event can come, dropped after the last
  std::atomic<int> expected_{0};  // events

  Mutex mu_;  // writers come from any thread until the call closes; the reader is alone
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool last_written_ ABSL_GUARDED_BY(mu_) = false;  // Finish was called
};

GrpcTransport::GrpcTransport(std::shared_ptr<grpc::Channel> channel)
    : channel_(std::move(channel)), thread_([this] { Run(); }) {
}

GrpcTransport::~GrpcTransport() {
  queue_.Shutdown();
  thread_.join();
}

void GrpcTransport::Run() {
  void* tag = nullptr;
  bool ok = false;
  for (turn_.Take(); queue_.Next(&tag, &ok); turn_.Take()) {
    Deliver(tag, ok);
    turn_.Give();
  }
}

void GrpcTransport::HandleOne(SteadyTime until) {
  using std::chrono::system_clock;
  const auto wait = std::chrono::duration_cast<system_clock::duration>(until - std::chrono::steady_clock::now());
  void* tag = nullptr;
  bool ok = false;
  if (queue_.AsyncNext(&tag, &ok, system_clock::now() + wait) == grpc::CompletionQueue::GOT_EVENT) Deliver(tag, ok);
}

void GrpcTransport::Deliver(void* tag, bool ok) {
  static_cast<void>(streams_.load(std::memory_order_acquire));
  Stream::Deliver(*static_cast<Stream::Event*>(tag), ok);
}

void GrpcTransport::Open(TransportEvents* events) {
  auto stream = std::make_shared<Stream>(channel_, queue_, events);
  {
    const MutexLock lock(mu_);
    stream_ = stream;
  }
  streams_.fetch_add(1, std::memory_order_release);
  stream->Open();
}

void GrpcTransport::Write(std::string message) {
  if (const auto stream = Current()) stream->Write(message);
}

void GrpcTransport::Finish() {
  if (const auto stream = Current()) stream->Finish();
}

void GrpcTransport::Cancel() {
  if (const auto stream = Current()) stream->Cancel();
}

std::shared_ptr<GrpcTransport::Stream> GrpcTransport::Current() {
  const MutexLock lock(mu_);
  return stream_;
}

}  // namespace dbos::runtime
