// HttpServer: health and metrics over HTTP for those who cannot speak gRPC to a Unix socket (kubelets, Prometheus).
// It shows and changes nothing of workflows.
//
//   GET /livez     the process answers
//   GET /startupz  it listens on its socket (it begins to answer HTTP then)
//   GET /readyz    200, or 503 while it drains. The database is no part of it: when it fails, all would be unready
//   GET /metrics   in the text format of Prometheus
//
// Threads: its own. Lifetime: what it was given to ask must outlive it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"

namespace dbos::sidecar {

class HttpServer {
 public:
  struct Answers {
    std::function<bool()> ready;
    std::function<std::string()> metrics;
  };

  // `address`: HOST:PORT, where HOST may be empty for all interfaces or an IPv6 address in brackets; port 0 takes a
  // free one. InvalidArgument: it is no such thing. AlreadyExists: it cannot be listened on.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const std::string& address, const Answers& answers);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // With the port that was taken.
  const std::string& address() const { return address_; }

 private:
  class Listener;
  HttpServer(std::unique_ptr<Listener> listener, std::string address);

  const std::unique_ptr<Listener> listener_;
  const std::string address_;
  std::thread thread_;
};

}  // namespace dbos::sidecar
