// CursorPage: where one page of a cursor ends. It has at most the rows that were asked for, and fewer where they are
// large: it travels as one message.
//
// Threads: one at a time. Blocking: never.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "sidecar/model/transaction.h"

namespace dbos::sidecar {

using SqlCells = std::span<const std::optional<std::string>>;

inline std::size_t BytesOf(SqlCells cells) {
  std::size_t bytes = 0;
  for (const auto& cell : cells) bytes += kSqlCellBytes + (cell ? cell->size() : 0);
  return bytes;
}

class CursorPage {
 public:
  CursorPage(std::uint32_t rows_max, std::size_t bytes_max) : rows_left_(rows_max), bytes_max_(bytes_max) {}

  // Whether the next row, of so many bytes, belongs to this page. The first one always does.
  bool Takes(std::size_t row_bytes) {
    if (is_full() || (bytes_ > 0 && bytes_ + row_bytes > bytes_max_)) return false;
    --rows_left_;
    bytes_ += row_bytes;
    return true;
  }
  // A quarter of the bytes is enough: what comes next may be a large row.
  bool is_full() const { return rows_left_ == 0 || bytes_ >= EnoughBytes(bytes_max_); }
  std::uint32_t rows_left() const { return rows_left_; }

  static constexpr std::size_t EnoughBytes(std::size_t bytes_max) { return bytes_max / 4; }

 private:
  std::uint32_t rows_left_;
  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
};

}  // namespace dbos::sidecar
