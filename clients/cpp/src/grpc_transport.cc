#include "grpc_transport.h"

#include <utility>

#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/client_callback.h"
#include "grpcpp/support/proto_buffer_reader.h"

namespace dbos::runtime {

// One stream. Keeps itself alive until OnDone, the last call gRPC makes on it.
class GrpcTransport::Stream final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                                    public std::enable_shared_from_this<Stream> {
 public:
  Stream(const std::shared_ptr<grpc::Channel>& channel, TransportEvents* events) : stub_(channel), events_(events) {}

  void Open() {
    self_ = shared_from_this();
    context_.set_wait_for_ready(true);
    stub_.PrepareBidiStreamingCall(&context_, "/dbos.v1.StepService/Session", grpc::StubOptions(), this);
    AddHold();  // for writes, which come from threads outside of the callbacks
    StartRead(&incoming_);
    StartCall();
  }

  void Write(std::string message) {
    if (!Enter()) return;
    grpc::Slice slice(message);
    outgoing_ = grpc::ByteBuffer(&slice, 1);
    StartWrite(&outgoing_);
    Leave();
  }

  void Finish() {
    if (!Enter()) return;
    StartWritesDone();
    Leave();
  }

  void Cancel() { context_.TryCancel(); }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return Close();
    if (!Parse()) return Cancel();
    events_->OnMessage(event_);
    StartRead(&incoming_);
  }
  void OnWriteDone(bool ok) override {
    if (ok) events_->OnWritten();
  }
  void OnDone(const grpc::Status& status) override {
    const std::shared_ptr<Stream> self = std::move(self_);
    events_->OnClosed(status.error_message());
  }

  // Brackets a call on the stream from outside of the callbacks: the hold stays until it is over.
  bool Enter() {
    const MutexLock lock(mu_);
    if (closing_) return false;
    ++outside_calls_;
    return true;
  }
  void Leave() {
    bool last = false;
    {
      const MutexLock lock(mu_);
      last = --outside_calls_ == 0 && closing_;
    }
    if (last) RemoveHold();
  }

  void Close() {
    {
      const MutexLock lock(mu_);
      if (closing_) return;
      closing_ = true;
      if (outside_calls_ > 0) return;  // Leave removes the hold
    }
    RemoveHold();
  }

  bool Parse() {
    grpc::ProtoBufferReader reader(&incoming_);
    return event_.ParseFromZeroCopyStream(&reader);
  }

  grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub_;
  TransportEvents* const events_;
  grpc::ClientContext context_;
  grpc::ByteBuffer incoming_;
  grpc::ByteBuffer outgoing_;
  v1::SessionEvent event_;
  std::shared_ptr<Stream> self_;
  Mutex mu_;
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
  int outside_calls_ ABSL_GUARDED_BY(mu_) = 0;
};

GrpcTransport::GrpcTransport(std::shared_ptr<grpc::Channel> channel) : channel_(std::move(channel)) {
}
GrpcTransport::~GrpcTransport() = default;

void GrpcTransport::Open(TransportEvents* events) {
  auto stream = std::make_shared<Stream>(channel_, events);
  {
    const MutexLock lock(mu_);
    stream_ = stream;
  }
  stream->Open();
}

void GrpcTransport::Write(std::string message) {
  if (const auto stream = Current()) stream->Write(std::move(message));
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
