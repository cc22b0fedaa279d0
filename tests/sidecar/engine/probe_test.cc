// Probes go on whatever the readers do.
#include <chrono>
#include <future>

#include <gtest/gtest.h>

#include "sidecar/base/ids.h"
#include "sidecar/base/mutex.h"
#include "sidecar/engine/loop.h"
#include "tests/sidecar/engine/model_storage.h"

namespace dbos::sidecar {
namespace {

constexpr std::chrono::seconds kPatience{10};

// Lets a test wait until something has happened a number of times.
class Count {
 public:
  void Add() {
    MutexLock lock(mu_);
    ++count_;
    changed_.NotifyAll();
  }
  int now() {
    MutexLock lock(mu_);
    return count_;
  }
  bool Reaches(int wanted) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    MutexLock lock(mu_);
    while (count_ < wanted && std::chrono::steady_clock::now() < until) {
      changed_.WaitFor(mu_, absl::Milliseconds(100));
    }
    return count_ >= wanted;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  int count_ ABSL_GUARDED_BY(mu_) = 0;
};

class CountedProbes final : public ModelStorage {
 public:
  explicit CountedProbes(Count& probes) : probes_(probes) {}
  absl::StatusOr<Due> Probe(const ProbeRequest& request) override {
    probes_.Add();
    return ModelStorage::Probe(request);
  }

 private:
  Count& probes_;
};

TEST(ProbeTest, LongReadsDoNotKeepProbesFromTheDatabase) {
  Count probes;
  Count reading;
  std::promise<void> end;
  EngineOptions options;
  options.probe_interval = absl::Milliseconds(10);
  EngineLoop::Options loop_options;
  EngineLoop loop(
      std::make_unique<Engine>(options, RandomUuid),
      [&](StorageRole) { return std::make_unique<CountedProbes>(probes); }, loop_options);
  loop.Start();
  const std::shared_future<void> ended = end.get_future().share();
  for (std::size_t i = 0; i < loop_options.readers; ++i) {
    ASSERT_TRUE(loop.PostRead([&, ended](Storage&) {
      reading.Add();
      ended.wait();
    }));
  }
  EXPECT_TRUE(reading.Reaches(static_cast<int>(loop_options.readers)));
  const int before = probes.now();
  EXPECT_TRUE(probes.Reaches(before + 3));
  end.set_value();
}

}  // namespace
}  // namespace dbos::sidecar
