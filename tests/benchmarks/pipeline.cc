// dbos-bench-pipeline: how fast PostgreSQL commits a user's row together with the record of its step, when each
// transaction is one pipeline: BEGIN at SERIALIZABLE, two INSERTs, COMMIT, one Sync. No engine, no RPC, no fence.
//
//   dbos-bench-pipeline URL CONNECTIONS SECONDS     50 transactions in flight in all; bench.ledger is there
//
// One thread sends and reads for all connections. Prints {"ready": true} when they are there, waits for a line on
// standard input, runs, and prints one JSON line: isolation, commits, seconds, median_us, p99_us.
#include <array>
#include <deque>
#include <iostream>

#include <poll.h>

#include "checkpoints.h"
#include "latencies.h"
#include "libpq.h"

namespace dbos::benchmarks {
namespace {

constexpr int kInFlight = 50;
constexpr int kTransactionsPerWorkflow = 10;

constexpr std::array<Statement, 4> kTransaction = {{
    {"begin", "BEGIN ISOLATION LEVEL SERIALIZABLE"},
    {"ledger", "INSERT INTO bench.ledger (workflow, step, amount) VALUES ($1, $2, 1)"},
    {"checkpoint",
     "INSERT INTO bench.checkpoints (workflow_uuid, function_id, function_name, output, started_at_epoch_ms,"
     " completed_at_epoch_ms, serialization, application_name)"
     " VALUES ($1, $2, 'one', 'null', $3, $3, 'portable_json', 'bench')"},
    {"commit", "COMMIT"},
}};

// A connection with some transactions in flight: as one ends the next is sent, until the run is over.
class Pipe {
 public:
  explicit Pipe(const std::string& url) : connection_(Connect(url)) { EnterPipelines(raw(), kTransaction); }

  std::size_t in_flight() const { return sent_.size(); }

  void Send() {
    if (step_ == kTransactionsPerWorkflow) {
      workflow_ = MakeWorkflowId();
      step_ = 0;
    }
    const std::string step = std::to_string(step_++);
    const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
    const std::string time = std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count());
    const char* values[] = {workflow_.c_str(), step.c_str(), time.c_str()};
    constexpr std::array<int, 4> kParameters = {0, 2, 3, 0};
    sent_.push_back(Clock::now());
    for (std::size_t i = 0; i < kTransaction.size(); ++i) {
      if (PQsendQueryPrepared(raw(), kTransaction[i].name, kParameters[i], values, nullptr, nullptr, 0) != 1) Fail();
    }
    if (PQpipelineSync(raw()) != 1) Fail();
  }

  // Reads what has arrived; `more` says whether the ended transactions are followed by others.
  void Receive(Latencies& latencies, bool more) {
    if (PQconsumeInput(raw()) != 1) Fail();
    while (!sent_.empty() && PQisBusy(raw()) == 0) {
      PGresult* result = PQgetResult(raw());
      if (result == nullptr) continue;  // the end of one statement's results
      if (PQresultStatus(result) != PGRES_PIPELINE_SYNC) {
        Expect(raw(), result);
        continue;
      }
      PQclear(result);
      latencies.Add(Clock::now() - sent_.front());
      sent_.pop_front();
      if (more) Send();
    }
  }

  pollfd Wanted() {
    const int unsent = PQflush(raw());
    if (unsent < 0) Fail();
    return {.fd = PQsocket(raw()), .events = static_cast<short>(unsent > 0 ? POLLIN | POLLOUT : POLLIN), .revents = 0};
  }

 private:
  PGconn* raw() const { return connection_.get(); }
  [[noreturn]] void Fail() const { throw std::runtime_error(PQerrorMessage(raw())); }

  const Connection connection_;
  std::string workflow_;
  int step_ = kTransactionsPerWorkflow;
  std::deque<Clock::time_point> sent_;
};

// The isolation level that the transactions of these programs really have.
std::string Isolation(const std::string& url) {
  const Connection connection = Connect(url);
  Expect(connection.get(), PQexec(connection.get(), kTransaction[0].sql));
  const Result level(PQexec(connection.get(), "SHOW transaction_isolation"), &PQclear);
  return PQgetvalue(level.get(), 0, 0);
}

struct Measured {
  Latencies latencies;
  double seconds = 0;
};

Measured Run(const std::string& url, std::size_t connections, double seconds) {
  std::vector<std::unique_ptr<Pipe>> pipes;
  while (pipes.size() < connections) pipes.push_back(std::make_unique<Pipe>(url));
  std::cout << R"({"ready": true})" << std::endl;
  std::string go;
  std::getline(std::cin, go);
  std::vector<pollfd> wanted(connections);
  Measured measured;
  const auto begin = Clock::now();
  for (std::size_t i = 0; i < kInFlight; ++i) pipes[i % connections]->Send();
  for (std::size_t open = kInFlight; open > 0;) {
    for (std::size_t i = 0; i < connections; ++i) wanted[i] = pipes[i]->Wanted();
    if (poll(wanted.data(), wanted.size(), -1) < 0) throw std::runtime_error("poll failed");
    const bool more = Microseconds(Clock::now() - begin) < seconds * 1e6;
    for (std::size_t i = 0; i < connections; ++i) {
      if (wanted[i].revents != 0) pipes[i]->Receive(measured.latencies, more);
    }
    open = 0;
    for (const auto& pipe : pipes) open += pipe->in_flight();
  }
  measured.seconds = Microseconds(Clock::now() - begin) / 1e6;
  return measured;
}

void Main(const std::string& url, std::size_t connections, double seconds) {
  MakeCheckpoints(url);
  nlohmann::json answer = {{"isolation", {{"one", Isolation(url)}}}};
  const Measured measured = Run(url, connections, seconds);
  answer.update(measured.latencies.Summary());
  answer["commits"] = measured.latencies.size();
  answer["seconds"] = measured.seconds;
  std::cout << answer << std::endl;
}

}  // namespace
}  // namespace dbos::benchmarks

int main(int argc, char** argv) {
  if (argc != 4 || std::stoul(argv[2]) < 1 || std::stoul(argv[2]) > dbos::benchmarks::kInFlight) {
    std::cerr << "usage: dbos-bench-pipeline URL CONNECTIONS SECONDS, with 1 to 50 connections\n";
    return 2;
  }
  try {
    dbos::benchmarks::Main(argv[1], std::stoul(argv[2]), std::stod(argv[3]));
    return 0;
  } catch (const std::exception& failure) {
    std::cerr << "dbos-bench-pipeline: " << failure.what() << "\n";
    return 1;
  }
}
