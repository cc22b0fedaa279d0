// BlackHole: a TCP port of this machine that drops who wants to connect, as a firewall does.
//
// Threads: one. Lifetime: the port is free again after the destructor.
#pragma once

#include <cstdint>
#include <vector>

namespace dbos::sidecar {

class BlackHole {
 public:
  BlackHole();
  ~BlackHole();
  BlackHole(const BlackHole&) = delete;
  BlackHole& operator=(const BlackHole&) = delete;

  std::uint16_t port() const { return port_; }
  // True while somebody is on his way to the port and has no answer.
  bool Swallows() const;

 private:
  std::vector<int> sockets_;
  std::uint16_t port_ = 0;
};

}  // namespace dbos::sidecar
