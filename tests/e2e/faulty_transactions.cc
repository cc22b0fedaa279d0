#include "tests/e2e/faulty_transactions.h"

#include <atomic>
#include <utility>

#include "sidecar/base/check.h"

namespace dbos::sidecar {
namespace {

// Of all transactions of the process.
struct Aim {
  explicit Aim(Fault of) : fault(std::move(of)) {}

  const Fault fault;
  std::atomic<int> seen = 0;

  // Whether it strikes this one.
  bool Hits(const char* kind) { return fault.kind == kind && ++seen == fault.n; }
  void StrikeIf(bool strikes, const char* moment) const {
    if (strikes && fault.moment == moment) Strike(fault);
  }
};

class FaultyTransactions final : public TransactionStorage {
 private:
  template <typename Call>
  bool FirstHalf(const char* kind, Call call) {
    half_ = aim_->Hits(kind);
    aim_->StrikeIf(*half_, "before");
    const bool sent = call();
    if (sent) aim_->StrikeIf(*half_, "during");
    return sent;
  }
  template <typename Call>
  auto SecondHalf(const char* kind, Call call) {
    const std::optional<bool> half = std::exchange(half_, std::nullopt);
    const bool strikes = half ? *half : aim_->Hits(kind);
    if (!half) aim_->StrikeIf(strikes, "before");
    auto answer = call();
    aim_->StrikeIf(strikes, "after");
    return answer;
  }

 public:
  FaultyTransactions(std::unique_ptr<TransactionStorage> storage, std::shared_ptr<Aim> aim)
      : storage_(std::move(storage)), aim_(std::move(aim)) {}

  bool same_database() const override { return storage_->same_database(); }
  void Begin(const TransactionMode& mode, absl::Time deadline) override { storage_->Begin(mode, deadline); }
  absl::Status Defer(const std::vector<SqlCommand>& commands) override { return storage_->Defer(commands); }
  absl::StatusOr<SqlAnswer> Run(const SqlCommand& command) override {
    return SecondHalf("tx_statement", [&] { return storage_->Run(command); });
  }
  absl::StatusOr<SqlAnswer> Fetch(std::uint32_t rows) override { return storage_->Fetch(rows); }
  absl::StatusOr<SqlAnswer> Savepoint(SavepointAction action) override { return storage_->Savepoint(action); }
  absl::StatusOr<CommitVerdict> Commit(const std::optional<TransactionStep>& step, const StepRecord& record) override {
    if (!step) return storage_->Commit(step, record);
    return SecondHalf("tx_commit", [&] { return storage_->Commit(step, record); });
  }
  absl::StatusOr<CommitVerdict> Execute(const SqlCommand& command, const std::optional<TransactionStep>& step,
                                        std::int64_t completed_at_ms) override {
    return SecondHalf("tx_execute", [&] { return storage_->Execute(command, step, completed_at_ms); });
  }
  bool could_group() const override { return storage_->could_group(); }
  absl::StatusOr<GroupVerdict> RunGroup(const std::vector<GroupMember>& group) override {
    return SecondHalf("tx_group", [&] { return storage_->RunGroup(group); });
  }
  bool SendGroup(const std::vector<GroupMember>& group) override {
    return FirstHalf("tx_group", [&] { return storage_->SendGroup(group); });
  }
  void RollBack() override {
    half_.reset();
    storage_->RollBack();
  }
  bool SendRun(const SqlCommand& command) override {
    return FirstHalf("tx_statement", [&] { return storage_->SendRun(command); });
  }
  bool SendCommit(const std::optional<TransactionStep>& step, const StepRecord& record) override {
    if (!step) return storage_->SendCommit(step, record);
    return FirstHalf("tx_commit", [&] { return storage_->SendCommit(step, record); });
  }
  bool SendExecute(const SqlCommand& command, const std::optional<TransactionStep>& step,
                   std::int64_t completed_at_ms) override {
    return FirstHalf("tx_execute", [&] { return storage_->SendExecute(command, step, completed_at_ms); });
  }
  SqlArrival Poll() override { return storage_->Poll(); }
  SqlWait WaitsFor() override { return storage_->WaitsFor(); }
  absl::StatusOr<std::optional<CommitVerdict>> Recorded(const TransactionStep& step) override {
    return storage_->Recorded(step);
  }
  void Interrupt() override { storage_->Interrupt(); }

 private:
  const std::unique_ptr<TransactionStorage> storage_;
  const std::shared_ptr<Aim> aim_;
  std::optional<bool> half_;  // of a call whose first half was made: whether the fault strikes it
};

}  // namespace

bool StrikesTransactions(const Fault& fault) {
  return fault.kind.starts_with("tx_");
}

TransactionStorageFactory WithTransactionFault(TransactionStorageFactory factory, const Fault& fault) {
  DBOS_CHECK(fault.moment == "before" || fault.moment == "during" || fault.moment == "after");
  DBOS_CHECK(fault.kind == "tx_statement" || fault.kind == "tx_commit" || fault.kind == "tx_execute" ||
             fault.kind == "tx_group");
  auto aim = std::make_shared<Aim>(fault);
  return [factory = std::move(factory), aim]() -> absl::StatusOr<std::unique_ptr<TransactionStorage>> {
    absl::StatusOr<std::unique_ptr<TransactionStorage>> storage = factory();
    if (!storage.ok()) return storage.status();
    return std::make_unique<FaultyTransactions>(*std::move(storage), aim);
  };
}

}  // namespace dbos::sidecar
