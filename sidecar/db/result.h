// Result: the rows that a statement returned, copied out of the driver.
//
// Lifetime: the views it hands out live as long as the Result.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"

#include "sidecar/base/check.h"

namespace dbos::sidecar {

class Result {
 private:
  static constexpr std::size_t kNullSize = static_cast<std::size_t>(-1);
  struct Cell {
    std::size_t offset;
    std::size_t size;
  };

 public:
  // One row. Columns by position, as the query lists them. A null reads as "", 0 and false.
  class Row {
   public:
    bool IsNull(std::size_t column) const { return cell(column).size == kNullSize; }
    std::string_view View(std::size_t column) const {
      if (IsNull(column)) return {};
      return std::string_view(result_->text_).substr(cell(column).offset, cell(column).size);
    }
    std::string Text(std::size_t column) const { return std::string(View(column)); }
    std::int64_t Int(std::size_t column) const {
      if (IsNull(column)) return 0;
      std::int64_t number = 0;
      DBOS_CHECK(absl::SimpleAtoi(Text(column), &number));
      return number;
    }
    bool Bool(std::size_t column) const { return View(column) == "t" || View(column) == "1"; }

   private:
    friend class Result;
    Row(const Result& result, std::size_t index) : result_(&result), index_(index) {}
    const Cell& cell(std::size_t column) const {
      DBOS_CHECK(column < result_->columns_);
      return result_->cells_[index_ * result_->columns_ + column];
    }

    const Result* result_;
    std::size_t index_;
  };

  std::size_t columns() const { return columns_; }
  std::size_t size() const { return columns_ == 0 ? 0 : cells_.size() / columns_; }
  Row operator[](std::size_t index) const { return Row(*this, index); }

  // For the drivers, cell after cell.
  void set_columns(std::size_t columns) { columns_ = columns; }
  void AddNull() { cells_.push_back({text_.size(), kNullSize}); }
  void AddText(std::string_view text) {
    cells_.push_back({text_.size(), text.size()});
    text_.append(text);
  }

 private:
  std::size_t columns_ = 0;
  std::vector<Cell> cells_;
  std::string text_;
};

}  // namespace dbos::sidecar
