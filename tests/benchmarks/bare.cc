// dbos-bench-bare: how fast the database alone commits single rows shaped like a step record. No engine, no RPC.
//
//   dbos-bench-bare postgres URL CLIENTS SECONDS
//   dbos-bench-bare sqlite FILE SECONDS            WAL, synchronous=FULL, one writer
//
// Prints one JSON line: commits, seconds, median_us, p99_us.
#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>

#include <SQLiteCpp/SQLiteCpp.h>

#include "latencies.h"
#include "libpq.h"

namespace dbos::benchmarks {
namespace {

constexpr int kStepsPerWorkflow = 10;
// About the step output of the other sides: {"index":1,"text":"xxx..."}
std::string StepOutput() {
  return R"({"index":1,"text":")" + std::string(100, 'x') + R"("})";
}

std::string WorkflowId(int client, int number) {
  std::string id = "00000000-0000-4000-8000-" + std::to_string(100000000000LL + client * 10000000LL + number);
  return id;
}

// Commits rows until the time is over; `commit` inserts row (workflow id, step id).
using Commit = std::function<void(const std::string& workflow, int step)>;
Latencies CommitFor(std::chrono::duration<double> time, int client, const Commit& commit) {
  Latencies latencies;
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(time);
  for (int row = 0; Clock::now() < end; ++row) {
    const std::string workflow = WorkflowId(client, row / kStepsPerWorkflow);
    const auto before = Clock::now();
    commit(workflow, row % kStepsPerWorkflow);
    latencies.Add(Clock::now() - before);
  }
  return latencies;
}

Latencies PostgresClient(const std::string& url, int client, double seconds) {
  const Connection connection = Connect(url);
  Expect(connection.get(),
         PQprepare(connection.get(), "insert", "INSERT INTO bench.commits VALUES ($1, $2, 'step', $3)", 3, nullptr));
  const std::string output = StepOutput();
  return CommitFor(std::chrono::duration<double>(seconds), client, [&](const std::string& workflow, int step) {
    const std::string step_text = std::to_string(step);
    const char* values[] = {workflow.c_str(), step_text.c_str(), output.c_str()};
    Expect(connection.get(), PQexecPrepared(connection.get(), "insert", 3, values, nullptr, nullptr, 0));
  });
}

Latencies Postgres(const std::string& url, int clients, double seconds) {
  const Connection connection = Connect(url);
  Expect(
      connection.get(),
      PQexec(connection.get(),
             "SET client_min_messages = warning; CREATE SCHEMA IF NOT EXISTS bench; DROP TABLE IF EXISTS bench.commits;"
             "CREATE TABLE bench.commits(workflow_uuid text, function_id int, function_name text,"
             " output text, PRIMARY KEY (workflow_uuid, function_id)); CHECKPOINT"));
  std::vector<Latencies> results(static_cast<std::size_t>(clients));
  std::vector<std::thread> threads;
  for (int client = 0; client < clients; ++client) {
    threads.emplace_back(
        [&, client] { results[static_cast<std::size_t>(client)] = PostgresClient(url, client, seconds); });
  }
  Latencies all;
  for (std::size_t i = 0; i < threads.size(); ++i) {
    threads[i].join();
    all.Merge(results[i]);
  }
  return all;
}

Latencies Sqlite(const std::string& file, double seconds) {
  SQLite::Database database(file, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  database.exec("PRAGMA journal_mode=WAL");
  database.exec("PRAGMA synchronous=FULL");
  database.exec(
      "CREATE TABLE commits(workflow_uuid text, function_id int, function_name text, output text,"
      " PRIMARY KEY (workflow_uuid, function_id))");
  SQLite::Statement insert(database, "INSERT INTO commits VALUES (?, ?, 'step', ?)");
  const std::string output = StepOutput();
  return CommitFor(std::chrono::duration<double>(seconds), 0, [&](const std::string& workflow, int step) {
    insert.bind(1, workflow);
    insert.bind(2, step);
    insert.bind(3, output);
    insert.exec();
    insert.reset();
  });
}

int Main(const std::vector<std::string>& arguments) {
  const auto begin = Clock::now();
  Latencies latencies;
  if (arguments.size() == 4 && arguments[0] == "postgres") {
    latencies = Postgres(arguments[1], std::stoi(arguments[2]), std::stod(arguments[3]));
  } else if (arguments.size() == 3 && arguments[0] == "sqlite") {
    latencies = Sqlite(arguments[1], std::stod(arguments[2]));
  } else {
    std::cerr << "usage: dbos-bench-bare postgres URL CLIENTS SECONDS | sqlite FILE SECONDS\n";
    return 2;
  }
  nlohmann::json answer = latencies.Summary();
  answer["commits"] = latencies.size();
  // The time that was asked for is what each client ran, connecting and creating the table not included.
  answer["seconds"] = std::stod(arguments.back());
  answer["wall_seconds"] = Microseconds(Clock::now() - begin) / 1e6;
  std::cout << answer << std::endl;
  return 0;
}

}  // namespace
}  // namespace dbos::benchmarks

int main(int argc, char** argv) {
  try {
    return dbos::benchmarks::Main(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const std::exception& failure) {
    std::cerr << "dbos-bench-bare: " << failure.what() << "\n";
    return 1;
  }
}
