#include "tests/testing/proxy/sockets.h"

#include <cerrno>
#include <cstring>
#include <system_error>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "sidecar/base/status.h"

namespace dbos::testing {
namespace {

constexpr size_t kReadBytes = 64 << 10;

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  int family = AF_UNIX;
  // sockaddr is the one type the socket calls take for every family.
  sockaddr* get() { return static_cast<sockaddr*>(static_cast<void*>(&storage)); }
};

absl::Status Failure(const std::string& what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::generic_category().message(errno)));
}

absl::StatusOr<Address> UnixAddress(const std::string& path) {
  Address address;
  sockaddr_un un{};
  if (path.size() >= sizeof(un.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("socket path longer than ", sizeof(un.sun_path) - 1, ": ", path));
  }
  un.sun_family = AF_UNIX;
  path.copy(un.sun_path, path.size());
  std::memcpy(&address.storage, &un, sizeof(un));
  address.size = sizeof(un);
  return address;
}

absl::StatusOr<Address> Resolve(const std::string& text) {
  if (text.rfind('/', 0) == 0) return UnixAddress(text);
  const size_t colon = text.rfind(':');
  int port = -1;
  sockaddr_in in{};
  if (colon == std::string::npos || !absl::SimpleAtoi(text.substr(colon + 1), &port) || port < 0 || port > 65535 ||
      inet_pton(AF_INET, text.substr(0, colon).c_str(), &in.sin_addr) != 1) {
    return absl::InvalidArgumentError(absl::StrCat("want /path/to/socket or ipv4:port, not ", text));
  }
  in.sin_family = AF_INET;
  in.sin_port = htons(static_cast<uint16_t>(port));
  Address address;
  std::memcpy(&address.storage, &in, sizeof(in));
  address.size = sizeof(in);
  address.family = AF_INET;
  return address;
}

Descriptor MakeSocket(const Address& address) {
  Descriptor socket(::socket(address.family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int one = 1;
  if (address.family == AF_INET) setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  return socket;
}

void SetNonBlocking(const Descriptor& socket) {
  fcntl(socket.get(), F_SETFL, fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    Reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

Descriptor::~Descriptor() {
  Reset();
}

void Descriptor::Reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

absl::StatusOr<Descriptor> Listen(const std::string& text) {
  ASSIGN_OR_RETURN(Address address, Resolve(text));
  Descriptor socket = MakeSocket(address);
  if (!socket.valid()) return Failure("socket");
  if (address.family == AF_UNIX) unlink(text.c_str());
  if (bind(socket.get(), address.get(), address.size) != 0 || listen(socket.get(), SOMAXCONN) != 0) {
    return Failure(absl::StrCat("cannot listen at ", text));
  }
  SetNonBlocking(socket);
  return socket;
}

absl::StatusOr<Descriptor> Connect(const std::string& text) {
  ASSIGN_OR_RETURN(Address address, Resolve(text));
  Descriptor socket = MakeSocket(address);
  if (!socket.valid()) return Failure("socket");
  if (connect(socket.get(), address.get(), address.size) != 0) return Failure(absl::StrCat("cannot connect to ", text));
  SetNonBlocking(socket);
  return socket;
}

absl::StatusOr<Descriptor> Accept(const Descriptor& listener) {
  Descriptor socket(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket.valid()) return Failure("accept");
  const int one = 1;
  setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));  // refused, harmlessly, on a Unix socket
  return socket;
}

absl::StatusOr<int> BoundPort(const Descriptor& listener) {
  sockaddr_in in{};
  socklen_t size = sizeof(in);
  if (getsockname(listener.get(), static_cast<sockaddr*>(static_cast<void*>(&in)), &size) != 0) {
    return Failure("getsockname");
  }
  return ntohs(in.sin_port);
}

absl::Status ReadAvailable(const Descriptor& socket, std::string& buffer) {
  const size_t before = buffer.size();
  buffer.resize(before + kReadBytes);
  const ssize_t got = recv(socket.get(), buffer.data() + before, kReadBytes, 0);
  buffer.resize(before + (got > 0 ? static_cast<size_t>(got) : 0));
  if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR))) return absl::OkStatus();
  return got == 0 ? absl::UnavailableError("closed by the other end") : Failure("recv");
}

absl::Status WriteAvailable(const Descriptor& socket, std::string& buffer) {
  while (!buffer.empty()) {
    const ssize_t sent = send(socket.get(), buffer.data(), buffer.size(), MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == EINTR ? absl::OkStatus() : Failure("send");
    buffer.erase(0, static_cast<size_t>(sent));
  }
  return absl::OkStatus();
}

}  // namespace dbos::testing
