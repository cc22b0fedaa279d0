// Options of the app, of a workflow, of a start, of a step and of a transaction. All are aggregates: name what you set.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <string>

namespace dbos {

struct AppOptions {
  // The application name: the sidecar's own. Needed.
  std::string name = {};
  // The version of the workflow code. An interrupted workflow is continued by a process of its own version only, so
  // change it when the steps change. Unique across applications of a database: "shop-1", not "1".
  std::string version = {};
  // "unix:/path" or "host:port". Empty: DBOS_SIDECAR_ADDRESS, then unix:/run/dbos/sidecar.sock if that
  // directory exists, then unix:./.dbos/sidecar.sock.
  std::string sidecar_address = {};
  // How many workflows this process is willing to hold at once; each has a thread while it runs. Workflows that await
  // another one do not count while they wait.
  std::uint32_t max_concurrent_workflows = 100;
  // The hard cap on threads, waiting workflows and concurrent steps included. Beyond it work waits for a thread.
  std::size_t max_threads = 2000;
  // launch() gives up after this time.
  std::chrono::milliseconds launch_timeout = std::chrono::seconds(30);
  // A start or a query from outside a workflow gives up after this time.
  std::chrono::milliseconds request_timeout = std::chrono::seconds(30);
  // shutdown() lets running workflows go on for this long, then hands them back to be continued elsewhere.
  std::chrono::milliseconds drain_timeout = std::chrono::seconds(10);
  // Gets one line about what the runtime does on its own: reconnects, executions it had to stop. Called from any
  // thread. Empty: standard error.
  std::function<void(const std::string&)> log = {};
};

struct WorkflowOptions {
  // Executions allowed beyond the first before the workflow is dead-lettered. 0 means the default, 100.
  std::int32_t max_recovery_attempts = 0;
};

struct StartOptions {
  // Empty: a generated UUIDv7; for a child "<parent id>-<step id>". The same id again means the same workflow.
  std::string workflow_id = {};
  // The workflow is cancelled when it has not ended this long after it began to run; looked at once a second. 0: no
  // limit.
  std::chrono::milliseconds timeout = std::chrono::milliseconds(0);
};

struct StepOptions {
  // Attempts in all; 1 means no retry.
  int max_attempts = 1;
  // The wait before the second attempt; it grows by backoff_rate up to max_interval.
  std::chrono::milliseconds interval = std::chrono::seconds(1);
  double backoff_rate = 2.0;
  std::chrono::milliseconds max_interval = std::chrono::seconds(3600);
  // Each wait is lengthened by a random share of at most this part of it, 0 to 1.
  double jitter = 0.0;
  // Limit of one attempt, 0: none. Cooperative: StepContext::stop_token() is asked to stop, and when the body has come
  // back the attempt counts as failed, whatever it returned. Bodies are never killed.
  std::chrono::milliseconds timeout = std::chrono::milliseconds(0);
  // False: this failure is the step's outcome at once. Empty: every failure is retried.
  std::function<bool(const std::exception&)> retry_if = {};
};

enum class Isolation { kSerializable, kRepeatableRead, kReadCommitted };

struct TransactionOptions {
  // SQLite is always serializable.
  Isolation isolation = Isolation::kSerializable;
  bool read_only = false;
  // Waits until it can run without conflicts. Only with kSerializable and read_only.
  bool deferrable = false;
  // Limit of the whole operation, with its re-runs after conflicts; at most 1 h. Time in which a workflow waits for the
  // sidecar or its database to come back does not count.
  std::chrono::milliseconds timeout = std::chrono::seconds(30);
  // Limit of the time between two statements, in which your own code holds a database connection; at most 1 min.
  std::chrono::milliseconds idle_timeout = std::chrono::seconds(5);
};

struct ClientOptions {
  // As AppOptions::sidecar_address.
  std::string sidecar_address = {};
  std::chrono::milliseconds request_timeout = std::chrono::seconds(30);
};

}  // namespace dbos
