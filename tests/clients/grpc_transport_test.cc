// The stream over real gRPC, against a server that sends what is no message.
#include "clients/cpp/src/grpc_transport.h"

#include <chrono>
#include <future>
#include <memory>
#include <string>

#include "grpcpp/create_channel.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"

namespace dbos::runtime {
namespace {

// Answers any call with bytes that are no SessionEvent, and keeps the stream open until the client ends it.
class GarbageService final : public grpc::CallbackGenericService {
  class Stream final : public grpc::ServerGenericBidiReactor {
   public:
    Stream() : slice_("\xff\xff\xff\xff"), garbage_(&slice_, 1) { StartWrite(&garbage_); }
    void OnCancel() override { Finish(grpc::Status::CANCELLED); }
    void OnDone() override { delete this; }  // as gRPC wants it: the last call on a reactor

   private:
    grpc::Slice slice_;
    grpc::ByteBuffer garbage_;
  };
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* /*context*/) override {
    return new Stream;
  }
};

class Events final : public TransportEvents {
 public:
  void OnMessage(v1::SessionEvent& /*event*/) override { ADD_FAILURE() << "garbage was taken for a message"; }
  void OnWritten() override {}
  void OnClosed(const std::string& /*why*/) override { closed.set_value(); }
  std::promise<void> closed;
};

TEST(GrpcTransportTest, AMessageThatCannotBeParsedEndsTheStream) {
  GarbageService service;
  grpc::ServerBuilder builder;
  builder.RegisterCallbackGenericService(&service);
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  GrpcTransport transport(grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
  Events events;
  transport.Open(&events);
  transport.Write("");
  EXPECT_EQ(events.closed.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
  server->Shutdown(std::chrono::system_clock::now());
}

}  // namespace
}  // namespace dbos::runtime
