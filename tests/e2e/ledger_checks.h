// What a crash test does with the workflows of ledger_app: starts them from outside, waits for their results through
// any outage, and compares what the callers saw, what is recorded, and what the ledger says ran.
#pragma once

#include <atomic>
#include <cstddef>
#include <string>
#include <thread>
#include <vector>

#include <dbos/dbos.h>

#include "absl/time/time.h"

#include "tests/e2e/world.h"

namespace dbos::sidecar {

inline constexpr int kSteps = 4;

// Callers: clients that start one workflow each and wait for its result, however often the sidecar is away.
//
// Threads:  one, which has one thread for each caller behind it. Blocking: Finish.
class Callers {
 public:
  // Workflow ids "w<first>", "w<first + 1>", ...
  Callers(World& world, int workflows, int first = 0);
  ~Callers();
  Callers(const Callers&) = delete;
  Callers& operator=(const Callers&) = delete;

  bool ended() const { return ended_ == threads_.size(); }
  // Supervises the world until every workflow has ended. A failure of the test if that takes longer than `limit`.
  void Finish(absl::Duration limit = absl::Seconds(75));
  // After Finish: CheckRecords for every workflow.
  void CheckRecords() const;

 private:
  void Call(std::size_t index);

  std::string IdOf(std::size_t index) const { return "w" + std::to_string(first_ + index); }

  World& world_;
  const std::size_t first_;
  std::vector<std::vector<std::string>> seen_;
  std::atomic<std::size_t> ended_{0};
  std::atomic<bool> given_up_{false};
  std::vector<std::thread> threads_;
};

// One caller of workflow "w0", to its end.
void RunToTheEnd(World& world);

// What the code saw is what is recorded, and is in the ledger under the right name.
void CheckRecords(World& world, const std::string& id, const std::vector<std::string>& seen);

// `except`: a step whose body may have run twice.
void ExpectEachBodyRanOnce(const World& world, const std::string& except = "");

// The last run of every body is the one that is recorded: after its record was committed, none ran again.
void ExpectNoRecordedBodyRanAgain(World& world);

// The workflows of this status, children included.
std::vector<dbos::WorkflowInfo> WorkflowsThatAre(World& world, dbos::WorkflowStatus status);

// Letters, digits and underscores of `text`: what a test may be called.
std::string TestName(std::string text);

}  // namespace dbos::sidecar
