#include "tests/e2e/faulty_storage.h"

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>

#include <signal.h>
#include <unistd.h>

#include "sidecar/base/check.h"

namespace dbos::sidecar {
namespace {

constexpr char kBlind[] = "blind";

bool Holds(const Batch& batch, const std::string& kind) {
  if (kind == "start") return !batch.starts.empty();
  if (kind == "step") return !batch.steps.empty();
  if (kind == "completion") return !batch.completions.empty();
  if (kind == "claim") return !batch.claims.empty();
  if (kind == "take_over") return !batch.take_overs.empty();
  if (kind == "hand_back") return !batch.hand_backs.empty();
  if (kind == "adopt") return !batch.adoptions.empty();
  if (kind == "recover") return !batch.recoveries.empty();
  DBOS_CHECK(kind == "version");
  return !batch.versions.empty();
}

class FaultyStorage : public Storage {
 public:
  FaultyStorage(std::unique_ptr<Storage> storage, Fault fault) : storage_(std::move(storage)), fault_(fault) {}

  // What is to be struck before its commit must not have been sent.
  void Send(Batch& batch) override {
    if (fault_.moment == "behind") {
      storage_->Send(batch);
      if (behind_ && Holds(batch, fault_.kind) && ++seen_ == fault_.n) Strike();
      return;
    }
    const bool strikes = Holds(batch, fault_.kind) && seen_ + 1 == fault_.n;
    if (strikes && fault_.moment == "before") return;
    storage_->Send(batch);
    if (strikes && fault_.moment == "during") Strike();
  }

  using Storage::Commit;
  absl::Status Commit(Batch& batch, const Meanwhile& meanwhile) override {
    const bool strikes = fault_.moment != "behind" && Holds(batch, fault_.kind) && ++seen_ == fault_.n;
    if (strikes && fault_.moment == "before") Strike();
    const auto at_first = [&] {
      if (strikes && fault_.moment == "during") Strike();
      if (meanwhile.at_first) meanwhile.at_first();
    };
    const auto at_commit = [&] {
      behind_ = true;
      if (meanwhile.at_commit) meanwhile.at_commit();
      behind_ = false;
    };
    const absl::Status status = storage_->Commit(batch, {at_first, at_commit});
    if (strikes && fault_.moment == "after" && status.ok()) Strike();
    return status;
  }

  absl::StatusOr<std::vector<std::string>> FindClaimable(const ClaimFilter& filter) override {
    return storage_->FindClaimable(filter);
  }
  absl::StatusOr<Due> Probe(const ProbeRequest& request) override {
    absl::StatusOr<Due> due = storage_->Probe(request);
    if (due.ok() && fault_.moment == kBlind) due->claimable = false;
    return due;
  }
  absl::StatusOr<std::vector<Replay>> LoadReplay(const std::vector<ReplayRequest>& requests,
                                                 std::int64_t max_bytes_each) override {
    return storage_->LoadReplay(requests, max_bytes_each);
  }
  absl::StatusOr<std::vector<WorkflowRecord>> ReadOutcomes(const std::vector<std::string>& ids) override {
    return storage_->ReadOutcomes(ids);
  }
  absl::StatusOr<std::optional<WorkflowRecord>> ReadWorkflow(const std::string& id) override {
    return storage_->ReadWorkflow(id);
  }
  absl::StatusOr<std::vector<WorkflowRecord>> ListWorkflows(const WorkflowFilter& filter) override {
    return storage_->ListWorkflows(filter);
  }
  absl::StatusOr<StepPage> ListSteps(const StepFilter& filter) override { return storage_->ListSteps(filter); }

 private:
  void Strike() const { sidecar::Strike(fault_); }

  const std::unique_ptr<Storage> storage_;
  const Fault fault_;
  int seen_ = 0;
  bool behind_ = false;  // what is sent now goes behind a batch that is not known to be committed
};

}  // namespace

void Strike(const Fault& fault) {
  std::ofstream("struck") << fault.kind;  // the proof, for the test
  raise(fault.signal);  // to this thread: it goes no further, not even until another thread has taken the signal
}

Fault ParseFault(const char* text) {
  Fault fault;
  if (text == nullptr || *text == '\0') return fault;
  if (std::string_view(text) == kBlind) return {kBlind, "", 0, 0};
  std::istringstream words(text);
  std::string n;
  std::string action;
  std::getline(words, fault.moment, ':');
  std::getline(words, fault.kind, ':');
  std::getline(words, n, ':');
  std::getline(words, action);
  fault.n = std::atoi(n.c_str());
  fault.signal = action == "kill" ? SIGKILL : SIGSTOP;
  DBOS_CHECK(fault.moment == "before" || fault.moment == "during" || fault.moment == "after" ||
             fault.moment == "behind");
  DBOS_CHECK(fault.n > 0 && (action == "kill" || action == "stop"));
  return fault;
}

StorageFactory WithFault(StorageFactory factory, Fault fault) {
  if (fault.moment.empty()) return factory;
  return [factory = std::move(factory), fault](StorageRole role) -> std::unique_ptr<Storage> {
    std::unique_ptr<Storage> storage = factory(role);
    if ((role == StorageRole::kReader) != (fault.moment == kBlind)) return storage;
    return std::make_unique<FaultyStorage>(std::move(storage), fault);
  };
}

}  // namespace dbos::sidecar
