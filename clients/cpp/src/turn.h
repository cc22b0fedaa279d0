// Turn: whose turn it is to handle the events of a stream.
//
// Usually it is that of the keeper, a thread of the transport's own. A thread that waits for an answer may take the
// turn and handle the events itself, which spares waking it. While it does something else for a moment, the keeper
// stays away a little longer, so that it finds the turn free when it waits again: for one to two milliseconds at most
// nobody handles events then.
//
// Threads: Take and Give are the keeper's, the rest is anybody's. Blocking: Take only.
#pragma once

#include "mutex.h"

namespace dbos::runtime {

class Turn {
 public:
  // What a thread says that leaves the turn: it will wait again in a moment, or not.
  enum class Leaving { kForAMoment, kForGood };

  // Waits until nobody has the turn, or will want it in a moment.
  void Take();
  void Give();

  // False: another thread has it.
  [[nodiscard]] bool TryTake();
  void Leave(Leaving leaving);
  // The keeper, when it gives the turn next, leaves it free for a moment.
  void Reserve();
  // Nobody will wait in a moment after all.
  void Release();

 private:
  Mutex mu_;
  CondVar left_;
  bool taken_ ABSL_GUARDED_BY(mu_) = false;
  SteadyTime reserved_until_ ABSL_GUARDED_BY(mu_);  // the keeper stays away
};

}  // namespace dbos::runtime
