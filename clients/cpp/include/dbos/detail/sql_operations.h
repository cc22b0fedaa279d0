// SqlConnection: what a Transaction asks of whatever runs it. The runtime implements it over a stream to the sidecar.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <dbos/options.h>
#include <dbos/rows.h>
#include <dbos/sql_value.h>

namespace dbos {
class Transaction;
}

namespace dbos::detail {

enum class SavepointAction { kSet, kRelease, kRollBack };

// Every call throws SqlError for what the database says, InvalidArgument for a statement that cannot be run, and
// TransactionInterrupted when the transaction is over.
class SqlConnection {
 public:
  SqlConnection() = default;
  virtual ~SqlConnection() = default;
  SqlConnection(const SqlConnection&) = delete;
  SqlConnection& operator=(const SqlConnection&) = delete;

  // With the next of these, or the commit. What the database has against it is thrown there.
  virtual void Defer(std::string_view sql, const SqlParams& params) = 0;
  virtual Rows Query(std::string_view sql, const SqlParams& params) = 0;
  // The first page of a cursor; it closes the one before it.
  virtual RowsPage OpenCursor(std::string_view sql, const SqlParams& params, std::uint32_t page_rows) = 0;
  // The next page. Throws InvalidArgument when that cursor is not the open one.
  virtual RowsPage Fetch(std::uint64_t cursor, std::uint32_t page_rows) = 0;
  virtual void Savepoint(SavepointAction action) = 0;
};

// Transactions outside of a workflow. Implemented for App and Client.
class SqlAccess {
 public:
  SqlAccess() = default;
  virtual ~SqlAccess() = default;
  SqlAccess(const SqlAccess&) = delete;
  SqlAccess& operator=(const SqlAccess&) = delete;

  // Throws what the body throws. It may run more than once.
  virtual void RunTransaction(const TransactionOptions& options, const std::function<void(Transaction&)>& body) = 0;
  virtual Rows RunSql(std::string_view sql, const SqlParams& params, const TransactionOptions& options) = 0;
};

}  // namespace dbos::detail
