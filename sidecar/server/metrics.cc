#include "sidecar/server/metrics.h"

#include <utility>
#include <vector>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace dbos::sidecar {
namespace {

using Labels = std::vector<prometheus::ClientMetric::Label>;

prometheus::MetricFamily Family(const char* name, const char* help, prometheus::MetricType type) {
  prometheus::MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = type;
  return family;
}

void Add(prometheus::MetricFamily& family, double value, Labels labels) {
  prometheus::ClientMetric metric;
  metric.label = std::move(labels);
  metric.gauge.value = value;
  metric.counter.value = value;
  family.metric.push_back(std::move(metric));
}

prometheus::MetricFamily Gauge(const char* name, const char* help, double value, Labels labels = {}) {
  prometheus::MetricFamily family = Family(name, help, prometheus::MetricType::Gauge);
  Add(family, value, std::move(labels));
  return family;
}

// One family over all pools, each with its own labels.
struct PoolFamilies {
  prometheus::MetricFamily connections =
      Family("dbos_pool_connections", "Connections of the pool, by what they do.", prometheus::MetricType::Gauge);
  prometheus::MetricFamily waiting =
      Family("dbos_pool_waiting", "Callers that wait for a connection.", prometheus::MetricType::Gauge);
  prometheus::MetricFamily timeouts = Family(
      "dbos_pool_timeouts_total", "Callers that waited for a connection in vain.", prometheus::MetricType::Counter);

  void AddPool(const std::string& name, const PoolUsage& usage) {
    Add(connections, usage.in_use, {{"pool", name}, {"state", "in_use"}});
    Add(connections, usage.idle, {{"pool", name}, {"state", "idle"}});
    Add(waiting, usage.waiting, {{"pool", name}});
    Add(timeouts, static_cast<double>(usage.timeouts), {{"pool", name}});
  }
};

prometheus::MetricFamily Groups(const GroupUsage& groups) {
  prometheus::MetricFamily family =
      Family("dbos_transaction_groups_total", "Commits that transactions of one statement shared, or tried to.",
             prometheus::MetricType::Counter);
  Add(family, static_cast<double>(groups.committed), {{"result", "committed"}});
  Add(family, static_cast<double>(groups.failed), {{"result", "failed"}});
  return family;
}

prometheus::MetricFamily GroupedTransactions(const GroupUsage& groups) {
  prometheus::MetricFamily family =
      Family("dbos_grouped_transactions_total", "Transactions that shared a commit with others.",
             prometheus::MetricType::Counter);
  Add(family, static_cast<double>(groups.transactions), {});
  return family;
}

}  // namespace

std::string MetricsText(const MetricsSample& sample) {
  PoolFamilies pools;
  pools.AddPool("system", sample.system_pool);
  if (sample.application_pool) pools.AddPool("application", *sample.application_pool);
  return prometheus::TextSerializer().Serialize(
      {Gauge("dbos_sidecar_info", "Always 1; the labels say who this is.", 1,
             {{"version", sample.version}, {"application", sample.application}}),
       Gauge("dbos_database_available", "1 while the system database answers.",
             sample.engine.database_available ? 1 : 0),
       Gauge("dbos_wakeups_arrive",
             "1 while other sidecars can tell this one of work; otherwise it looks once a second.",
             sample.wakeups_arrive ? 1 : 0),
       Gauge("dbos_draining", "1 while the sidecar hands its work back to end.", sample.engine.draining ? 1 : 0),
       Gauge("dbos_sessions", "Application processes that are attached.", static_cast<double>(sample.engine.sessions)),
       Gauge("dbos_executions", "Workflow executions that run in them or wait for one.",
             static_cast<double>(sample.engine.executions)),
       std::move(pools.connections), std::move(pools.waiting), std::move(pools.timeouts), Groups(sample.groups),
       GroupedTransactions(sample.groups)});
}

}  // namespace dbos::sidecar
