// dbos-bench-transactions: the transactions' application, on the public C++ client. The same workflows and the same
// requests as the peer's tests/peer/bench_datasource.mjs. Each workflow runs `count` transactions, one after another;
// `kind` is
//   "one"   one statement: a row into bench.ledger
//   "two"   two statements: the balance of the caller's own account is read, and written with 1 added
//   "deferred"  the same, and nobody waits for the answer to the second before the commit is sent
//
// Reads one JSON request a line on standard input and answers each with one JSON line:
//   {"do": "isolation"}                                            the levels that the transactions really have
//   {"do": "throughput", "kind": "one", "count": 10, "concurrency": 50, "workflows": 500, "seconds": 4}  at least both
//   {"do": "latency", "kind": "two", "count": 50, "workflows": 4}  the time of one transaction in a workflow alone
// The sidecar is found by DBOS_SIDECAR_ADDRESS.
#include <iostream>

#include <dbos/dbos.h>

#include "closed_loop.h"

namespace dbos::benchmarks {
namespace {

constexpr int kAccountStride = 200;  // the callers' accounts are on different pages, as random ones would be

nlohmann::json One(Context& context, int index) {
  context.sql("one", "INSERT INTO bench.ledger (workflow, step, amount) VALUES (:workflow, :step, 1)",
              {{"workflow", context.workflow_id()}, {"step", index}});
  return nullptr;
}

nlohmann::json Two(Context& context, const std::string& kind, int account) {
  constexpr char kWrite[] = "UPDATE bench.accounts SET balance = :balance WHERE id = :id";
  return context.transaction(kind, {}, [&](Transaction& tx) {
    const auto balance =
        tx.query("SELECT balance FROM bench.accounts WHERE id = :id", {{"id", account}}).scalar<std::int64_t>() + 1;
    const SqlParams params = {{"balance", balance}, {"id", account}};
    if (kind == "two") tx.query(kWrite, params);
    if (kind == "deferred") tx.defer(kWrite, params);
    return balance;
  });
}

nlohmann::json Run(const std::string& kind, Context& context, int index, int account) {
  if (kind == "one") return One(context, index);
  if (kind == "two" || kind == "deferred") return Two(context, kind, account);
  throw std::invalid_argument("no such kind: " + kind);
}

// What one-shot and interactive transactions run at.
nlohmann::json Isolation(Context& context) {
  constexpr char kLevel[] = "SELECT current_setting('transaction_isolation')";
  return {{"one", context.sql("isolation", kLevel, {}).scalar<std::string>()},
          {"two", context.transaction("isolation", {},
                                      [&](Transaction& tx) { return tx.query(kLevel, {}).scalar<std::string>(); })}};
}

class Load {
 public:
  Load()
      : app_({.name = "bench", .version = "bench-1"}),
        workflow_(app_.workflow("bench", [this](Context& context, const std::string& kind, int count,
                                                int account) { return Bench(context, kind, count, account); })),
        isolation_(app_.workflow("isolation", Isolation)) {}

  void Launch() { app_.launch(); }

  nlohmann::json Answer(const nlohmann::json& request) {
    const std::string what = request.at("do");
    if (what == "isolation") return {{"workflows", 1}, {"isolation", isolation_.run({})}};
    if (what == "throughput") return Throughput(request, request.at("concurrency"));
    if (what == "latency") return TransactionTimes(request);
    throw std::invalid_argument("no such request: " + what);
  }

 private:
  nlohmann::json Bench(Context& context, const std::string& kind, int count, int account) {
    nlohmann::json last;
    Latencies latencies;
    auto before = Clock::now();
    for (int index = 0; index < count; ++index) {
      last = Run(kind, context, index, account);
      const auto after = Clock::now();
      if (index > 0) latencies.Add(after - before);
      before = after;
    }
    times_.Merge(latencies);
    return last;
  }

  nlohmann::json Throughput(const nlohmann::json& request, int concurrency) {
    const std::string kind = request.at("kind");
    const int count = request.at("count");
    return ClosedLoop(request, concurrency,
                      [&](int caller) { workflow_.run({}, kind, count, caller * kAccountStride); });
  }

  nlohmann::json TransactionTimes(const nlohmann::json& request) {
    times_.Take();
    nlohmann::json answer = Throughput(request, 1);
    answer.update(times_.Take().Summary());
    return answer;
  }

  SharedLatencies times_;
  App app_;
  WorkflowOf<std::function<nlohmann::json(Context&, const std::string&, int, int)>> workflow_;
  WorkflowOf<std::function<nlohmann::json(Context&)>> isolation_;
};

}  // namespace
}  // namespace dbos::benchmarks

int main() {
  try {
    dbos::benchmarks::Serve<dbos::benchmarks::Load>();
    return 0;
  } catch (const std::exception& failure) {
    std::cerr << "dbos-bench-transactions: " << failure.what() << "\n";
    return 1;
  }
}
