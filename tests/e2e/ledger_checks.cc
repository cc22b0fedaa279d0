#include "tests/e2e/ledger_checks.h"

#include <algorithm>
#include <cctype>
#include <map>

#include <gtest/gtest.h>

namespace dbos::sidecar {
namespace {

const std::vector<std::string> kNames = {"s0", "s1", "s2", "s3", "left", "right", "c0", "last"};

// The recorded results of a workflow and of its child, by step name.
std::map<std::string, std::string> Recorded(World& world, const std::string& id) {
  dbos::Client client({.sidecar_address = world.address()});
  std::map<std::string, std::string> recorded;
  for (const std::string& workflow : {id, id + "-6"}) {
    for (const dbos::StepInfo& step : client.steps(workflow)) {
      if (!step.output) continue;
      EXPECT_TRUE(recorded.emplace(step.name, *step.output).second) << step.name << " twice";
    }
  }
  return recorded;
}

}  // namespace

Callers::Callers(World& world, int workflows, int first)
    : world_(world), first_(static_cast<std::size_t>(first)), seen_(static_cast<std::size_t>(workflows)) {
  for (std::size_t index = 0; index < seen_.size(); ++index) {
    threads_.emplace_back([this, index] { Call(index); });
  }
}

Callers::~Callers() {
  given_up_ = true;
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void Callers::Call(std::size_t index) {
  dbos::Client client({.sidecar_address = world_.address(), .request_timeout = std::chrono::seconds(5)});
  const absl::Duration end = SinceBoot() + absl::Seconds(90);
  while (!given_up_ && SinceBoot() < end) {
    try {
      auto handle = client.start<std::vector<std::string>>("ledger", {.workflow_id = IdOf(index)}, kSteps);
      seen_[index] = handle.result(std::chrono::milliseconds(absl::ToInt64Milliseconds(end - SinceBoot())));
      break;
    } catch (const dbos::SidecarUnavailable&) {
      Pause(absl::Milliseconds(50));
    } catch (const dbos::Error& error) {
      ADD_FAILURE() << IdOf(index) << ": " << error.what();
      break;
    }
  }
  ++ended_;
}

void Callers::Finish(absl::Duration limit) {
  const absl::Duration end = SinceBoot() + limit;
  while (!ended() && SinceBoot() < end) world_.Supervise(absl::Milliseconds(50));
  EXPECT_TRUE(ended()) << world_.Logs();
  given_up_ = true;
  for (std::thread& thread : threads_) thread.join();
}

void Callers::CheckRecords() const {
  for (std::size_t index = 0; index < seen_.size(); ++index) {
    sidecar::CheckRecords(world_, IdOf(index), seen_[index]);
  }
}

void RunToTheEnd(World& world) {
  Callers caller(world, 1);
  caller.Finish();
  caller.CheckRecords();
}

void CheckRecords(World& world, const std::string& id, const std::vector<std::string>& seen) {
  ASSERT_EQ(seen.size(), kNames.size()) << id << "\n" << world.Logs();
  std::map<std::string, std::string> recorded = Recorded(world, id);
  const auto ledger = world.Ledger();
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    EXPECT_EQ(recorded[kNames[i]], "\"" + seen[i] + "\"") << id << " " << kNames[i];
    const std::string key = (kNames[i] == "c0" ? id + "-6 " : id + " ") + kNames[i];
    ASSERT_TRUE(ledger.contains(key)) << key << "\n" << world.Logs();
    const auto& runs = ledger.at(key);
    EXPECT_NE(std::find(runs.begin(), runs.end(), seen[i]), runs.end()) << key << " " << seen[i];
  }
}

void ExpectEachBodyRanOnce(const World& world, const std::string& except) {
  for (const auto& [key, runs] : world.Ledger()) {
    const std::string step = key.substr(key.find(' ') + 1);
    if (!except.empty() && (step == except || (except == "left" && step == "right"))) {
      EXPECT_LE(runs.size(), 2U) << key;
    } else {
      EXPECT_EQ(runs.size(), 1U) << key << "\n" << world.Logs();
    }
  }
}

void ExpectNoRecordedBodyRanAgain(World& world) {
  for (const auto& [key, runs] : world.Ledger()) {
    std::string id = key.substr(0, key.find(' '));
    if (id.ends_with("-6")) id.resize(id.size() - 2);
    EXPECT_EQ(Recorded(world, id)[key.substr(key.find(' ') + 1)], "\"" + runs.back() + "\"") << key;
  }
}

std::vector<dbos::WorkflowInfo> WorkflowsThatAre(World& world, dbos::WorkflowStatus status) {
  dbos::Client client({.sidecar_address = world.address()});
  return client.list({.status = {status}, .limit = 1000});
}

std::string TestName(std::string text) {
  for (char& c : text) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return text;
}

}  // namespace dbos::sidecar
