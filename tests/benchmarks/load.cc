// dbos-bench-load: the benchmarks' application, on the public C++ client. The same workflow and the same requests as
// the peer's tests/peer/bench_sdk.mjs.
//
// Reads one JSON request a line on standard input and answers each with one JSON line:
//   {"do": "throughput", "steps": 10, "concurrency": 50, "workflows": 500, "seconds": 4}   at least both
//   {"do": "latency", "steps": 1, "workflows": 200}     one after another, start to result
//   {"do": "steps", "steps": 50, "workflows": 4}        the time of one sequential step inside a workflow
//   {"do": "finish", "workflows": 1000}                 waits until so many workflow bodies have returned
// The sidecar is found by DBOS_SIDECAR_ADDRESS.
#include <condition_variable>
#include <iostream>
#include <mutex>

#include <dbos/dbos.h>

#include "closed_loop.h"

namespace dbos::benchmarks {

struct Output {
  int index = 0;
  std::string text;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Output, index, text)

inline constexpr std::size_t kTextBytes = 100;  // as the peer's

namespace {

// Counts workflow bodies that have returned.
class Tally {
 public:
  void Finish() {
    const std::lock_guard<std::mutex> lock(mu_);
    ++finished_;
    changed_.notify_all();
  }
  std::size_t WaitForFinished(std::size_t count) {
    std::unique_lock<std::mutex> lock(mu_);
    changed_.wait(lock, [&] { return finished_ >= count; });
    return finished_;
  }

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  std::size_t finished_ = 0;
};

Output Bench(Context& context, int steps, SharedLatencies& times) {
  Output last;
  Latencies latencies;
  auto before = Clock::now();
  for (int index = 0; index < steps; ++index) {
    last = context.step("step", [&] { return Output{.index = index, .text = std::string(kTextBytes, 'x')}; });
    const auto after = Clock::now();
    if (index > 0) latencies.Add(after - before);
    before = after;
  }
  times.Merge(latencies);
  return last;
}

class Load {
 public:
  Load()
      : app_({.name = "bench", .version = "bench-1"}),
        workflow_(app_.workflow("bench", [this](Context& context, int steps) {
          const Output last = Bench(context, steps, step_times_);
          tally_.Finish();
          return last;
        })) {}

  void Launch() { app_.launch(); }

  nlohmann::json Answer(const nlohmann::json& request) {
    const std::string what = request.at("do");
    if (what == "throughput") return Throughput(request, request.at("concurrency"));
    if (what == "latency") return Throughput(request, 1);
    if (what == "steps") return StepTimes(request);
    if (what == "finish") return {{"workflows", tally_.WaitForFinished(request.at("workflows"))}};
    throw std::invalid_argument("no such request: " + what);
  }

 private:
  nlohmann::json Throughput(const nlohmann::json& request, int concurrency) {
    const int steps = request.at("steps");
    return ClosedLoop(request, concurrency, [&](int) { workflow_.run({}, steps); });
  }

  nlohmann::json StepTimes(const nlohmann::json& request) {
    step_times_.Take();
    nlohmann::json answer = Throughput(request, 1);
    answer.update(step_times_.Take().Summary());
    return answer;
  }

  Tally tally_;
  SharedLatencies step_times_;
  App app_;
  WorkflowOf<std::function<Output(Context&, int)>> workflow_;
};

}  // namespace
}  // namespace dbos::benchmarks

int main() {
  try {
    dbos::benchmarks::Serve<dbos::benchmarks::Load>();
    return 0;
  } catch (const std::exception& failure) {
    std::cerr << "dbos-bench-load: " << failure.what() << "\n";
    return 1;
  }
}
