#include "sidecar/db/postgres/binary_parameters.h"

#include <cstdint>
#include <limits>
#include <utility>

#include "sidecar/base/check.h"

namespace dbos::sidecar {
namespace {

void AppendInt(std::uint64_t number, int bytes, std::string& out) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) out.push_back(static_cast<char>((number >> shift) & 0xFF));
}

void AppendInt32(std::int64_t number, std::string& out) {
  AppendInt(static_cast<std::uint64_t>(number), 4, out);
}

std::size_t BinarySize(ColumnType type, const Value& value) {
  switch (type) {
    case ColumnType::kText:
      return std::get<std::string_view>(value).size();
    case ColumnType::kBigint:
      return 8;
    case ColumnType::kInt4:
      return 4;
    case ColumnType::kBoolean:
      return 1;
  }
  return 0;
}

bool IsNull(const Value& value) {
  return std::holds_alternative<std::monostate>(value);
}

}  // namespace

unsigned int TypeOid(ColumnType type) {
  switch (type) {
    case ColumnType::kText:
      return 25;
    case ColumnType::kBigint:
      return 20;
    case ColumnType::kInt4:
      return 23;
    case ColumnType::kBoolean:
      return 16;
  }
  return 0;
}

unsigned int ArrayTypeOid(ColumnType type) {
  switch (type) {
    case ColumnType::kText:
      return 1009;
    case ColumnType::kBigint:
      return 1016;
    case ColumnType::kInt4:
      return 1007;
    case ColumnType::kBoolean:
      return 1000;
  }
  return 0;
}

void AppendBinary(ColumnType type, const Value& value, std::string& out) {
  switch (type) {
    case ColumnType::kText:
      out.append(std::get<std::string_view>(value));
      return;
    case ColumnType::kBigint:
      AppendInt(static_cast<std::uint64_t>(std::get<std::int64_t>(value)), 8, out);
      return;
    case ColumnType::kInt4: {
      const std::int64_t number = std::get<std::int64_t>(value);
      DBOS_CHECK(number >= std::numeric_limits<std::int32_t>::min() &&
                 number <= std::numeric_limits<std::int32_t>::max());
      AppendInt32(number, out);
      return;
    }
    case ColumnType::kBoolean:
      out.push_back(std::get<bool>(value) ? '\1' : '\0');
      return;
  }
}

std::string BinaryArray(ColumnType type, const ColumnOfRows& rows) {
  const std::size_t count = rows.values.size() / rows.width;
  std::size_t bytes = 20;
  bool has_null = false;
  for (std::size_t row = 0; row < count; ++row) {
    const Value& value = rows.values[row * rows.width + rows.column];
    has_null = has_null || IsNull(value);
    bytes += 4 + (IsNull(value) ? 0 : BinarySize(type, value));
  }
  std::string out;
  out.reserve(bytes);
  AppendInt32(count == 0 ? 0 : 1, out);  // dimensions
  AppendInt32(has_null ? 1 : 0, out);
  AppendInt32(TypeOid(type), out);
  if (count == 0) return out;
  AppendInt32(static_cast<std::int64_t>(count), out);
  AppendInt32(1, out);  // lower bound
  for (std::size_t row = 0; row < count; ++row) {
    const Value& value = rows.values[row * rows.width + rows.column];
    if (IsNull(value)) {
      AppendInt32(-1, out);
      continue;
    }
    AppendInt32(static_cast<std::int64_t>(BinarySize(type, value)), out);
    AppendBinary(type, value, out);
  }
  return out;
}

void BinaryParameters::AddPlain(const std::vector<Column>& columns, const std::vector<Value>& row) {
  for (std::size_t n = 0; n < columns.size(); ++n) {
    std::string bytes;
    if (!IsNull(row[n])) AppendBinary(columns[n].type, row[n], bytes);
    Add(std::move(bytes), IsNull(row[n]));
  }
}

void BinaryParameters::AddArrays(const std::vector<Column>& columns, const std::vector<Value>& values) {
  for (std::size_t n = 0; n < columns.size(); ++n) {
    Add(BinaryArray(columns[n].type, {values, n, columns.size()}), false);
  }
}

void BinaryParameters::Add(std::string bytes, bool null) {
  lengths_.push_back(static_cast<int>(bytes.size()));
  formats_.push_back(1);
  nulls_.push_back(null);
  bytes_.push_back(std::move(bytes));
}

const char* const* BinaryParameters::values() {
  values_.clear();
  for (std::size_t n = 0; n < bytes_.size(); ++n) values_.push_back(nulls_[n] ? nullptr : bytes_[n].data());
  return values_.data();
}

}  // namespace dbos::sidecar
