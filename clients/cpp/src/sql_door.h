// SqlDoor: the way of transactions to the sidecar. SqlStream: one transaction after another, a request and its answer
// at a time.
//
// SqlStreams has streams of gRPC, SessionSql the session of the process.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "dbos/v1/transactions.pb.h"

#include "mutex.h"

namespace dbos::runtime {

// Threads: one at a time; Cancel from any. Blocking: Exchange.
class SqlStream {
 public:
  SqlStream() = default;
  SqlStream(const SqlStream&) = delete;
  SqlStream& operator=(const SqlStream&) = delete;
  // What it has open is rolled back by the sidecar.
  virtual ~SqlStream() = default;

  // False: there was no answer and there will be none; the stream is over.
  virtual bool Exchange(const v1::TransactRequest& request, v1::TransactResponse& response, SteadyTime deadline) = 0;
  virtual void Cancel() = 0;
  // Whether it has answered before: then the other end may have gone away since.
  virtual bool used() const = 0;
  // Whether the last request may have reached the sidecar. Not without a connection.
  virtual bool sent() const { return true; }
  // After an exchange that failed: what the sidecar has against all transactions, if it said so. Without a reason: no
  // answer.
  virtual v1::ErrorDetail TakeRefusal() = 0;
};

// Threads: any. Blocking: Execute.
class SqlDoor {
 public:
  SqlDoor() = default;
  virtual ~SqlDoor() = default;
  SqlDoor(const SqlDoor&) = delete;
  SqlDoor& operator=(const SqlDoor&) = delete;

  // An idle stream, or a new one.
  virtual std::unique_ptr<SqlStream> Take() = 0;
  virtual std::unique_ptr<SqlStream> New() = 0;
  // Of a stream that has no transaction open.
  virtual void Give(std::unique_ptr<SqlStream> stream) = 0;
  // They lead to a sidecar that is gone.
  virtual void DropIdle() = 0;

  // What became of one statement. Neither: no answer.
  struct Executed {
    std::optional<v1::ExecuteResponse> response = std::nullopt;
    std::optional<v1::ErrorDetail> refusal = std::nullopt;
    std::string why_lost = {};
    bool sent = true;  // false: there was no connection, so that nothing was done
  };
  // One statement that is a whole transaction.
  virtual Executed Execute(const v1::ExecuteRequest& request, std::chrono::milliseconds timeout,
                           const std::stop_token& stop) = 0;
};

}  // namespace dbos::runtime
