// dbos-bench-relay-load: the application of dbos-bench-relay: 50 threads that make transactions of two statements, as
// those of transactions.cc, with no more of a runtime than their frames need.
//
//   dbos-bench-relay-load ADDRESS SECONDS     prints {"ready": true}, waits for a line, runs, and prints one JSON line:
//                                             workflows (transactions), seconds, median_us, p99_us
#include <array>
#include <cstdlib>
#include <iostream>
#include <semaphore>
#include <thread>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "absl/synchronization/mutex.h"
#include "dbos/v1/steps.grpc.pb.h"

#include "closed_loop.h"
#include "relay_frames.h"

namespace dbos::benchmarks {
namespace {

constexpr int kAccountStride = 200;  // as in transactions.cc

class Application {
 public:
  using Stream = grpc::ClientAsyncReaderWriter<v1::SessionRequest, v1::SessionEvent>;

  explicit Application(const std::string& address)
      : stub_(v1::StepService::NewStub(Channel(address))),
        stream_(stub_->PrepareAsyncSession(&context_, &events_)),
        writer_(*stream_) {
    stream_->StartCall(kOpened);
    std::thread([this] { Answers(); }).detach();
  }

  // 50 callers for so long; each of the "workflows" is one transaction.
  nlohmann::json Run(double seconds) {
    return ClosedLoop({{"workflows", 0}, {"seconds", seconds}}, kCallers,
                      [this](int caller) { Transact(static_cast<std::uint64_t>(caller)); });
  }

 private:
  struct Answered {
    std::uint64_t asked = 0;  // requests
    std::binary_semaphore is_there{0};
    std::string cell;
  };

  static std::shared_ptr<grpc::Channel> Channel(const std::string& address) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  }

  static void Add(v1::SqlStatement& statement, const char* name, std::int64_t value) {
    v1::SqlParameter& parameter = *statement.add_parameters();
    parameter.set_name(name);
    parameter.mutable_value()->set_integer(value);
  }

  void Transact(std::uint64_t caller) {
    const auto account = static_cast<std::int64_t>(caller) * kAccountStride;
    const std::string balance = Ask(caller, [&](v1::TransactRequest& read) {
      read.mutable_begin();
      read.mutable_statement()->set_sql("SELECT balance FROM bench.accounts WHERE id = :id");
      Add(*read.mutable_statement(), "id", account);
    });
    Ask(caller, [&](v1::TransactRequest& write) {
      write.mutable_statement()->set_sql("UPDATE bench.accounts SET balance = :balance WHERE id = :id");
      Add(*write.mutable_statement(), "balance", std::stoll(balance) + 1);
      Add(*write.mutable_statement(), "id", account);
    });
    Ask(caller, [&](v1::TransactRequest& commit) { commit.mutable_commit()->mutable_result()->set_data(balance); });
  }

  template <typename Fill>
  std::string Ask(std::uint64_t caller, Fill fill) {
    Answered& answered = answers_.at(caller);
    const std::uint64_t number = answered.asked++;
    writer_.Append([&](v1::ClientFrame& frame) {
      frame.mutable_transact()->set_seq(number * kCallers + caller);
      frame.mutable_transact()->set_conversation(caller);
      fill(*frame.mutable_transact()->mutable_request());
    });
    writer_.Flush();
    answered.is_there.acquire();
    return std::move(answered.cell);
  }

  void Answers() {
    v1::SessionEvent message;
    void* event = nullptr;
    bool ok = false;
    while (events_.Next(&event, &ok) && ok) {
      if (event == kRead) {
        for (v1::ServerFrame& frame : *message.mutable_frames()) {
          Answered& answered = answers_.at(frame.transacted().seq() % kCallers);
          answered.cell = frame.transacted().response().rows().rows(0).cells(0);
          answered.is_there.release();
        }
      }
      if (event != kWritten) stream_->Read(&message, kRead);
      if (event != kRead) writer_.GoOn();
    }
    std::cerr << "dbos-bench-relay-load: the stream ended\n";
    std::_Exit(1);
  }

  std::array<Answered, kCallers> answers_;
  grpc::CompletionQueue events_;
  grpc::ClientContext context_;
  std::unique_ptr<v1::StepService::Stub> stub_;
  std::unique_ptr<Stream> stream_;
  Writer<v1::SessionRequest, Stream> writer_;
};

// Ends with the process: gRPC's thread is still at work.
[[noreturn]] void Main(const std::string& address, double seconds) {
  Application application(address);
  std::cout << R"({"ready": true})" << std::endl;
  std::string go;
  std::getline(std::cin, go);
  std::cout << application.Run(seconds) << std::endl;
  std::_Exit(0);
}

}  // namespace
}  // namespace dbos::benchmarks

int main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  if (argc != 3) {
    std::cerr << "usage: dbos-bench-relay-load ADDRESS SECONDS\n";
    return 2;
  }
  try {
    dbos::benchmarks::Main(argv[1], std::stod(argv[2]));
  } catch (const std::exception& failure) {
    std::cerr << "dbos-bench-relay-load: " << failure.what() << "\n";
    return 1;
  }
}
