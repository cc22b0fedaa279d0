// What operators watch, in the text format of Prometheus.
#pragma once

#include <string>

#include "sidecar/db/connection_pool.h"
#include "sidecar/engine/engine.h"

namespace dbos::sidecar {

// One moment. README.md says what each metric means.
struct MetricsSample {
  std::string version;
  std::string application;
  EngineStatus engine;
  ConnectionPool::Usage system_pool;
  bool wakeups_arrive = false;
};

std::string MetricsText(const MetricsSample& sample);

}  // namespace dbos::sidecar
