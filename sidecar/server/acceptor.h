// Acceptor: accepts connections, asks the kernel who is at the other end, and hands over those that are allowed.
//
// Threads:  one of its own, in which `handle` is called.
// Blocking: the destructor waits for that thread.
#pragma once

#include <functional>
#include <thread>
#include <vector>

#include <sys/types.h>

#include "sidecar/server/listening_socket.h"

namespace dbos::sidecar {

// Whose processes may connect.
struct AllowedPeers {
  bool any = false;
  std::vector<uid_t> uids;

  bool Contains(uid_t uid) const;
};

class Acceptor {
 public:
  // `handle` owns the descriptor it is given: connected, non-blocking.
  using Handle = std::function<void(int fd)>;
  Acceptor(const ListeningSocket& socket, AllowedPeers peers, Handle handle);
  ~Acceptor();  // stops accepting
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

 private:
  void Main();
  void AcceptOne();

  const int listening_fd_;
  const AllowedPeers peers_;
  const Handle handle_;
  const int stop_fd_;
  std::thread thread_;  // last: uses all of the above
};

}  // namespace dbos::sidecar
