// RunningTransaction: marks the thread that runs the body of a transaction, in which nothing else may be called.
#pragma once

namespace dbos::runtime {

class RunningTransaction {
 public:
  RunningTransaction();
  ~RunningTransaction();
  RunningTransaction(const RunningTransaction&) = delete;
  RunningTransaction& operator=(const RunningTransaction&) = delete;
};

// Throws InvalidArgument on such a thread.
void RefuseInTransaction();

}  // namespace dbos::runtime
