#include "running_code.h"

#include <utility>

#include <dbos/errors.h>

namespace dbos::runtime {
namespace {

thread_local bool running_transaction = false;

}  // namespace

RunningTransaction::RunningTransaction() {
  running_transaction = true;
}
RunningTransaction::~RunningTransaction() {
  running_transaction = false;
}

void RefuseInTransaction() {
  if (!running_transaction) return;
  throw InvalidArgument(
      "nothing but SQL may be called in the body of a transaction, which may run more than once: call this before or "
      "after it");
}

}  // namespace dbos::runtime
