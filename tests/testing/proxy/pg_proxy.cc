#include "tests/testing/proxy/pg_proxy.h"

#include <vector>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

#include "sidecar/base/status.h"

namespace dbos::testing {
namespace {

// Splits "/dir/.s.PGSQL.5432" into the directory and the port, as libpq wants them.
std::string LibpqAddress(const std::string& listen, int tcp_port) {
  if (listen.front() != '/') return absl::StrCat("host=127.0.0.1&port=", tcp_port);
  const size_t slash = listen.rfind('/');
  const size_t dot = listen.rfind('.');
  return absl::StrCat("host=", listen.substr(0, slash), "&port=", listen.substr(dot + 1));
}

}  // namespace

absl::StatusOr<std::unique_ptr<PgProxy>> PgProxy::Start(const ProxyOptions& options) {
  ASSIGN_OR_RETURN(Descriptor listener, Listen(options.listen));
  Descriptor wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return absl::UnavailableError("eventfd failed");
  return std::unique_ptr<PgProxy>(new PgProxy(options, std::move(listener), std::move(wake)));
}

PgProxy::PgProxy(const ProxyOptions& options, Descriptor listener, Descriptor wake)
    : options_(options), listener_(std::move(listener)), wake_(std::move(wake)) {
  if (options.cockroach) cockroach_.emplace(*options.cockroach);
  thread_ = std::thread([this] { Run(); });
}

PgProxy::~PgProxy() {
  stopping_ = true;
  Wake();
  thread_.join();
  if (options_.listen.front() == '/') unlink(options_.listen.c_str());
}

std::string PgProxy::Url(const std::string& user, const std::string& database) const {
  const int port = BoundPort(listener_).value_or(0);
  return absl::StrCat("postgresql://", user, "@/", database, "?", LibpqAddress(options_.listen, port));
}

void PgProxy::Stall() {
  switchboard_.Stall();
  Wake();
}

void PgProxy::Resume() {
  switchboard_.Resume();
  Wake();
}

void PgProxy::DropAll() {
  drop_all_ = true;
  Wake();
  drop_all_.wait(true);
}

void PgProxy::Wake() {
  const uint64_t one = 1;
  // It only fails when a wake-up is already pending.
  if (write(wake_.get(), &one, sizeof(one)) < 0) return;
}

void PgProxy::AcceptAll() {
  while (true) {
    absl::StatusOr<Descriptor> client = Accept(listener_);
    if (!client.ok()) return;
    const bool accepting = accepting_;
    switchboard_.Add({.connections = accepting ? 1 : 0, .refused = accepting ? 0 : 1});
    if (!accepting) continue;
    links_.emplace_back(*std::move(client), options_.upstream, switchboard_, cockroach_ ? &*cockroach_ : nullptr);
  }
}

void PgProxy::Run() {
  std::vector<pollfd> fds;
  while (!stopping_) {
    const bool stalled = switchboard_.stalled();
    fds = {{wake_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    for (const Link& link : links_) {
      fds.push_back({stalled ? -1 : link.client_fd(), link.client_events(), 0});
      fds.push_back({stalled ? -1 : link.server_fd(), link.server_events(), 0});
    }
    if (poll(fds.data(), fds.size(), -1) < 0) continue;
    uint64_t wakes = 0;
    if ((fds[0].revents & POLLIN) != 0 && read(wake_.get(), &wakes, sizeof(wakes)) < 0) continue;
    if (drop_all_) {
      links_.clear();
      fds.resize(2);
      drop_all_ = false;
      drop_all_.notify_all();
    }
    size_t at = 2;
    // Every link, even one that poll said nothing of: after a Resume there is work without a readable socket.
    const bool may_pump = !switchboard_.stalled();
    for (auto link = links_.begin(); may_pump && link != links_.end(); at += 2) {
      link = link->Pump(fds[at].revents, fds[at + 1].revents) ? std::next(link) : links_.erase(link);
    }
    if ((fds[1].revents & POLLIN) != 0) AcceptAll();
  }
  links_.clear();
}

}  // namespace dbos::testing
