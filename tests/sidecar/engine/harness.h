// Harness: an Engine over a ModelStorage with time and tokens in the test's hand, and sinks that remember every answer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "sidecar/engine/engine.h"
#include "tests/sidecar/engine/model_storage.h"

namespace dbos::sidecar {

// Both a caller's and a session's sink. Counts answers for each seq: any seq answered twice is a breach.
class RecordingSink : public SessionSink {
 public:
  std::vector<std::uint64_t> acknowledged;
  std::map<std::uint64_t, Error> refused;
  std::map<std::uint64_t, StartResult> started;
  std::map<std::uint64_t, AwaitResult> awaited;
  std::map<std::uint64_t, int> answers;
  std::vector<dbos::sidecar::Dispatch> dispatched;
  std::vector<ReplayPage> pages;
  std::vector<ExecutionRef> cancelled;
  std::vector<ExecutionRef> evicted;
  std::vector<Reattached> reattached;
  int welcomes = 0;
  int pings = 0;
  int drains = 0;
  Error fatal;
  std::size_t waiting_bytes = 0;

  void Acknowledged(std::uint64_t seq) override {
    acknowledged.push_back(seq);
    ++answers[seq];
  }
  void Refused(std::uint64_t seq, Error error) override {
    refused[seq] = std::move(error);
    ++answers[seq];
  }
  void Started(std::uint64_t seq, StartResult result) override {
    started[seq] = std::move(result);
    ++answers[seq];
  }
  void Awaited(std::uint64_t seq, AwaitResult result) override {
    awaited[seq] = std::move(result);
    ++answers[seq];
  }
  void Flush() override {}
  std::size_t WaitingBytes() override { return waiting_bytes; }
  void Welcome(std::vector<Reattached> verdicts) override {
    reattached = std::move(verdicts);
    ++welcomes;
  }
  void Dispatched(dbos::sidecar::Dispatch dispatch) override { dispatched.push_back(std::move(dispatch)); }
  void Replayed(ReplayPage page) override { pages.push_back(std::move(page)); }
  void Cancelled(ExecutionRef execution, std::string) override { cancelled.push_back(std::move(execution)); }
  void Evicted(ExecutionRef execution, Error) override { evicted.push_back(std::move(execution)); }
  void Ping(std::uint64_t) override { ++pings; }
  void Pong(std::uint64_t) override {}
  void Drain(std::int64_t) override { ++drains; }
  void Fatal(Error error) override { fatal = std::move(error); }
};

class Harness {
 public:
  explicit Harness(EngineOptions options = {}) : options_(options) { Restart(); }

  // A new sidecar process over the same database.
  void Restart() {
    engine = std::make_unique<Engine>(options_, [this] { return "token-" + std::to_string(++tokens_); });
    engine->Tick(now, wall_ms);
  }
  void Restart(std::vector<std::string> expected_incarnations) {
    options_.expected_incarnations = std::move(expected_incarnations);
    Restart();
  }

  std::shared_ptr<RecordingSink> Open(SessionId id, std::uint32_t credit = 10, std::vector<ExecutionRef> resume = {}) {
    auto sink = std::make_shared<RecordingSink>();
    OpenUnsettled(id, sink, credit, std::move(resume));
    Settle();
    return sink;
  }

  void OpenUnsettled(SessionId id, const std::shared_ptr<RecordingSink>& sink, std::uint32_t credit = 10,
                     std::vector<ExecutionRef> resume = {},
                     const std::vector<std::string>& names = {"checkout", "ship"}) {
    HelloRequest hello;
    hello.application_version = "v1";
    hello.incarnation = "process-" + std::to_string(id % 100);
    for (const std::string& name : names) hello.workflows.push_back({name, max_recovery_attempts});
    hello.credit = credit;
    hello.resume = std::move(resume);
    engine->OpenSession(id, sink, std::move(hello));
  }

  // One commit and the reads that came of it. False: there was nothing to do.
  bool Round() {
    bool worked = false;
    for (ReadRequest& read : engine->TakeReads()) {
      worked = true;
      Answer(read);
    }
    Batch batch = engine->TakeBatch();
    if (!batch.empty()) {
      worked = true;
      ++commits;
      if (!storage.Commit(batch).ok()) return false;
      if (lose_next_answer) {  // the COMMIT's answer is lost: the same batch is committed again
        lose_next_answer = false;
        if (!storage.Commit(batch).ok()) return false;
      }
      engine->Committed(std::move(batch));
    }
    engine->TakeDirtySinks();
    return worked;
  }

  void Settle() { EXPECT_LT(SettleRounds(), 1000) << "the engine asks for work without end"; }
  int SettleRounds() {
    int rounds = 0;
    while (rounds < 1000 && Round()) ++rounds;
    return rounds;
  }

  // Time passes, and the engine is told often enough.
  void Advance(absl::Duration by) {
    for (absl::Duration left = by; left > absl::ZeroDuration(); left -= absl::Milliseconds(400)) {
      Stall(std::min(left, absl::Milliseconds(400)));
    }
  }
  // Time passes in one leap.
  void Stall(absl::Duration by) {
    Leap(by);
    Settle();
  }
  // The same, and nothing is done about it yet.
  void Leap(absl::Duration by) {
    now += by;
    wall_ms += absl::ToInt64Milliseconds(by);
    engine->Tick(now, wall_ms);
  }

  void Start(SessionId session, const std::shared_ptr<RecordingSink>& sink, std::uint64_t seq, const std::string& id,
             const std::string& name = "checkout", const std::string& token = "") {
    StartRequest request;
    request.workflow_id = id;
    request.name = name;
    request.input = {"{\"positionalArgs\":[]}", kPortableJson};
    request.request_token = token;
    engine->StartWorkflow(session, sink, seq, std::move(request));
  }

  void Step(SessionId session, const std::shared_ptr<RecordingSink>& sink, std::uint64_t seq, const ExecutionRef& ref,
            std::int32_t step_id, const std::string& value = "1", const std::string& name = "charge") {
    StepRecord step;
    step.step_id = step_id;
    step.name = name;
    step.outcome = Outcome{Outcome::Kind::kValue, {value, kPortableJson}};
    step.started_at_ms = step.completed_at_ms = wall_ms;
    engine->RecordStep(session, sink, seq, {ref, std::move(step)});
  }

  void Complete(SessionId session, const std::shared_ptr<RecordingSink>& sink, std::uint64_t seq,
                const ExecutionRef& ref, const std::string& value = "\"done\"") {
    engine->CompleteWorkflow(session, sink, seq, {ref, Outcome{Outcome::Kind::kValue, {value, kPortableJson}}});
  }

  void Fail(SessionId session, const std::shared_ptr<RecordingSink>& sink, std::uint64_t seq, const ExecutionRef& ref) {
    engine->CompleteWorkflow(session, sink, seq, {ref, Outcome{Outcome::Kind::kError, {"\"failed\"", kPortableJson}}});
  }

  void Await(SessionId session, const std::shared_ptr<RecordingSink>& sink, std::uint64_t seq, const std::string& id,
             std::int64_t timeout_ms = 0, std::optional<ExecutionRef> execution = std::nullopt) {
    engine->AwaitWorkflow(session, sink, seq, {id, timeout_ms, std::move(execution)});
  }

  ModelStorage storage;
  std::unique_ptr<Engine> engine;
  absl::Time now = absl::UnixEpoch() + absl::Hours(1);
  std::int64_t wall_ms = 1'800'000'000'000;
  std::int64_t max_recovery_attempts = kDefaultMaxRecoveryAttempts;
  int commits = 0;
  bool lose_next_answer = false;

 private:
  struct Reader {
    ModelStorage& storage;
    ReadResult operator()(const FindClaimableRead& read) const { return *storage.FindClaimable(read.filter); }
    ReadResult operator()(const LoadReplayRead& read) const { return *storage.LoadReplay(read.requests, 1 << 18); }
    ReadResult operator()(const ReadOutcomesRead& read) const { return *storage.ReadOutcomes(read.workflow_ids); }
    ReadResult operator()(const ProbeRead& read) const { return *storage.Probe(read.request); }
  };
  void Answer(const ReadRequest& read) { engine->ReadDone(read, std::visit(Reader{storage}, read)); }

  EngineOptions options_;
  int tokens_ = 0;
};

// One attached process, and workflows that it starts.
class OneAppTest : public ::testing::Test {
 protected:
  ExecutionRef StartOne(const std::string& id = "order-1") {
    h.Start(1, app, ++seq, id);
    h.Settle();
    return app->dispatched.back().execution;
  }

  Harness h;
  std::shared_ptr<RecordingSink> app = h.Open(1);
  std::uint64_t seq = 0;
};

}  // namespace dbos::sidecar
