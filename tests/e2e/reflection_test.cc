// Server reflection of a real sidecar: tools like grpcurl find the services, unless it is switched off.
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/sync_stream.h>
#include <gtest/gtest.h>

#include "tests/e2e/world.h"

namespace dbos::sidecar {
namespace {

using Stream = grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>;

struct Listing {
  grpc::Status status;
  std::string bytes;  // the answer as it came: the names of the services are in it
};

// ServerReflectionInfo without its proto: field 7 of the request asks for the list of services.
Listing ListServices(const std::string& address) {
  const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  const grpc::internal::RpcMethod method("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                                         grpc::internal::RpcMethod::BIDI_STREAMING);
  const std::unique_ptr<Stream> stream(
      grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, grpc::ByteBuffer>::Create(channel.get(), method,
                                                                                            &context));
  const grpc::Slice request("\x3A\x01*");
  grpc::ByteBuffer answer;
  grpc::Slice whole;
  stream->Write(grpc::ByteBuffer(&request, 1));
  if (stream->Read(&answer)) {
    EXPECT_TRUE(answer.DumpToSingleSlice(&whole).ok());
  }
  stream->WritesDone();
  return {stream->Finish(), {whole.begin(), whole.end()}};
}

TEST(ReflectionTest, ListsTheServicesByDefault) {
  World world(DatabaseKind::kSqlite);
  world.StartSidecar();
  const Listing listing = ListServices(world.address());
  EXPECT_TRUE(listing.status.ok()) << listing.status.error_message() << world.Logs();
  for (const char* service : {"dbos.v1.StepService", "dbos.v1.WorkflowService", "dbos.v1.AdminService"}) {
    EXPECT_NE(listing.bytes.find(service), std::string::npos) << service;
  }
}

TEST(ReflectionTest, IsNotThereWhenItIsSwitchedOff) {
  World world(DatabaseKind::kSqlite);
  world.StartSidecar("", {"--reflection", "off"});
  const Listing listing = ListServices(world.address());
  EXPECT_EQ(listing.status.error_code(), grpc::StatusCode::UNIMPLEMENTED) << listing.status.error_message();
  EXPECT_EQ(listing.bytes, "");
}

}  // namespace
}  // namespace dbos::sidecar
