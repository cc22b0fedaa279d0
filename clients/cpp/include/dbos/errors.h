// Errors: everything the client throws.
//
//   Error (std::runtime_error)
//     RecordedError                what user code threw, as it is stored and replayed
//       StepError                  a step failed; the same on the first run and on every replay
//         MaxStepRetriesExceeded   a step failed on each of its attempts
//         SqlError                 what the database has against a statement of a transaction, or against its commit
//         TransactionTimeout       a transaction was idle or at work for too long; it was rolled back
//         PoolExhausted            no database connection became free in time; nothing was done
//         NoApplicationDatabase    the sidecar has no database for transactions; the message names the key
//       WorkflowError              an awaited workflow ended with an error
//     AwaitedWorkflowCancelled     an awaited workflow was cancelled
//     MaxRecoveryAttemptsExceeded  an awaited workflow was dead-lettered
//     NonDeterminismError          a workflow took another path than the one recorded
//     ConflictingWorkflow          the workflow id belongs to a workflow of another name
//     WorkflowNotFound, InvalidArgument, PayloadTooLarge, TimeoutError
//     TransactionInDoubt           outside of a workflow: the answer to a commit was lost, it may have happened
//     MigrationFailed              a migration failed, or what was applied before forbids it
//     SidecarUnavailable           no answer from the sidecar; the request may be repeated
//     RequestRefused               any other refusal; reason() is the name of the dbos.v1.Reason
//
// ExecutionStopped and WorkflowCancelled are not errors and not std::exceptions: they unwind a workflow that this
// process must not continue. Code that swallows one gets it again at the next operation, and its result is discarded.
// TransactionInterrupted is their like for the body of one transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

namespace dbos {

using Json = nlohmann::ordered_json;

// The portable error record of DBOS: {"name": ..., "message": ..., "code"?: ..., "data"?: ...}.
struct ErrorRecord {
  std::string name;
  std::string message;
  std::optional<Json> code = std::nullopt;
  std::optional<Json> data = std::nullopt;
};

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  // How this error is stored when a step or workflow ends with it.
  virtual ErrorRecord record() const;
};

class RecordedError : public Error {
 public:
  explicit RecordedError(ErrorRecord stored) : Error(stored.message), record_(std::move(stored)) {}
  ErrorRecord record() const override { return record_; }
  const std::string& name() const { return record_.name; }
  const std::string& message() const { return record_.message; }
  const std::optional<Json>& code() const { return record_.code; }
  const std::optional<Json>& data() const { return record_.data; }

 private:
  ErrorRecord record_;
};

// Throw one from a step to choose what is recorded.
class StepError : public RecordedError {
 public:
  using RecordedError::RecordedError;
};

class MaxStepRetriesExceeded : public StepError {
 public:
  using StepError::StepError;
};

// In the body of a transaction, out of it, and on every replay: the same fields. Its record has the name "SqlError" and
// the SQLSTATE as code. Texts are empty where the database said nothing.
class SqlError : public StepError {
 public:
  using StepError::StepError;
  // "23505" and the like; SQLite's errors have PostgreSQL's codes.
  std::string sqlstate() const;
  std::string detail() const { return Field("detail"); }
  std::string hint() const { return Field("hint"); }
  std::string schema() const { return Field("schema"); }
  std::string table() const { return Field("table"); }
  std::string column() const { return Field("column"); }
  std::string constraint() const { return Field("constraint"); }
  // The name of the transaction or statement; empty outside of a workflow.
  std::string step() const { return Field("step"); }
  // In characters from 1, in the statement's text; 0: unknown.
  std::uint32_t position() const;
  // The text, at most 200 bytes of it, of a statement that was deferred; of others empty.
  std::string statement() const { return Field("statement"); }

 private:
  std::string Field(const char* key) const;
};

class TransactionTimeout : public StepError {
 public:
  explicit TransactionTimeout(const std::string& message);
  using StepError::StepError;
};

class PoolExhausted : public StepError {
 public:
  explicit PoolExhausted(const std::string& message);
  using StepError::StepError;
};

class NoApplicationDatabase : public StepError {
 public:
  explicit NoApplicationDatabase(const std::string& message);
  using StepError::StepError;
};

// Throw one from a workflow to choose what is recorded.
class WorkflowError : public RecordedError {
 public:
  using RecordedError::RecordedError;
};

class AwaitedWorkflowCancelled : public Error {
 public:
  explicit AwaitedWorkflowCancelled(const std::string& workflow_id);
  ErrorRecord record() const override;
};

class MaxRecoveryAttemptsExceeded : public Error {
 public:
  explicit MaxRecoveryAttemptsExceeded(const std::string& workflow_id);
  ErrorRecord record() const override;
};

// Ends the workflow that hit it with status ERROR, also when user code catches it.
class NonDeterminismError : public Error {
 public:
  using Error::Error;
  ErrorRecord record() const override;
};

class ConflictingWorkflow : public Error {
 public:
  using Error::Error;
};

class WorkflowNotFound : public Error {
 public:
  using Error::Error;
};

class InvalidArgument : public Error {
 public:
  using Error::Error;
};

class PayloadTooLarge : public Error {
 public:
  using Error::Error;
};

class TimeoutError : public Error {
 public:
  using Error::Error;
};

// Look at the data before the transaction is run again.
class TransactionInDoubt : public Error {
 public:
  using Error::Error;
};

// Names the file, the line and the database's message, or what to do about a file that stands in the way.
class MigrationFailed : public Error {
 public:
  using Error::Error;
};

class SidecarUnavailable : public Error {
 public:
  using Error::Error;
};

class RequestRefused : public Error {
 public:
  RequestRefused(std::string reason, const std::string& message) : Error(message), reason_(std::move(reason)) {}
  const std::string& reason() const { return reason_; }

 private:
  std::string reason_;
};

// The unwinding type: this process no longer runs the workflow, because another one does, because the app shuts down or
// because the sidecar refused one of its records for good; in the last case the workflow ends with that error.
class ExecutionStopped {
 public:
  explicit ExecutionStopped(std::string why) : why_(std::move(why)) {}
  virtual ~ExecutionStopped() = default;
  ExecutionStopped(const ExecutionStopped&) = default;
  ExecutionStopped& operator=(const ExecutionStopped&) = default;
  ExecutionStopped(ExecutionStopped&&) = default;
  ExecutionStopped& operator=(ExecutionStopped&&) = default;
  const std::string& why() const { return why_; }

 private:
  std::string why_;
};

// The workflow was cancelled. Nothing more is recorded for it.
class WorkflowCancelled : public ExecutionStopped {
 public:
  using ExecutionStopped::ExecutionStopped;
};

// Unwinds the body of a transaction that is over: it will be run again, or has its outcome already. A body that
// swallows it changes nothing.
class TransactionInterrupted {
 public:
  explicit TransactionInterrupted(std::string why) : why_(std::move(why)) {}
  const std::string& why() const { return why_; }

 private:
  std::string why_;
};

}  // namespace dbos
