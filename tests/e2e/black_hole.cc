#include "tests/e2e/black_hole.h"

#include <fstream>
#include <sstream>
#include <string>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sidecar/base/check.h"

namespace dbos::sidecar {
namespace {

constexpr int kAnswerMs = 100;

// The connections under way to the port, as the kernel lists them: "sl local remote state", addresses in hex.
int OnTheWay(std::uint16_t port) {
  std::ifstream table("/proc/net/tcp");
  int found = 0;
  for (std::string line; std::getline(table, line);) {
    std::istringstream fields(line);
    std::string number;
    std::string local;
    std::string remote;
    std::string state;
    fields >> number >> local >> remote >> state;
    const std::size_t colon = remote.find(':');
    if (state == "02" && std::stoi(remote.substr(colon + 1), nullptr, 16) == port) ++found;
  }
  return found;
}

}  // namespace

// A queue of length 0 that nobody empties: once it is full, the kernel drops every SYN.
BlackHole::BlackHole() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = static_cast<sockaddr*>(static_cast<void*>(&address));
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  DBOS_CHECK(bind(listener, generic, size) == 0 && listen(listener, 0) == 0);
  DBOS_CHECK(getsockname(listener, generic, &size) == 0);
  port_ = ntohs(address.sin_port);
  sockets_.push_back(listener);
  while (true) {
    DBOS_CHECK(sockets_.size() < 10);  // this kernel has another rule
    sockets_.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    (void)connect(sockets_.back(), generic, size);
    pollfd connected = {sockets_.back(), POLLOUT, 0};
    if (poll(&connected, 1, kAnswerMs) == 0) return;  // the first to be dropped; it goes on trying
  }
}

BlackHole::~BlackHole() {
  for (const int fd : sockets_) close(fd);
}

bool BlackHole::Swallows() const {
  return OnTheWay(port_) > 1;  // one is our own
}

}  // namespace dbos::sidecar
