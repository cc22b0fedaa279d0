// dbos-bench-stub: a client on bare generated stubs that lets executions pile up in the sidecar.
//
//   dbos-bench-stub WORKFLOWS STEPS DONE
//
// Subscribes with credit for WORKFLOWS executions of "bench", starts them, waits until all are dispatched, records the
// first DONE of their STEPS, prints one JSON line, and holds them open until standard input ends. The sidecar is found
// by DBOS_SIDECAR_ADDRESS.
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <thread>
#include <vector>

#include <grpcpp/grpcpp.h>
#include <nlohmann/json.hpp>

#include "absl/synchronization/mutex.h"
#include "dbos/v1/steps.grpc.pb.h"
#include "dbos/v1/workflows.grpc.pb.h"

namespace dbos::benchmarks {
namespace {

constexpr int kCallers = 16;

void Check(const grpc::Status& status, const char* call) {
  if (!status.ok()) throw std::runtime_error(std::string(call) + ": " + status.error_message());
}

std::string StepOutput(int index) {
  return nlohmann::json{{"index", index}, {"text", std::string(100, 'x')}}.dump();
}

class Stub {
 public:
  explicit Stub(const std::shared_ptr<grpc::Channel>& channel)
      : workflows_(v1::WorkflowService::NewStub(channel)), steps_(v1::StepService::NewStub(channel)) {}

  // The stream that keeps the executions here.
  void Subscribe(uint32_t executions) {
    v1::SubscribeRequest request;
    request.set_application_name("bench");
    request.set_application_version("bench-1");
    request.set_incarnation("bench-stub");
    request.mutable_registrations()->add_workflows()->set_name("bench");
    request.mutable_credit()->set_executions(executions);
    stream_ = steps_->Subscribe(&context_, request);
  }

  void Start(int steps) {
    v1::StartWorkflowRequest request;
    request.set_name("bench");
    request.mutable_input()->set_data(
        nlohmann::json{{"positionalArgs", {steps}}, {"namedArgs", nlohmann::json::object()}}.dump());
    v1::StartWorkflowResponse response;
    grpc::ClientContext context;
    Check(workflows_->StartWorkflow(&context, request, &response), "StartWorkflow");
  }

  v1::ExecutionRef Receive() {
    v1::Execution execution;
    if (!stream_->Read(&execution)) Check(stream_->Finish(), "Subscribe");
    return execution.execution();
  }

  void Record(const v1::ExecutionRef& execution, int done) {
    v1::RecordStepRequest request;
    *request.mutable_execution() = execution;
    for (int index = 0; index < done; ++index) {
      v1::StepRecord& step = *request.add_steps();
      step.set_step_id(index);
      step.set_name("step");
      step.mutable_outcome()->mutable_value()->set_data(StepOutput(index));
    }
    v1::RecordStepResponse response;
    grpc::ClientContext context;
    Check(steps_->RecordStep(&context, request, &response), "RecordStep");
    for (const v1::StepResult& result : response.results()) {
      if (result.has_error()) throw std::runtime_error("a step was refused: " + result.error().message());
    }
  }

 private:
  const std::unique_ptr<v1::WorkflowService::Stub> workflows_;
  const std::unique_ptr<v1::StepService::Stub> steps_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::Execution>> stream_;
};

// Runs work(0) ... work(count - 1) on a few threads; the first failure is thrown when all have stopped.
template <class Work>
void InParallel(size_t count, const Work& work) {
  std::atomic<size_t> next = 0;
  std::atomic<bool> failed = false;
  std::exception_ptr failure;
  std::vector<std::thread> threads;
  for (int i = 0; i < kCallers; ++i) {
    threads.emplace_back([&] {
      try {
        for (size_t at = 0; !failed && (at = next++) < count;) work(at);
      } catch (...) {
        if (!failed.exchange(true)) failure = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
}

void Hold(size_t workflows, int steps, int done) {
  const char* address = std::getenv("DBOS_SIDECAR_ADDRESS");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  if (address == nullptr) throw std::runtime_error("set DBOS_SIDECAR_ADDRESS, for example unix:/tmp/sidecar.sock");
  const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(30))) {
    throw std::runtime_error(std::string("nothing answers at ") + address);
  }
  Stub stub(channel);
  stub.Subscribe(static_cast<uint32_t>(workflows));
  std::vector<v1::ExecutionRef> executions(workflows);
  std::thread receiver([&] {
    for (v1::ExecutionRef& execution : executions) execution = stub.Receive();
  });
  InParallel(workflows, [&](size_t) { stub.Start(steps); });
  receiver.join();
  if (done > 0) InParallel(workflows, [&](size_t at) { stub.Record(executions[at], done); });
  executions = {};
  std::cout << nlohmann::json{{"workflows", workflows}} << std::endl;
  for (std::string line; std::getline(std::cin, line);) continue;
  // No tidy end: whoever wants one closes the sidecar first. Destroying the open stream would wait for it.
  std::quick_exit(0);
}

}  // namespace
}  // namespace dbos::benchmarks

int main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  if (argc != 4) {
    std::cerr << "usage: dbos-bench-stub WORKFLOWS STEPS DONE\n";
    return 2;
  }
  try {
    dbos::benchmarks::Hold(std::stoul(argv[1]), std::stoi(argv[2]), std::stoi(argv[3]));
    return 0;
  } catch (const std::exception& failure) {
    std::cerr << "dbos-bench-stub: " << failure.what() << "\n";
    std::quick_exit(1);
  }
}
