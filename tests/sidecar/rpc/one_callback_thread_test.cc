// All callbacks of gRPC in this process, the services' among them, run on the threads that are looked at here.
#include "sidecar/rpc/one_callback_thread.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <set>
#include <string>
#include <thread>

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>

#include "tests/sidecar/rpc/door_fixture.h"

namespace dbos::sidecar {
namespace {

// The threads that run callbacks which come all at once and take a moment each.
std::set<std::thread::id> CallbackThreads(grpc::GenericStub& stub) {
  struct Call {
    grpc::ClientContext context;
    grpc::Slice nothing;
    grpc::ByteBuffer request = grpc::ByteBuffer(&nothing, 1);
    grpc::ByteBuffer response;
  };
  constexpr std::size_t kCalls = 50;
  std::deque<Call> calls;
  Mutex mu;
  CondVar done;
  std::set<std::thread::id> threads;
  std::size_t ended = 0;
  for (std::size_t n = 0; n < kCalls; ++n) {
    Call& call = calls.emplace_back();
    stub.UnaryCall(&call.context, "/none", {}, &call.request, &call.response, [&](const grpc::Status& status) {
      EXPECT_FALSE(status.ok());
      std::this_thread::sleep_for(std::chrono::milliseconds(2));  // paces the calls: another thread would help
      MutexLock lock(mu);
      threads.insert(std::this_thread::get_id());
      ++ended;
      done.NotifyAll();
    });
  }
  MutexLock lock(mu);
  while (ended < kCalls) done.Wait(mu);
  return threads;
}

class OneCallbackThreadTest : public DoorFixture {
 protected:
  grpc::GenericStub stub_ = grpc::GenericStub(grpc::CreateChannel("", nullptr));

  std::string Version() {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    v1::GetInfoResponse info;
    const grpc::Status status = admin_->GetInfo(&context, {}, &info);
    return status.ok() ? info.sidecar_version() : status.error_message();
  }
};

TEST_F(OneCallbackThreadTest, AServerLeavesOneThreadForCallbacks) {
  EXPECT_EQ(CallbackThreads(stub_).size(), 1U);
  EXPECT_EQ(Version(), "1.2.3");
}

// After a second in which nothing came, gRPC's threads do not look for 100 ms.
TEST_F(OneCallbackThreadTest, AnIdleServerAnswersAtOnce) {
  auto fastest = std::chrono::steady_clock::duration::max();
  for (int n = 0; n < 3; ++n) {
    EXPECT_EQ(Version(), "1.2.3");
    std::this_thread::sleep_for(std::chrono::milliseconds(1030));  // paces the calls: the nap would have 70 ms to go
    const auto before = std::chrono::steady_clock::now();
    EXPECT_EQ(Version(), "1.2.3");
    fastest = std::min(fastest, std::chrono::steady_clock::now() - before);
  }
  EXPECT_LT(fastest, std::chrono::milliseconds(40));
}

TEST_F(OneCallbackThreadTest, TheThreadIsLeftToTheServersThatStay) {
  auto other = GrpcServer::Start({*loop_, {}, attachments_, migrations_, nullptr}, Reflection::kOn);
  ASSERT_NE(other, nullptr);
  EXPECT_EQ(CallbackThreads(stub_).size(), 1U);
  other->Shutdown(absl::ZeroDuration());
  other.reset();
  EXPECT_EQ(CallbackThreads(stub_).size(), 1U);
  EXPECT_EQ(Version(), "1.2.3");
}

TEST(OneCallbackThread, AllThreadsAreBackAtItsEnd) {
  grpc::GenericStub stub(grpc::CreateChannel("", nullptr));
  EXPECT_GT(CallbackThreads(stub).size(), 1U);
  {
    const auto held = OneCallbackThread::Hold();
    EXPECT_EQ(held, OneCallbackThread::Hold());
    EXPECT_EQ(CallbackThreads(stub).size(), 1U);
  }
  EXPECT_GT(CallbackThreads(stub).size(), 1U);
}

}  // namespace
}  // namespace dbos::sidecar
