// TransactionTry: one transaction over one stream, from begin to its end. What a Transaction talks to.
//
// Threads: one.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include <dbos/detail/sql_operations.h>

#include "error_records.h"
#include "sql_door.h"

namespace dbos::runtime {

// How one try ended.
struct TryEnd {
  enum class Kind {
    kEnded,      // committed, rolled back, or recorded before: `ended`
    kRestart,    // a conflict: `error`
    kSqlError,   // the commit failed: `error`
    kRefused,    // `refusal`
    kLost,       // no answer
    kUncertain,  // no answer to the commit
  };
  Kind kind = Kind::kLost;
  v1::TransactionEnded ended = {};
  v1::ErrorDetail refusal = {};
  std::optional<SqlError> error = std::nullopt;
};

class TransactionTry final : public detail::SqlConnection {
 public:
  struct Settings {
    SqlDoor& door;
    std::string_view name;  // for errors
    v1::BeginTransaction begin;
    std::size_t max_message_bytes;
    std::stop_token stop;  // ends the stream
  };
  explicit TransactionTry(Settings settings);

  void Defer(std::string_view sql, const SqlParams& params) override;
  Rows Query(std::string_view sql, const SqlParams& params) override;
  RowsPage OpenCursor(std::string_view sql, const SqlParams& params, std::uint32_t page_rows) override;
  RowsPage Fetch(std::uint64_t cursor, std::uint32_t page_rows) override;
  void Savepoint(detail::SavepointAction action) override;

  bool begun() const { return stream_ != nullptr || end_.has_value(); }  // anything was sent
  bool empty() const { return !begun() && deferred_.empty(); }
  bool over() const { return end_.has_value(); }
  // Both return at once when it is over, and throw PayloadTooLarge when the request does not fit into a message.
  const TryEnd& Commit(const StoredOutcome& result);
  const TryEnd& RollBack(const StoredOutcome* failure);

 private:
  RowsPage AskForRows(v1::TransactRequest& request);
  // The answer, or throws.
  v1::TransactResponse& Ask(v1::TransactRequest& request);
  // Throws when the transaction is over.
  void AskOf(v1::TransactRequest& request);
  SqlError ErrorOf(const v1::TransactRequest& request) const;
  const TryEnd& Finish(v1::TransactRequest& request);
  void SendDeferred();
  void DropDeferred();
  std::size_t BytesOf(const v1::TransactRequest& request) const;
  // False: no answer. The first one begins the transaction. What was deferred goes along.
  bool Exchange(v1::TransactRequest& request);
  // After an exchange that failed: the status of the stream is the answer, if it has a reason.
  bool RefusedByStatus();
  bool ExchangeOnce(const v1::TransactRequest& request);
  // Takes an answer that ends the transaction. False: it is none.
  bool TakeEnd();
  void End(TryEnd end);
  [[noreturn]] void ThrowOver() const;

  const Settings settings_;
  std::unique_ptr<SqlStream> stream_;
  bool last_was_sent_ = true;  // of what got no answer
  SteadyTime deadline_;
  v1::TransactResponse response_;
  std::uint64_t cursor_ = 0;
  google::protobuf::RepeatedPtrField<v1::SqlStatement> deferred_;
  std::size_t deferred_bytes_ = 0;
  std::optional<TryEnd> end_;
};

}  // namespace dbos::runtime
