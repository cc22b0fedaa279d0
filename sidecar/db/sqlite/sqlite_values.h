// Values on their way into SQLite and out of it.
//
// Arrays go in as JSON text, booleans as 0 and 1, numerics and times as text (a column of type NUMERIC makes a number
// of them, with a double's digits: exact decimals need a column of type TEXT).
//
// Threads: as the statement. Blocking: never.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sqlite3.h>

#include "sidecar/db/value.h"
#include "sidecar/model/transaction.h"

namespace dbos::sidecar {

// SQLITE_OK, or why not. The text stays where it is until the statement is reset.
int BindValue(sqlite3_stmt* statement, int index, const SqlValue& value);
int BindValue(sqlite3_stmt* statement, int index, const Value& value);

// Names, and the short names of the types, as declared; empty where there is none.
std::vector<SqlColumn> ColumnsOf(sqlite3_stmt* statement);
// The short name of the type of the value in the current row; empty for NULL.
std::string ValueType(sqlite3_stmt* statement, int column);

// The value in the current row as PostgreSQL shows it, as a value of `type`.
std::optional<std::string> CellText(sqlite3_stmt* statement, int column, const std::string& type);

// The shortest decimal text that reads back as this number.
std::string NumberText(double number);

}  // namespace dbos::sidecar
