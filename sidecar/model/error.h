// Error: a protocol error, the answer to a request that the engine refused. Never recorded as an outcome.
#pragma once

#include <string>

namespace dbos::sidecar {

// Same numbers as dbos.v1.Reason; what each means is written there.
enum class Reason {
  kNone = 0,
  kFenced = 1,
  kWorkflowCancelled = 2,
  kWorkflowTerminal = 3,
  kStepMismatch = 4,
  kStepAlreadyRecorded = 5,
  kWorkflowConflict = 6,
  kWorkflowNotFound = 7,
  kAttemptsExceeded = 8,
  kInvalidRequest = 9,
  kPayloadTooLarge = 10,
  kInflightLimit = 11,
  kDatabaseUnavailable = 12,
  kDraining = 13,
  kProtocolViolation = 14,
  kUnsupported = 15,
  kApplicationMismatch = 16,
  kVersionConflict = 17,
  kNotRegistered = 18,
  kPrecedingOperationFailed = 19,
  kDatabaseError = 20,
  kDisconnected = 21,
  kDeadlineExceeded = 22,
  kMigrationFailed = 23,
  kNoApplicationDatabase = 24,
  kTransactionTimeout = 25,
  kPoolExhausted = 26,
  kTransactionInDoubt = 27,
};

struct Error {
  Reason reason = Reason::kNone;
  std::string message;

  bool ok() const { return reason == Reason::kNone; }
};

}  // namespace dbos::sidecar
