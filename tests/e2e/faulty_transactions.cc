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

  template <typename Call>
  auto Around(const char* kind, Call call) {
    const bool strikes = fault.kind == kind && ++seen == fault.n;
    if (strikes && fault.moment == "before") Strike(fault);
    auto answer = call();
    if (strikes && fault.moment == "after") Strike(fault);
    return answer;
  }
};

class FaultyTransactions final : public TransactionStorage {
 public:
  FaultyTransactions(std::unique_ptr<TransactionStorage> storage, std::shared_ptr<Aim> aim)
      : storage_(std::move(storage)), aim_(std::move(aim)) {}

  bool same_database() const override { return storage_->same_database(); }
  void Begin(const TransactionMode& mode, absl::Time deadline) override { storage_->Begin(mode, deadline); }
  absl::StatusOr<SqlAnswer> Run(const SqlCommand& command) override {
    return aim_->Around("tx_statement", [&] { return storage_->Run(command); });
  }
  absl::StatusOr<SqlAnswer> Fetch(std::uint32_t rows) override { return storage_->Fetch(rows); }
  absl::StatusOr<SqlAnswer> Savepoint(SavepointAction action) override { return storage_->Savepoint(action); }
  absl::StatusOr<CommitVerdict> Commit(const std::optional<TransactionStep>& step, const StepRecord& record) override {
    if (!step) return storage_->Commit(step, record);
    return aim_->Around("tx_commit", [&] { return storage_->Commit(step, record); });
  }
  absl::StatusOr<CommitVerdict> Execute(const SqlCommand& command, const std::optional<TransactionStep>& step,
                                        std::int64_t completed_at_ms) override {
    return aim_->Around("tx_execute", [&] { return storage_->Execute(command, step, completed_at_ms); });
  }
  void RollBack() override { storage_->RollBack(); }
  absl::StatusOr<std::optional<CommitVerdict>> Recorded(const TransactionStep& step) override {
    return storage_->Recorded(step);
  }
  void Interrupt() override { storage_->Interrupt(); }

 private:
  const std::unique_ptr<TransactionStorage> storage_;
  const std::shared_ptr<Aim> aim_;
};

}  // namespace

bool StrikesTransactions(const Fault& fault) {
  return fault.kind.starts_with("tx_");
}

TransactionStorageFactory WithTransactionFault(TransactionStorageFactory factory, const Fault& fault) {
  DBOS_CHECK(fault.moment == "before" || fault.moment == "after");
  DBOS_CHECK(fault.kind == "tx_statement" || fault.kind == "tx_commit" || fault.kind == "tx_execute");
  auto aim = std::make_shared<Aim>(fault);
  return [factory = std::move(factory), aim]() -> absl::StatusOr<std::unique_ptr<TransactionStorage>> {
    absl::StatusOr<std::unique_ptr<TransactionStorage>> storage = factory();
    if (!storage.ok()) return storage.status();
    return std::make_unique<FaultyTransactions>(*std::move(storage), aim);
  };
}

}  // namespace dbos::sidecar
