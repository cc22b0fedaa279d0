// WriteTurns: who of this process may write to one SQLite file next; first come, first served. SQLite by itself lets
// those who wait try again and again, and whoever tries at the right moment wins.
//
// Threads:  any. A turn belongs to nobody in particular.
// Blocking: Take.
#pragma once

#include <atomic>
#include <cstddef>
#include <list>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"

#include "sidecar/base/mutex.h"

namespace dbos::sidecar {

class WriteTurns {
 public:
  // Those of a file, whatever its path is written like.
  static std::shared_ptr<WriteTurns> Of(const std::string& path);

  // False: the time was over, or `stop` became true, which Wake tells.
  bool Take(absl::Time deadline, const std::atomic<bool>* stop = nullptr);
  void Give();
  void Wake();
  std::size_t waiting();

 private:
  struct Waiter {
    CondVar changed;
    bool granted = false;
  };

  Mutex mu_;
  bool taken_ ABSL_GUARDED_BY(mu_) = false;
  std::list<Waiter*> waiting_ ABSL_GUARDED_BY(mu_);
};

// One turn, given back with its end.
class WriteTurn {
 public:
  explicit WriteTurn(std::shared_ptr<WriteTurns> turns) : turns_(std::move(turns)) {}
  ~WriteTurn() { Give(); }
  WriteTurn(const WriteTurn&) = delete;
  WriteTurn& operator=(const WriteTurn&) = delete;

  bool Take(absl::Time deadline, const std::atomic<bool>* stop = nullptr) {
    taken_ = taken_ || turns_->Take(deadline, stop);
    return taken_;
  }
  void Give() {
    if (taken_) turns_->Give();
    taken_ = false;
  }
  void Wake() { turns_->Wake(); }

 private:
  const std::shared_ptr<WriteTurns> turns_;
  bool taken_ = false;
};

}  // namespace dbos::sidecar
