#include "sidecar/server/http_server.h"

#include <utility>

#include <httplib.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

constexpr std::size_t kThreads = 2;
constexpr std::size_t kRequestBytesMax = 4096;
constexpr time_t kSecondsMax = 5;  // for a request to come in, and for the answer to go out
constexpr char kMetricsType[] = "text/plain; version=0.0.4";

struct HostAndPort {
  std::string host;
  int port = 0;
};

absl::StatusOr<HostAndPort> Parse(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  HostAndPort parsed;
  parsed.host = address.substr(0, colon == std::string::npos ? 0 : colon);
  const bool is_port = colon != std::string::npos && absl::SimpleAtoi(address.substr(colon + 1), &parsed.port) &&
                       parsed.port >= 0 && parsed.port <= 0xFFFF;
  const bool in_brackets = parsed.host.size() > 2 && parsed.host.front() == '[' && parsed.host.back() == ']';
  if (in_brackets) parsed.host = parsed.host.substr(1, parsed.host.size() - 2);
  if (!is_port || (!in_brackets && parsed.host.find(':') != std::string::npos)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the HTTP address \"", address, "\" is not of the form HOST:PORT, such as 0.0.0.0:9464 or [::1]:9464"));
  }
  if (parsed.host.empty()) parsed.host = "0.0.0.0";
  return parsed;
}

}  // namespace

class HttpServer::Listener : public httplib::Server {};

HttpServer::HttpServer(std::unique_ptr<Listener> listener, std::string address)
    : listener_(std::move(listener)), address_(std::move(address)) {
  thread_ = std::thread([this] { listener_->listen_after_bind(); });
  // Stopping one that does not run yet would be lost.
  while (!listener_->is_running()) std::this_thread::yield();
}

HttpServer::~HttpServer() {
  listener_->stop();
  thread_.join();
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& address, const Answers& answers) {
  ASSIGN_OR_RETURN(const HostAndPort at, Parse(address));
  auto listener = std::make_unique<Listener>();
  listener->new_task_queue = [] { return new httplib::ThreadPool(kThreads); };  // NOLINT: httplib deletes it
  listener->set_socket_options([](socket_t socket) {  // httplib's own would share the port with another process
    const int on = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  });
  listener->set_payload_max_length(kRequestBytesMax);
  listener->set_read_timeout(kSecondsMax, 0);
  listener->set_write_timeout(kSecondsMax, 0);
  listener->set_keep_alive_max_count(1);  // so that nobody holds a thread
  const auto fine = [](const httplib::Request&, httplib::Response& response) {
    response.set_content("ok\n", "text/plain");
  };
  listener->Get("/livez", fine);
  listener->Get("/startupz", fine);
  listener->Get("/readyz", [ready = answers.ready](const httplib::Request&, httplib::Response& response) {
    const bool is_ready = ready();
    response.status = is_ready ? 200 : 503;
    response.set_content(is_ready ? "ok\n" : "draining\n", "text/plain");
  });
  listener->Get("/metrics", [metrics = answers.metrics](const httplib::Request&, httplib::Response& response) {
    response.set_content(metrics(), kMetricsType);
  });
  int port = at.port;
  if (port == 0) {
    port = listener->bind_to_any_port(at.host);
  } else if (!listener->bind_to_port(at.host, port)) {
    port = -1;
  }
  if (port < 0) {
    return absl::AlreadyExistsError(
        absl::StrCat("cannot listen for HTTP on ", address, ": another process has the port, or the host is not ours"));
  }
  const std::string host = at.host.find(':') == std::string::npos ? at.host : absl::StrCat("[", at.host, "]");
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(listener), absl::StrCat(host, ":", port)));
}

}  // namespace dbos::sidecar
