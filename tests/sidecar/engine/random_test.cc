// Random sequences of what clients, processes and the database can do, checked against the promises. Prints its seed;
// DBOS_TEST_SEED replays one.
#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "tests/sidecar/engine/harness.h"

namespace dbos::sidecar {
namespace {

class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed) {}

  void Run(int events) {
    for (int i = 0; i < events; ++i) Event();
    h_.Settle();
    // Calm: processes are there and finish what they are given.
    for (int i = 0; i < 200 && !AllEnded(); ++i) {
      if (sessions_.empty()) OpenOne();
      FinishAll();
      h_.Advance(absl::Seconds(4));
      for (auto& [id, sink] : sessions_) h_.engine->Heard(id);
    }
    for (const auto& [id, stored] : h_.storage.rows) {
      EXPECT_TRUE(IsTerminal(stored.row.status))
          << id << " is " << ToString(stored.row.status) << ", owner " << stored.row.owner_token << ", version "
          << stored.row.application_version << ", the engine holds " << h_.engine->status().executions;
    }
    Check();
  }

 private:
  int Pick(int n) { return static_cast<int>(random_() % static_cast<std::uint64_t>(n)); }

  void Event() {
    switch (Pick(13)) {
      case 0:
        OpenOne();
        break;
      case 1:
        CloseOne();
        break;
      case 2:
        RestartSidecar();
        break;
      case 3:
      case 4:
        StartOne();
        break;
      case 5:
      case 6:
      case 7:
        StepOne();
        break;
      case 8:
        CompleteOne();
        break;
      case 9:
        h_.lose_next_answer = true;
        break;
      case 10:
        CrossTwoBatches();
        break;
      case 11:
        h_.Advance(absl::Milliseconds(Pick(700)));
        break;
      default:
        h_.Round();
        break;
    }
    for (auto& [id, sink] : sessions_) h_.engine->Heard(id);
  }

  void OpenOne() {
    if (sessions_.size() >= 4) return;
    const SessionId id = ++last_session_;
    std::vector<ExecutionRef> resume;
    for (const auto& [key, ref] : running_) {
      if (Pick(2) == 0) resume.push_back(ref);
    }
    sessions_[id] = h_.Open(id, static_cast<std::uint32_t>(1 + Pick(4)), resume);
    all_sinks_.push_back(sessions_[id]);
    Collect();
  }

  void CloseOne() {
    if (sessions_.empty()) return;
    auto victim = std::next(sessions_.begin(), Pick(static_cast<int>(sessions_.size())));
    h_.engine->CloseSession(victim->first, Pick(2) == 0 ? CloseCause::kProcessGone : CloseCause::kConnectionLost);
    lost_.insert(victim->second.get());
    sessions_.erase(victim);
    steps_under_way_.clear();  // whoever comes back begins with what was not acknowledged
  }

  void RestartSidecar() {
    if (Pick(4) != 0) return;
    if (Pick(2) == 0) {  // dies after a commit, before its answers
      Batch batch = h_.engine->TakeBatch();
      ASSERT_TRUE(h_.storage.Commit(batch).ok());
    }
    sessions_.clear();
    for (const auto& sink : all_sinks_) lost_.insert(sink.get());
    h_.Restart(Pick(2) == 0 ? std::vector<std::string>{} : std::vector<std::string>{"process-1"});
  }

  std::pair<SessionId, std::shared_ptr<RecordingSink>> Anybody() {
    if (sessions_.empty() || Pick(4) == 0) {
      all_sinks_.push_back(std::make_shared<RecordingSink>());
      return {kNoSession, all_sinks_.back()};
    }
    return *std::next(sessions_.begin(), Pick(static_cast<int>(sessions_.size())));
  }

  void StartOne() {
    auto [session, sink] = Anybody();
    h_.Start(session, sink, ++seq_, "w" + std::to_string(Pick(12)));
    sent_[seq_] = sink;
    Collect();
  }

  // Every token ever handed out may still be used by some zombie.
  void StepOne() {
    if (known_.empty()) return;
    StepOf(known_[static_cast<std::size_t>(Pick(static_cast<int>(known_.size())))]);
    if (Pick(2) == 0 && !batch_under_way_) h_.Settle();
    Collect();
  }

  // A free step id, as deterministic code would use: an offence is evicted on purpose and would stay PENDING.
  void StepOf(const ExecutionRef ref) {
    auto [session, sink] = Anybody();
    const auto stored = static_cast<std::int32_t>(h_.storage.rows.at(ref.workflow_id).steps.size());
    const std::int32_t next = stored + steps_under_way_[ref.workflow_id];
    h_.Step(session, sink, ++seq_, ref, next, "\"" + ref.owner_token + "\"");
    sent_[seq_] = sink;
    steps_[seq_] = {ref, next};
    if (batch_under_way_ && !sink->refused.contains(seq_)) ++steps_under_way_[ref.workflow_id];
  }

  // Two batches are under way together; when the first has to be committed again, it is committed after the second.
  void CrossTwoBatches() {
    h_.Settle();
    Collect();
    h_.Leap(absl::Milliseconds(Pick(4000)));  // what was not due before may be in these batches
    batch_under_way_ = true;
    Hurry();
    Batch first = h_.engine->TakeBatch();
    Hurry();
    Batch second = h_.engine->TakeBatch();
    batch_under_way_ = false;
    steps_under_way_.clear();
    if (!second.empty()) {
      ASSERT_TRUE(h_.storage.Commit(second).ok());
      ExpectPrefixes();
    }
    if (!first.empty()) {
      ASSERT_TRUE(h_.storage.Commit(first).ok());
      h_.engine->Committed(std::move(first));
    }
    if (!second.empty()) h_.engine->Committed(std::move(second));
    h_.engine->TakeDirtySinks();
    Collect();
  }

  // Events that nobody waits for, many of them about the same execution.
  void Hurry() {
    for (int i = Pick(8); i > 0; --i) {
      switch (Pick(8)) {
        case 0:
          StartOne();
          break;
        case 1:
          CompleteOne();
          break;
        case 2:
          CloseOne();
          break;
        case 3:
          StepOne();
          break;
        default:
          if (!running_.empty()) StepOf(running_.begin()->second);
      }
    }
  }

  // At no moment is a step stored without the steps before it: a sidecar may die at any.
  void ExpectPrefixes() {
    for (const auto& [id, stored] : h_.storage.rows) {
      if (stored.steps.empty()) continue;
      EXPECT_EQ(stored.steps.rbegin()->first, static_cast<std::int32_t>(stored.steps.size()) - 1) << id;
    }
  }

  void CompleteOne() {
    if (known_.empty()) return;
    auto [session, sink] = Anybody();
    const ExecutionRef ref = known_[static_cast<std::size_t>(Pick(static_cast<int>(known_.size())))];
    h_.Complete(session, sink, ++seq_, ref, "\"" + ref.owner_token + "\"");
    sent_[seq_] = sink;
    Collect();
  }

  void Collect() {
    for (auto& sink : all_sinks_) {
      for (auto& dispatch : sink->dispatched) {
        CheckReplay(dispatch);
        known_.push_back(dispatch.execution);
        // Of two dispatches since the last look, the one that owns the workflow is the later one.
        ExecutionRef& running = running_[dispatch.execution.workflow_id];
        const std::string& owner = h_.storage.rows.at(dispatch.execution.workflow_id).row.owner_token;
        if (running.workflow_id.empty() || running.owner_token != owner) running = dispatch.execution;
      }
      sink->dispatched.clear();
    }
    for (const auto& [id, stored] : h_.storage.rows) {
      for (const auto& [step_id, step] : stored.steps) {
        const std::string& bytes = step.outcome->payload.data;
        auto [seen, first] = recorded_.try_emplace({id, step_id}, bytes);
        EXPECT_EQ(seen->second, bytes) << "a recorded step changed";
      }
    }
  }

  // Whoever is told that an earlier operation was refused ends with an error, as the client does.
  void FinishAll() {
    Collect();
    auto [session, sink] = *sessions_.begin();
    for (const auto& [id, ref] : std::map<std::string, ExecutionRef>(running_)) {
      h_.Complete(session, sink, ++seq_, ref);
      sent_[seq_] = sink;
      h_.Settle();
      if (!sink->refused.contains(seq_) || sink->refused[seq_].reason != Reason::kPrecedingOperationFailed) continue;
      h_.Fail(session, sink, ++seq_, ref);
      h_.Settle();
    }
    Collect();
  }

  // All that is recorded, except what this very execution has recorded since.
  void CheckReplay(const dbos::sidecar::Dispatch& dispatch) {
    const auto& stored = h_.storage.rows.at(dispatch.execution.workflow_id).steps;
    std::int32_t next = 0;
    for (const StepRecord& step : dispatch.replay) {
      EXPECT_EQ(step.step_id, next);
      EXPECT_EQ(step.outcome->payload.data, stored.at(next++).outcome->payload.data);
    }
    for (auto step = stored.lower_bound(next); step != stored.end(); ++step) {
      EXPECT_EQ(step->second.outcome->payload.data, "\"" + dispatch.execution.owner_token + "\"")
          << "not in the replay";
    }
  }

  bool AllEnded() {
    for (const auto& [id, stored] : h_.storage.rows) {
      if (!IsTerminal(stored.row.status)) return false;
    }
    return true;
  }

  void Check() {
    for (const auto& [id, times] : h_.storage.completions) EXPECT_EQ(times, 1) << id << " ended more than once";
    for (const auto& [seq, sink] : sent_) {
      EXPECT_TRUE(sink->answers.contains(seq) || lost_.contains(sink.get())) << "seq " << seq << " was not answered";
      auto step = steps_.find(seq);
      const auto& acknowledged = sink->acknowledged;
      if (step == steps_.end() || std::find(acknowledged.begin(), acknowledged.end(), seq) == acknowledged.end())
        continue;
      const auto& [ref, step_id] = step->second;
      const auto& stored = h_.storage.rows.at(ref.workflow_id).steps;
      ASSERT_TRUE(stored.contains(step_id)) << "an acknowledged step is not stored";
      EXPECT_EQ(stored.at(step_id).outcome->payload.data, "\"" + ref.owner_token + "\"");
    }
    for (const auto& sink : all_sinks_) {
      for (const auto& [seq, times] : sink->answers) EXPECT_EQ(times, 1) << "seq " << seq << " was answered twice";
    }
  }

  std::mt19937_64 random_;
  Harness h_;
  std::map<SessionId, std::shared_ptr<RecordingSink>> sessions_;
  std::vector<std::shared_ptr<RecordingSink>> all_sinks_;
  std::vector<ExecutionRef> known_;
  std::map<std::string, ExecutionRef> running_;
  std::map<std::pair<std::string, std::int32_t>, std::string> recorded_;
  std::map<std::uint64_t, std::shared_ptr<RecordingSink>> sent_;
  std::map<std::uint64_t, std::pair<ExecutionRef, std::int32_t>> steps_;
  std::set<const RecordingSink*> lost_;  // whoever waited there has gone
  bool batch_under_way_ = false;
  std::map<std::string, std::int32_t> steps_under_way_;  // by workflow
  SessionId last_session_ = 0;
  std::uint64_t seq_ = 0;
};

TEST(RandomTest, EveryWorkflowEndsOnceAndEveryRequestIsAnsweredOnce) {
  const char* given = std::getenv("DBOS_TEST_SEED");
  const std::uint64_t first = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  const int runs = given != nullptr ? 1 : 100;
  for (int i = 0; i < runs; ++i) {
    const std::uint64_t seed = first + static_cast<std::uint64_t>(i);
    SCOPED_TRACE("DBOS_TEST_SEED=" + std::to_string(seed));
    World(seed).Run(300);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace dbos::sidecar
