// What operators watch, in the text format of Prometheus.
#pragma once

#include <optional>
#include <string>

#include "sidecar/engine/engine.h"
#include "sidecar/model/pool.h"

namespace dbos::sidecar {

// One moment. README.md says what each metric means.
struct MetricsSample {
  std::string version;
  std::string application;
  EngineStatus engine;
  PoolUsage system_pool;
  std::optional<PoolUsage> application_pool;  // none: there is no application database
  GroupUsage groups;
  bool wakeups_arrive = false;
};

std::string MetricsText(const MetricsSample& sample);

}  // namespace dbos::sidecar
