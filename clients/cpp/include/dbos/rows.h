// Rows: what a statement returned.
//
// A row becomes a value of your own type through its JSON: one NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE on the struct is all.
// The columns are matched by name; those that the struct has not are left out. Of columns that share a name the first
// counts, in as<T>(), get(), text() and json(); get(1) and its like reach the others.
//
//   column                          in C++
//   bool                            bool
//   int2, int4, int8                any integer that holds the value, std::string
//   float4, float8                  double
//   numeric                         dbos::Numeric or std::string, exactly; integers as integers; double by CAST
//   text, varchar, uuid, ...        std::string; dbos::Uuid
//   bytea                           std::vector<std::byte>, or std::string in base64
//   timestamptz                     std::chrono::sys_time of a unit that holds it: microseconds the years 1 to 9999,
//                                   system_clock::time_point 1678 to 2261; or std::string in RFC 3339, UTC
//   timestamp, SQLite's times       the same, taken as UTC
//   date                            std::chrono::year_month_day, std::string
//   json, jsonb                     whatever the JSON holds; dbos::RawJson
//   text that is JSON               dbos::RawJson
//   arrays                          std::vector, nested ones as well; on SQLite JSON text
//   NULL                            std::optional of any of these
//
// SQLite keeps in a column declared NUMERIC or DECIMAL only what a double holds, some 15 digits, and NULL for a double
// that is NaN.
//
// get<RawJson>() and scalar<RawJson>(), also of std::optional, give the stored text of json, jsonb and text byte for
// byte. A RawJson inside of something else, a struct of as<T>() or a std::vector, is JSON that was read and written
// again: its keys are sorted, of equal keys one is left, numbers have the digits of int64, uint64 or double.
//
// Errors: InvalidArgument that names the column, for a column that is not there, NULL without std::optional, and a
//         value that the C++ type cannot hold; or that says how many rows there are where one was wanted.
// Threads: values; a copy shares the cells.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dbos/detail/row_values.h>
#include <dbos/values.h>

namespace dbos {

class Row {
 public:
  Row(std::shared_ptr<const detail::RowSet> set, std::size_t index) : set_(std::move(set)), index_(index) {}

  // The whole row as a struct, a map or a Json.
  template <class T>
  T as() const {
    return detail::RowAs<T>(*set_, index_);
  }
  template <class T>
  T get(std::string_view column) const {
    return get<T>(detail::IndexOf(*set_, column));
  }
  // By position, from 0.
  template <class T>
  T get(std::size_t column) const {
    return detail::CellAs<T>(*set_, index_, column);
  }
  // The database's own text of the cell; none: NULL.
  const std::optional<std::string>& text(std::string_view column) const {
    return set_->cell(index_, detail::IndexOf(*set_, column));
  }
  bool is_null(std::string_view column) const { return !text(column).has_value(); }
  // In the order of the columns.
  Json json() const { return detail::OrderedRow(*set_, index_); }
  const std::vector<SqlColumn>& columns() const { return set_->columns; }

 private:
  friend struct ValueCodec<Row>;
  std::shared_ptr<const detail::RowSet> set_;
  std::size_t index_;
};

class Rows {
 public:
  Rows() : Rows(detail::RowSet{}) {}
  explicit Rows(detail::RowSet set) : set_(std::make_shared<const detail::RowSet>(std::move(set))) {}

  std::size_t size() const { return set_->rows(); }
  bool empty() const { return size() == 0; }
  // Rows that an INSERT, UPDATE or DELETE wrote, or that a SELECT returned.
  std::int64_t affected() const { return set_->affected; }
  const std::vector<SqlColumn>& columns() const { return set_->columns; }
  Row operator[](std::size_t index) const { return Row(set_, index); }

  // The only row.
  Row one() const {
    detail::CheckOneRow(*set_);
    return (*this)[0];
  }
  template <class T>
  T one() const {
    return one().as<T>();
  }
  // The first row, if there is any.
  std::optional<Row> first() const { return empty() ? std::nullopt : std::make_optional((*this)[0]); }
  template <class T>
  std::optional<T> first() const {
    return empty() ? std::nullopt : std::make_optional((*this)[0].as<T>());
  }
  std::vector<Row> all() const { return {begin(), end()}; }
  template <class T>
  std::vector<T> as() const {
    std::vector<T> values;
    values.reserve(size());
    for (std::size_t row = 0; row < size(); ++row) values.push_back(detail::RowAs<T>(*set_, row));
    return values;
  }
  // The first column of the only row.
  template <class T>
  T scalar() const {
    return one().get<T>(0);
  }

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Row;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = Row;
    Iterator() = default;
    Iterator(const std::shared_ptr<const detail::RowSet>* set, std::size_t index) : set_(set), index_(index) {}
    Row operator*() const { return Row(*set_, index_); }
    Iterator& operator++() {
      ++index_;
      return *this;
    }
    Iterator operator++(int) { return {set_, index_++}; }
    bool operator==(const Iterator&) const = default;

   private:
    const std::shared_ptr<const detail::RowSet>* set_ = nullptr;
    std::size_t index_ = 0;
  };
  // Valid while these Rows are.
  Iterator begin() const { return {&set_, 0}; }
  Iterator end() const { return {&set_, size()}; }

 private:
  friend struct ValueCodec<Rows>;
  std::shared_ptr<const detail::RowSet> set_;
};

// {"columns": [{"name", "type"}], "rows": [[text or null]], "affected"}: the value of Context::sql. So rows can also be
// the result of a step or of a transaction.
template <>
struct ValueCodec<Rows> {
  static std::string Encode(const Rows& rows) { return detail::EncodeRows(*rows.set_, 0, rows.size()); }
  static Rows Decode(std::string_view text) { return Rows(detail::DecodeRows(text)); }
};
template <>
struct ValueCodec<Row> {
  static std::string Encode(const Row& row) { return detail::EncodeRows(*row.set_, row.index_, row.index_ + 1); }
  static Row Decode(std::string_view text) { return Rows(detail::DecodeRows(text)).one(); }
};

// One page of a cursor.
struct RowsPage {
  Rows rows;
  bool more = false;
  std::uint64_t cursor = 0;
};

}  // namespace dbos
