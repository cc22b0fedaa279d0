// The product's sidecar with a storage that strikes its own process and a disk that fails: faulty_sidecar serve --key
// value
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "absl/synchronization/mutex.h"

#include "sidecar/server/config.h"
#include "sidecar/server/sidecar.h"
#include "tests/e2e/faulty_disk.h"
#include "tests/e2e/faulty_storage.h"
#include "tests/e2e/faulty_transactions.h"

namespace dbos::sidecar {
namespace {

int Serve(int argc, char** argv) {
  ConfigSources sources;
  sources.environment = [](const char* name) { return std::getenv(name); };
  for (int i = 2; i + 1 < argc; i += 2) sources.flags[argv[i] + 2] = argv[i + 1];
  absl::StatusOr<Config> config = LoadConfig(sources);
  if (!config.ok() || !CompleteConfig(*config).ok()) return kExitUsage;
  const Fault fault = ParseFault(std::getenv("DBOS_TEST_FAULT"));
  InstallFaultyDisk();
  Signals signals;
  StorageDecorator storage;
  TransactionDecorator transactions;
  if (StrikesTransactions(fault)) {
    transactions = [&](TransactionStorageFactory factory) { return WithTransactionFault(std::move(factory), fault); };
  } else {
    storage = [&](StorageFactory factory) { return WithFault(std::move(factory), fault); };
  }
  Sidecar sidecar(*config, storage, transactions);
  if (const auto error = sidecar.Start(signals)) {
    if (absl::IsCancelled(error->status)) return kExitOk;
    std::fprintf(stderr, "faulty_sidecar: %s\n", std::string(error->status.message()).c_str());
    return error->code;
  }
  while (true) {
    const auto signal = signals.Wait(absl::Seconds(1));
    if (signal && signal->number != SIGCHLD) break;  // that: of a password command
    sidecar.Supervise();
  }
  sidecar.Stop();
  return kExitOk;
}

}  // namespace
}  // namespace dbos::sidecar

int main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return dbos::sidecar::Serve(argc, argv);
}
