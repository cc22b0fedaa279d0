#include "sidecar/engine/engine_records.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/time/clock.h"

#include "sidecar/base/mutex.h"

namespace dbos::sidecar {
namespace {

// Waits for the one answer.
class Verdict final : public ReplySink {
 public:
  void Acknowledged(std::uint64_t /*seq*/) override { Set({}); }
  void Refused(std::uint64_t /*seq*/, Error error) override { Set(std::move(error)); }
  void Started(std::uint64_t /*seq*/, StartResult /*result*/) override {}
  void Awaited(std::uint64_t /*seq*/, AwaitResult /*result*/) override {}
  void Flush() override { answered_.NotifyOne(); }

  Error Await(absl::Time give_up) {
    MutexLock lock(mu_);
    while (!error_) {
      const absl::Duration left = give_up - absl::Now();
      if (left <= absl::ZeroDuration()) {
        return {Reason::kDatabaseUnavailable,
                "the system database has not taken the record of the transaction in time"};
      }
      answered_.WaitFor(mu_, left);
    }
    return *error_;
  }

 private:
  void Set(Error error) {
    MutexLock lock(mu_);
    error_ = std::move(error);
  }

  Mutex mu_;
  CondVar answered_;
  std::optional<Error> error_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

Error EngineRecords::Record(RecordStepRequest request) {
  const auto verdict = std::make_shared<Verdict>();
  loop_.Post([verdict, request = std::move(request)](Engine& engine) mutable {
    engine.RecordStep(kNoSession, verdict, 0, std::move(request));
  });
  return verdict->Await(absl::Now() + patience_);
}

}  // namespace dbos::sidecar
