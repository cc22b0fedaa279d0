// Two sidecars of one application on one database: one has the workflow's process, the other one none, and is asked.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <dbos/dbos.h>

#include "absl/time/time.h"

#include "sidecar/base/mutex.h"
#include "tests/e2e/process.h"
#include "tests/e2e/world.h"

namespace dbos::sidecar {

class TwoSidecars {
 public:
  enum class Looks { kAsEver, kBlind };  // kBlind: the one with the process finds work only when it is told of it

  // `flags` of both.
  TwoSidecars(World& world, Looks looks, const std::vector<std::string>& flags = {});

  // Asks for a workflow, and waits until it runs. How long that took, or more than `patience`.
  absl::Duration TimeToRun(const std::string& id, absl::Duration patience = absl::Seconds(30));

  std::string AskedLog() const { return Read("asked.log"); }
  std::string WorkerLog() const { return Read("sidecar.log"); }

 private:
  std::string Read(const std::string& file) const;

  World& world_;
  std::unique_ptr<Process> asked_;
  Mutex mu_;
  CondVar changed_;
  std::map<std::string, absl::Duration> ran_ ABSL_GUARDED_BY(mu_);  // when, by workflow
  std::unique_ptr<dbos::App> app_;
  std::unique_ptr<dbos::Client> client_;
};

}  // namespace dbos::sidecar
