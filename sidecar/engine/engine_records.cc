#include "sidecar/engine/engine_records.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/time/clock.h"

#include "sidecar/base/mutex.h"

namespace dbos::sidecar {
namespace {

// Waits for the one answer.
class Waiting final : public ReplySink {
 public:
  void Acknowledged(std::uint64_t /*seq*/) override { Set({}); }
  void Refused(std::uint64_t /*seq*/, Error error) override { Set({std::move(error), std::nullopt}); }
  // A transaction that was run again may come to another end, but the first one stands.
  bool RecordedBefore(std::uint64_t /*seq*/, const Outcome& outcome) override {
    Set({{}, outcome});
    return true;
  }
  void Started(std::uint64_t /*seq*/, StartResult /*result*/) override {}
  void Awaited(std::uint64_t /*seq*/, AwaitResult /*result*/) override {}
  void Flush() override { answered_.NotifyOne(); }

  WorkflowRecords::Verdict Await(absl::Time give_up) {
    MutexLock lock(mu_);
    while (!verdict_) {
      const absl::Duration left = give_up - absl::Now();
      if (left <= absl::ZeroDuration()) {
        return {
            {Reason::kDatabaseUnavailable, "the system database has not taken the record of the transaction in time"},
            std::nullopt};
      }
      answered_.WaitFor(mu_, left);
    }
    return *verdict_;
  }

 private:
  void Set(WorkflowRecords::Verdict verdict) {
    MutexLock lock(mu_);
    verdict_ = std::move(verdict);
  }

  Mutex mu_;
  CondVar answered_;
  std::optional<WorkflowRecords::Verdict> verdict_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

WorkflowRecords::Verdict EngineRecords::Record(RecordStepRequest request) {
  const auto waiting = std::make_shared<Waiting>();
  loop_.Post([waiting, request = std::move(request)](Engine& engine) mutable {
    engine.RecordStep(kNoSession, waiting, 0, std::move(request));
  });
  return waiting->Await(absl::Now() + patience_);
}

}  // namespace dbos::sidecar
