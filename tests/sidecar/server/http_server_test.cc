// Health and metrics as a kubelet and Prometheus see them.
#include "sidecar/server/http_server.h"

#include <atomic>

#include <gtest/gtest.h>
#include <httplib.h>

#include "sidecar/base/status.h"
#include "sidecar/server/metrics.h"

namespace dbos::sidecar {
namespace {

TEST(HttpServerTest, AnswersProbesAndMetricsAndNothingElse) {
  std::atomic<bool> ready = true;
  auto server = HttpServer::Start("127.0.0.1:0", {[&] { return ready.load(); }, [] { return std::string("m 1\n"); }});
  ASSERT_TRUE(server.ok()) << server.status();
  httplib::Client client("http://" + (*server)->address());
  for (const char* path : {"/livez", "/startupz", "/readyz"}) EXPECT_EQ(client.Get(path)->status, 200) << path;
  ready = false;
  EXPECT_EQ(client.Get("/readyz")->status, 503);
  EXPECT_EQ(client.Get("/livez")->status, 200);
  EXPECT_EQ(client.Get("/metrics")->body, "m 1\n");
  EXPECT_EQ(client.Get("/metrics")->get_header_value("Content-Type"), "text/plain; version=0.0.4");
  EXPECT_EQ(client.Get("/workflows")->status, 404);
  EXPECT_EQ(client.Post("/livez", "", "text/plain")->status, 404);
}

TEST(HttpServerTest, AnAddressThatCannotBeUsedSaysSo) {
  for (const char* address : {"9464", "localhost", "::1:9464", "[::1]", "h:x", "h:65536", "h:-1", ""}) {
    const auto server = HttpServer::Start(address, {});
    EXPECT_TRUE(absl::IsInvalidArgument(server.status())) << address << ": " << server.status();
  }
  const auto first = HttpServer::Start("127.0.0.1:0", {});
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = HttpServer::Start((*first)->address(), {});
  EXPECT_TRUE(absl::IsAlreadyExists(second.status())) << second.status();
  EXPECT_NE(Message(second.status()).find((*first)->address()), std::string::npos);
}

TEST(MetricsTest, SaysWhatIsWrong) {
  MetricsSample sample = {"1.0",        "shop", {},  {.in_use = 3, .idle = 2, .waiting = 4, .timeouts = 5},
                          std::nullopt, {},     true};
  sample.groups = {.committed = 11, .transactions = 12, .failed = 13};
  sample.engine.executions = 7;
  const std::string text = MetricsText(sample);
  EXPECT_EQ(text.find("\"application\"}"), std::string::npos);  // there is no such pool
  for (const char* line :
       {"dbos_sidecar_info{version=\"1.0\",application=\"shop\"} 1\n", "dbos_database_available 0\n",
        "dbos_executions 7\n", "dbos_wakeups_arrive 1\n", "# TYPE dbos_pool_connections gauge\n",
        "dbos_pool_connections{pool=\"system\",state=\"in_use\"} 3\n",
        "dbos_pool_connections{pool=\"system\",state=\"idle\"} 2\n", "dbos_pool_waiting{pool=\"system\"} 4\n",
        "# TYPE dbos_pool_timeouts_total counter\n", "dbos_pool_timeouts_total{pool=\"system\"} 5\n",
        "# TYPE dbos_transaction_groups_total counter\n", "dbos_transaction_groups_total{result=\"committed\"} 11\n",
        "dbos_transaction_groups_total{result=\"failed\"} 13\n", "dbos_grouped_transactions_total 12\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
  sample.application_pool = PoolUsage{.in_use = 8, .idle = 1, .waiting = 6, .timeouts = 9};
  EXPECT_NE(MetricsText(sample).find("dbos_pool_connections{pool=\"application\",state=\"in_use\"} 8\n"),
            std::string::npos);
}

}  // namespace
}  // namespace dbos::sidecar
