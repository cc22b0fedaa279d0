// MigrationThread: runs the migrations that the application sends, one request after the other.
//
// Threads:  Post from any thread; one of its own does the work.
// Lifetime: destruction lets the file that runs end, and answers everything else with Unavailable.
#pragma once

#include <atomic>
#include <deque>
#include <thread>
#include <utility>

#include "sidecar/base/mutex.h"
#include "sidecar/rpc/migration_runner.h"
#include "sidecar/server/config.h"

namespace dbos::sidecar {

class MigrationThread final : public MigrationRunner {
 public:
  explicit MigrationThread(Config config);
  ~MigrationThread() override;
  MigrationThread(const MigrationThread&) = delete;
  MigrationThread& operator=(const MigrationThread&) = delete;

  void Post(MigrationRequest request, Done done) override;

 private:
  void ThreadMain();
  absl::StatusOr<std::vector<MigrationEntry>> Answer(MigrationRequest request);

  const Config config_;
  std::atomic<bool> stopping_ = false;
  Mutex mu_;
  CondVar wake_;
  std::deque<std::pair<MigrationRequest, Done>> waiting_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;  // last: it uses the others
};

}  // namespace dbos::sidecar
