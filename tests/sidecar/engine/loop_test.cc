// The engine's loop with real threads: those of the callers, the writer, the keeper and the readers all run rounds. No
// gRPC on any stack, so that ThreadSanitizer sees everything.
#include "sidecar/engine/loop.h"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "sidecar/base/mutex.h"
#include "tests/sidecar/engine/model_storage.h"

namespace dbos::sidecar {
namespace {

// Every so many commits one fails. Each thread has its own; only the writer's has rows.
class FailingStorage : public ModelStorage {
 public:
  explicit FailingStorage(int fails_every) : fails_every_(fails_every) {}

  void Send(Batch& /*batch*/) override { sent_ = true; }
  absl::Status Commit(Batch& batch, const Meanwhile& meanwhile) override {
    sent_ = false;
    meanwhile.at_first();
    if (++commits_ % 2 == 0) meanwhile.at_commit();
    if (commits_ % fails_every_ == 0) return absl::UnavailableError("the test wants it so");
    return ModelStorage::Commit(batch, meanwhile);
  }

 private:
  const int fails_every_;
  bool sent_ = false;  // written by whoever has the lead
  int commits_ = 0;
};

// A process and its session: it runs its own workflows, one after the other, without waiting for the steps.
class App : public SessionSink, public std::enable_shared_from_this<App> {
 public:
  App(EngineLoop& loop, SessionId id) : loop_(loop), id_(id) {}

  void Attach() {
    HelloRequest hello;
    hello.application_version = "v1";
    hello.incarnation = "process-" + std::to_string(id_);
    hello.workflows.push_back({"checkout"});
    hello.credit = 10;
    Post([hello = std::move(hello)](Engine& engine, const auto& self) mutable {
      engine.OpenSession(self->id_, self, std::move(hello));
    });
  }

  void Run(int workflows, int steps) {
    WaitUntil([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return welcomed_; });
    for (int i = 0; i < workflows; ++i) {
      const std::string workflow_id = std::to_string(id_) + "-" + std::to_string(i);
      StartRequest start;
      start.workflow_id = workflow_id;
      start.name = "checkout";
      Post([seq = ++seq_, start = std::move(start)](Engine& engine, const auto& self) mutable {
        engine.StartWorkflow(self->id_, self, seq, std::move(start));
      });
      ExecutionRef execution;
      WaitUntil([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
        execution = dispatched_;
        return execution.workflow_id == workflow_id;
      });
      for (int id = 0; id < steps; ++id) {
        Post([seq = ++seq_, execution, id](Engine& engine, const auto& self) {
          StepRecord step;
          step.step_id = id;
          step.name = "charge";
          engine.RecordStep(self->id_, self, seq, {execution, std::move(step)});
        });
      }
      Post([seq = ++seq_, execution](Engine& engine, const auto& self) {
        engine.CompleteWorkflow(self->id_, self, seq, {execution, Outcome{}});
      });
      WaitUntil([this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return answered_ == seq_; });
    }
    Post([](Engine& engine, const auto& self) { engine.CloseSession(self->id_, CloseCause::kProcessGone); });
  }

  void Acknowledged(std::uint64_t seq) override { Answered(seq); }
  void Refused(std::uint64_t seq, Error error) override {
    ADD_FAILURE() << error.message;
    Answered(seq);
  }
  void Started(std::uint64_t seq, StartResult /*result*/) override { Answered(seq); }
  void Awaited(std::uint64_t /*seq*/, AwaitResult /*result*/) override {}
  void Dispatched(Dispatch dispatch) override {
    const MutexLock lock(mu_);
    dispatched_ = std::move(dispatch.execution);
  }
  void Flush() override { flushed_.NotifyAll(); }
  std::size_t WaitingBytes() override { return 0; }
  void Welcome(std::vector<Reattached> /*reattached*/) override {
    const MutexLock lock(mu_);
    welcomed_ = true;
  }
  void Replayed(ReplayPage /*page*/) override {}
  void Cancelled(ExecutionRef /*execution*/, std::string /*reason*/) override {}
  void Evicted(ExecutionRef /*execution*/, Error why) override { ADD_FAILURE() << why.message; }
  void Ping(std::uint64_t /*nonce*/) override {}
  void Pong(std::uint64_t /*nonce*/) override {}
  void Drain(std::int64_t /*finish_within_ms*/) override {}
  void Fatal(Error error) override { ADD_FAILURE() << error.message; }

 private:
  template <typename Call>
  void Post(Call call) {
    loop_.Post([self = shared_from_this(), call = std::move(call)](Engine& engine) mutable {
      engine.Heard(self->id_);
      call(engine, self);
    });
  }
  void Answered(std::uint64_t seq) {
    const MutexLock lock(mu_);
    EXPECT_EQ(seq, answered_ + 1) << "not in the order of the requests, or twice";
    answered_ = seq;
  }
  void WaitUntil(const std::function<bool()>& condition) {
    const MutexLock lock(mu_);
    while (!condition()) flushed_.WaitFor(mu_, absl::Milliseconds(20));  // a flush may come just before this
  }

  EngineLoop& loop_;
  const SessionId id_;
  std::uint64_t seq_ = 0;
  Mutex mu_;
  CondVar flushed_;
  bool welcomed_ ABSL_GUARDED_BY(mu_) = false;
  std::uint64_t answered_ ABSL_GUARDED_BY(mu_) = 0;
  ExecutionRef dispatched_ ABSL_GUARDED_BY(mu_);
};

TEST(EngineLoopTest, EveryRequestIsAnsweredOnceAndInOrderWhateverThreadRunsTheRounds) {
  constexpr int kApps = 3;
  constexpr int kWorkflows = 20;
  constexpr int kSteps = 4;
  // Every commit counts as slow: the keeper runs rounds during each.
  const EngineLoop::Options options{.slow_commit = absl::ZeroDuration(), .retry_delay_min = absl::Microseconds(100)};
  EngineLoop loop(
      std::make_unique<Engine>(EngineOptions(), [tokens = 0]() mutable { return "token-" + std::to_string(++tokens); }),
      [](StorageRole /*role*/) { return std::make_unique<FailingStorage>(3); }, options);
  loop.Start();
  std::vector<std::thread> threads;
  for (SessionId id = 1; id <= kApps; ++id) {
    threads.emplace_back([&loop, id] {
      const auto app = std::make_shared<App>(loop, id);
      app->Attach();
      app->Run(kWorkflows, kSteps);
    });
  }
  std::atomic<int> reads = 0;
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(loop.PostRead([&](Storage& storage) { reads += storage.Probe({}).ok() ? 1 : 0; }));
    EXPECT_LE(loop.status().sessions, kApps);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(loop.DrainAndWait(absl::Seconds(10)));
  EXPECT_EQ(reads, 100);
}

TEST(EngineLoopTest, WorkForOthersIsMadeKnownAfterItsCommit) {
  class Storage final : public ModelStorage {
   public:
    explicit Storage(std::atomic<int>& commits) : commits_(commits) {}
    using ModelStorage::Commit;
    absl::Status Commit(Batch& batch, const Meanwhile& meanwhile) override {
      const absl::Status done = ModelStorage::Commit(batch, meanwhile);
      if (!batch.starts.empty()) ++commits_;
      return done;
    }

   private:
    std::atomic<int>& commits_;
  };
  std::atomic<int> commits = 0;
  std::atomic<int> told = 0;
  const auto tell = [&] {
    EXPECT_EQ(commits, 1);
    ++told;
  };
  EngineLoop loop(std::make_unique<Engine>(EngineOptions(), [] { return std::string("token"); }),
                  [&](StorageRole /*role*/) { return std::make_unique<Storage>(commits); }, {.work_for_others = tell});
  loop.Start();
  const auto caller = std::make_shared<App>(loop, 1);
  loop.Post([&](Engine& engine) {
    StartRequest request;
    request.workflow_id = "order-1";
    request.name = "checkout";
    engine.StartWorkflow(kNoSession, caller, 1, std::move(request));
  });
  while (told == 0) std::this_thread::yield();
  EXPECT_EQ(told, 1);
}

TEST(EngineLoopTest, ACommitThatFailsDoesNotKeepItFromStopping) {
  EngineLoop loop(std::make_unique<Engine>(EngineOptions(), [] { return std::string("token"); }),
                  [](StorageRole /*role*/) { return std::make_unique<FailingStorage>(1); },
                  {.retry_delay_min = absl::Hours(1), .retry_delay_max = absl::Hours(1)});
  loop.Start();
  std::make_shared<App>(loop, 1)->Attach();
  while (loop.status().database_available) std::this_thread::yield();
}

}  // namespace
}  // namespace dbos::sidecar
