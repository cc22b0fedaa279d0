// dbos-bench-load: the benchmarks' application, on the public C++ client. The same workflow and the same requests as
// the peer's tests/peer/bench_sdk.mjs.
//
// Reads one JSON request a line on standard input and answers each with one JSON line:
//   {"do": "throughput", "steps": 10, "concurrency": 50, "workflows": 500, "seconds": 4}   at least both
//   {"do": "latency", "steps": 1, "workflows": 200}     one after another, start to result
//   {"do": "steps", "steps": 50, "workflows": 4}        the time of one sequential step inside a workflow
//   {"do": "finish", "workflows": 1000}                 waits until so many workflow bodies have returned
// The sidecar is found by DBOS_SIDECAR_ADDRESS.
#include <atomic>
#include <condition_variable>
#include <iostream>
#include <mutex>
#include <thread>

#include <dbos/dbos.h>

#include "latencies.h"

namespace dbos::benchmarks {

struct Output {
  int index = 0;
  std::string text;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Output, index, text)

inline constexpr std::size_t kTextBytes = 100;  // as the peer's

namespace {

// Counts workflow bodies that have returned, and collects the step times of the ones that ran alone.
class Tally {
 public:
  void Finish(const Latencies& steps) {
    const std::lock_guard<std::mutex> lock(mu_);
    ++finished_;
    steps_.Merge(steps);
    changed_.notify_all();
  }
  std::size_t WaitForFinished(std::size_t count) {
    std::unique_lock<std::mutex> lock(mu_);
    changed_.wait(lock, [&] { return finished_ >= count; });
    return finished_;
  }
  Latencies TakeSteps() {
    const std::lock_guard<std::mutex> lock(mu_);
    return std::exchange(steps_, {});
  }

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  std::size_t finished_ = 0;
  Latencies steps_;
};

Output Bench(Context& context, int steps, Tally& tally) {
  Output last;
  Latencies latencies;
  auto before = Clock::now();
  for (int index = 0; index < steps; ++index) {
    last = context.step("step", [&] { return Output{.index = index, .text = std::string(kTextBytes, 'x')}; });
    const auto after = Clock::now();
    if (index > 0) latencies.Add(after - before);
    before = after;
  }
  tally.Finish(latencies);
  return last;
}

class Load {
 public:
  Load()
      : app_({.name = "bench", .version = "bench-1"}),
        workflow_(
            app_.workflow("bench", [this](Context& context, int steps) { return Bench(context, steps, tally_); })) {}

  void Launch() { app_.launch(); }

  nlohmann::json Answer(const nlohmann::json& request) {
    const std::string what = request.at("do");
    if (what == "throughput") return ClosedLoop(request, request.at("concurrency"));
    if (what == "latency") return ClosedLoop(request, 1);
    if (what == "steps") return StepTimes(request);
    if (what == "finish") return {{"workflows", tally_.WaitForFinished(request.at("workflows"))}};
    throw std::invalid_argument("no such request: " + what);
  }

 private:
  nlohmann::json ClosedLoop(const nlohmann::json& request, int concurrency) {
    const int steps = request.at("steps");
    const std::size_t workflows = request.at("workflows");
    const double microseconds = request.value("seconds", 0.0) * 1e6;
    std::atomic<std::size_t> started = 0;
    std::vector<Latencies> results(static_cast<std::size_t>(concurrency));
    std::vector<std::thread> callers;
    const auto begin = Clock::now();
    for (Latencies& result : results) {
      callers.emplace_back([&] {
        while (started++ < workflows || Microseconds(Clock::now() - begin) < microseconds) {
          const auto before = Clock::now();
          workflow_.run({}, steps);
          result.Add(Clock::now() - before);
        }
      });
    }
    for (std::thread& caller : callers) caller.join();
    const double elapsed = Microseconds(Clock::now() - begin) / 1e6;
    Latencies all;
    for (const Latencies& result : results) all.Merge(result);
    nlohmann::json answer = all.Summary();
    answer["workflows"] = all.size();
    answer["seconds"] = elapsed;
    return answer;
  }

  nlohmann::json StepTimes(const nlohmann::json& request) {
    tally_.TakeSteps();
    nlohmann::json answer = ClosedLoop(request, 1);
    answer.update(tally_.TakeSteps().Summary());
    return answer;
  }

  Tally tally_;
  App app_;
  WorkflowOf<std::function<Output(Context&, int)>> workflow_;
};

void Serve() {
  Load load;
  std::cout << R"({"launching": true})" << std::endl;
  load.Launch();
  std::cout << R"({"ready": true})" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << load.Answer(nlohmann::json::parse(line)) << std::endl;
  }
}

}  // namespace
}  // namespace dbos::benchmarks

int main() {
  try {
    dbos::benchmarks::Serve();
    return 0;
  } catch (const std::exception& failure) {
    std::cerr << "dbos-bench-load: " << failure.what() << "\n";
    return 1;
  }
}
