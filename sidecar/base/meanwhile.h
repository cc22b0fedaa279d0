// Meanwhile: what a caller does in whiles that would otherwise be spent waiting for the database.
//
// Each runs at most once, on the calling thread; each may be empty.
#pragma once

#include <functional>

namespace dbos::sidecar {

struct Meanwhile {
  // Before a connection has to be made, else when everything is sent; where nothing is sent, before everything.
  std::function<void()> at_first = {};
  // The statements of a large batch have gone well, and the server writes its log. May send the batch that follows.
  std::function<void()> at_commit = {};
};

}  // namespace dbos::sidecar
