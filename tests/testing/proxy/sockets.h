// Plain sockets for the proxy: owned descriptors, listening, connecting, and reads and writes that never block.
//
// An address is a Unix socket path when it begins with '/', else "host:port" with a numeric IPv4 host (port 0: any).
// Blocking: only Connect on TCP. Errors: absl::Status with the address and the system's text.
#pragma once

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dbos::testing {

// Closes its descriptor. Movable, -1 when empty.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor();

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  void Reset();

 private:
  int fd_ = -1;
};

absl::StatusOr<Descriptor> Listen(const std::string& address);
absl::StatusOr<Descriptor> Connect(const std::string& address);
absl::StatusOr<Descriptor> Accept(const Descriptor& listener);
// The port that a TCP listener got.
absl::StatusOr<int> BoundPort(const Descriptor& listener);

// Appends what is there to `buffer`. Not OK when the other end is gone.
absl::Status ReadAvailable(const Descriptor& socket, std::string& buffer);
// Sends as much of `buffer` as fits and removes it. Not OK when the other end is gone.
absl::Status WriteAvailable(const Descriptor& socket, std::string& buffer);

}  // namespace dbos::testing
