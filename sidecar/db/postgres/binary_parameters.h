// Parameters in PostgreSQL's binary format. Numbers are big-endian; a null has length -1 inside an array.
#pragma once

#include <cstddef>
#include <span>
#include <string>

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

}  // namespace dbos::sidecar
