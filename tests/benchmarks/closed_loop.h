// What the benchmarks' applications share: callers in a closed loop, and one JSON answer for each JSON request on
// standard input. The same as the peers' tests/peer/bench_loop.mjs.
#pragma once

#include <atomic>
#include <iostream>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "latencies.h"

namespace dbos::benchmarks {

// Latencies that are collected by many threads.
class SharedLatencies {
 public:
  void Merge(const Latencies& latencies) {
    const std::lock_guard<std::mutex> lock(mu_);
    latencies_.Merge(latencies);
  }
  Latencies Take() {
    const std::lock_guard<std::mutex> lock(mu_);
    return std::exchange(latencies_, {});
  }

 private:
  std::mutex mu_;
  Latencies latencies_;
};

// Calls run(caller) in `concurrency` threads until both the request's `workflows` have started and its `seconds` are
// over. Blocks until all have ended; an exception of run ends the program.
template <class Run>
nlohmann::json ClosedLoop(const nlohmann::json& request, int concurrency, const Run& run) {
  const std::size_t workflows = request.at("workflows");
  const double microseconds = request.value("seconds", 0.0) * 1e6;
  std::atomic<std::size_t> started = 0;
  std::vector<Latencies> results(static_cast<std::size_t>(concurrency));
  std::vector<std::thread> callers;
  const auto begin = Clock::now();
  for (int caller = 0; caller < concurrency; ++caller) {
    callers.emplace_back([&, caller] {
      while (started++ < workflows || Microseconds(Clock::now() - begin) < microseconds) {
        const auto before = Clock::now();
        run(caller);
        results[static_cast<std::size_t>(caller)].Add(Clock::now() - before);
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

// Launches the application and answers requests until standard input ends.
template <class Load>
void Serve() {
  Load load;
  std::cout << R"({"launching": true})" << std::endl;
  load.Launch();
  std::cout << R"({"ready": true})" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << load.Answer(nlohmann::json::parse(line)) << std::endl;
  }
}

}  // namespace dbos::benchmarks
