// Transaction: SQL on the application database, in one database transaction.
//
//   auto row = ctx.transaction("record", [&](dbos::Transaction& tx) {
//     return tx.query("INSERT INTO orders(id, sku) VALUES (:id, :sku) RETURNING *", {{"id", id}, {"sku", sku}})
//         .one<OrderRow>();
//   });
//
// In a workflow it takes effect exactly once: its SQL and its record commit together, and every later run gets the
// recorded result. The body is run again after a conflict with another transaction (serialization failure, deadlock),
// so it must do nothing but SQL and plain computation.
//
// What the body returns comes back as it is recorded, and times are recorded in milliseconds: already in the first run
// a returned row's time is no longer equal to the microseconds in the table. To compare, return a column of versions,
// or the time as std::string or dbos::Rows, which keep every digit.
//
// Threads:  the body's own.
// Blocking: every call but defer() is a round trip to the database, up to the limits of TransactionOptions.
// Errors:   SqlError for what the database says. After one the transaction takes nothing more, and its commit fails,
//           unless the statement was within a savepoint. InvalidArgument for a statement that cannot be run:
//           transaction control, parameters that do not match the text. What the client finds itself, a value that
//           SQL cannot hold or a typed call that lacks something, was not sent, and leaves the transaction open. What
//           the sidecar finds, such as a parameter that is missing or unused, rolls it back, savepoints and all. Throws
//           TransactionInterrupted, which is no std::exception, to leave a body that will be run again.
// Limits:   SQL of 1 MiB, 65,535 parameters; rows of Limits.max_payload_bytes (4 MiB) for one statement: beyond it,
//           stream().
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <dbos/detail/records.h>
#include <dbos/detail/sql_operations.h>
#include <dbos/rows.h>
#include <dbos/sql_value.h>

namespace dbos {

// Rows that come in pages, for results larger than memory: for (const dbos::Row& row : tx.stream(sql)) ... Once.
// A transaction has one stream at a time: opening another one, or leaving the savepoint it was opened in, ends it.
class RowStream {
 public:
  RowStream(detail::SqlConnection& connection, std::string_view sql, const SqlParams& params, std::uint32_t page_rows);
  RowStream(const RowStream&) = delete;
  RowStream& operator=(const RowStream&) = delete;
  ~RowStream() = default;

  const std::vector<SqlColumn>& columns() const { return page_.rows.columns(); }

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Row;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = Row;
    Iterator() = default;
    explicit Iterator(RowStream& stream) : stream_(&stream) {}
    Row operator*() const { return stream_->page_.rows[stream_->next_]; }
    Iterator& operator++() {
      stream_->Advance();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t /*end*/) const { return stream_->AtEnd(); }

   private:
    RowStream* stream_ = nullptr;
  };
  Iterator begin() { return Iterator(*this); }
  static std::default_sentinel_t end() { return {}; }

 private:
  void Advance();
  void SkipEmptyPages();
  bool AtEnd() const { return next_ == page_.rows.size(); }

  detail::SqlConnection& connection_;
  const std::uint32_t page_rows_;
  RowsPage page_;
  std::size_t next_ = 0;
};

class Transaction {
 public:
  explicit Transaction(detail::SqlConnection& connection) : connection_(connection) {}
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction() = default;

  Rows query(std::string_view sql, const SqlParams& params = {}) { return connection_.Query(sql, params); }
  // Returns how many rows it wrote.
  std::int64_t execute(std::string_view sql, const SqlParams& params = {}) { return query(sql, params).affected(); }
  // For a statement whose result is not needed: it travels with the next call or the commit and costs no round trip of
  // its own. It runs then, before what it travels with, in the order of the calls; its rows are dropped. When it fails
  // the call that it travelled with throws the SqlError, whose statement() is its text: the next one, the end of
  // savepoint(), or transaction() itself. An InvalidArgument about its parameters comes there as well. Blocking: only
  // once 100 of them, or 1 MiB, are waiting; then they travel with the last one, whose rows count as those of a query.
  void defer(std::string_view sql, const SqlParams& params = {}) { connection_.Defer(sql, params); }
  RowStream stream(std::string_view sql, const SqlParams& params = {}, std::uint32_t page_rows = 1000) {
    return RowStream(connection_, sql, params, page_rows);
  }

  // Typed records: structs with NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE, whose members are called like the columns. The same
  // SQL on every database. Tables and columns are quoted, so they are case-sensitive; "schema.table" is split at the
  // dot.
  //
  // Members that are an empty std::optional are left out of what is written: in an insert defaults and generated keys
  // apply, in an update the column stays as it is; set NULL through a list of values. A std::vector is an array, a
  // struct or a RawJson goes into a json column.
  //
  // A filter is a list of columns and values, joined by AND: {{"city", "Rome"}, {"left_at", nullptr}}. nullptr is
  // IS NULL, a vector any of its values.

  // Returns the stored row, generated columns included.
  template <class T>
  T insert(std::string_view table, const T& record) {
    std::size_t first = 0;
    return Ask(detail::InsertSql(table, {detail::ParamsOf(record)}, first)).template one<T>();
  }
  // In the order of the records; as few statements as there can be.
  template <class T>
  std::vector<T> insert_many(std::string_view table, const std::vector<T>& records) {
    std::vector<SqlParams> rows;
    rows.reserve(records.size());
    for (const T& record : records) rows.push_back(detail::ParamsOf(record));
    std::vector<T> stored;
    stored.reserve(records.size());
    for (std::size_t first = 0; first < rows.size();) {
      for (T& row : Ask(detail::InsertSql(table, rows, first)).template as<T>()) stored.push_back(std::move(row));
    }
    return stored;
  }
  // Inserts, or writes over the row that has the same values in `key_columns`, which must be a key of the table.
  template <class T>
  T upsert(std::string_view table, const T& record, const std::vector<std::string>& key_columns) {
    return Ask(detail::UpsertSql(table, detail::ParamsOf(record), key_columns)).template one<T>();
  }
  template <class T>
  std::vector<T> find(std::string_view table, const SqlParams& filter = {}) {
    return Ask(detail::SelectSql(table, filter, /*only_first=*/false)).template as<T>();
  }
  // Any one of them.
  template <class T>
  std::optional<T> first(std::string_view table, const SqlParams& filter = {}) {
    return Ask(detail::SelectSql(table, filter, /*only_first=*/true)).template first<T>();
  }
  // Both return how many rows they changed. They need a filter.
  std::int64_t update(std::string_view table, const SqlParams& values, const SqlParams& filter) {
    return Ask(detail::UpdateSql(table, values, filter)).affected();
  }
  template <class T>
  std::int64_t update(std::string_view table, const T& record, const SqlParams& filter) {
    return update(table, detail::ParamsOf(record), filter);
  }
  std::int64_t erase(std::string_view table, const SqlParams& filter) {
    return Ask(detail::DeleteSql(table, filter)).affected();
  }

  // Runs `body` and returns what it returns. An exception undoes what it did, and goes on. May be nested.
  template <class F>
  std::invoke_result_t<F&> savepoint(F&& body) {
    Savepoint savepoint(connection_);
    if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
      body();
      savepoint.Release();
    } else {
      auto result = body();
      savepoint.Release();
      return result;
    }
  }

 private:
  class Savepoint {
   public:
    explicit Savepoint(detail::SqlConnection& connection) : connection_(connection) {
      connection_.Savepoint(detail::SavepointAction::kSet);
    }
    Savepoint(const Savepoint&) = delete;
    Savepoint& operator=(const Savepoint&) = delete;
    ~Savepoint();
    void Release() {
      connection_.Savepoint(detail::SavepointAction::kRelease);
      open_ = false;
    }

   private:
    detail::SqlConnection& connection_;
    bool open_ = true;
  };

  Rows Ask(const detail::SqlText& text) { return connection_.Query(text.sql, text.params); }

  detail::SqlConnection& connection_;
};

namespace detail {

template <class F>
using TransactionResult = std::decay_t<std::invoke_result_t<std::remove_reference_t<F>&, Transaction&>>;

// A transaction outside of a workflow: its result needs no stored form.
template <class F>
TransactionResult<F> RunOutside(SqlAccess& access, const TransactionOptions& options, F& body) {
  using Result = TransactionResult<F>;
  if constexpr (std::is_void_v<Result>) {
    access.RunTransaction(options, [&](Transaction& transaction) { body(transaction); });
  } else {
    std::optional<Result> result;
    access.RunTransaction(options, [&](Transaction& transaction) { result.emplace(body(transaction)); });
    return *std::move(result);
  }
}

}  // namespace detail
}  // namespace dbos
