// Parameters in PostgreSQL's binary format. Numbers are big-endian; a null has length -1 inside an array.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "sidecar/db/dialect.h"
#include "sidecar/db/value.h"

namespace dbos::sidecar {

// Type numbers from pg_type; they never change.
unsigned int TypeOid(ColumnType type);
unsigned int ArrayTypeOid(ColumnType type);

// A value that is not null, in the form of `type`. The kind of value must fit the type.
void AppendBinary(ColumnType type, const Value& value, std::string& out);

// Column `column` of `values`, which holds rows of `width` values each, as a one-dimensional array.
struct ColumnOfRows {
  std::span<const Value> values;
  std::size_t column = 0;
  std::size_t width = 1;
};
std::string BinaryArray(ColumnType type, const ColumnOfRows& rows);

// The parameters of one execution, as libpq wants them. Keeps the bytes alive.
class BinaryParameters {
 public:
  // One parameter for each column.
  void AddPlain(const std::vector<Column>& columns, const std::vector<Value>& row);
  // One array for each column; `values` holds row after row.
  void AddArrays(const std::vector<Column>& columns, const std::vector<Value>& values);

  int count() const { return static_cast<int>(bytes_.size()); }
  const char* const* values();
  const int* lengths() const { return lengths_.data(); }
  const int* formats() const { return formats_.data(); }

 private:
  void Add(std::string bytes, bool null);

  std::vector<std::string> bytes_;
  std::vector<bool> nulls_;
  std::vector<const char*> values_;
  std::vector<int> lengths_;
  std::vector<int> formats_;
};

}  // namespace dbos::sidecar
