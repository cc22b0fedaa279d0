// Values on their way into SQLite and out of it.
//
// Arrays go in as JSON text, booleans as 0 and 1, numerics as text (a column of type NUMERIC makes a number of them,
// with a double's digits: exact decimals need a column of type TEXT). Times in UTC go in as the text that SQLite's own
// functions write, so that they compare with theirs.
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
// Where a column was declared without a type, the first value that is not NULL decides; integers are float8 from the
// first number on that is none.
void LearnType(sqlite3_stmt* statement, int column, std::string& type);

// The value in the current row as PostgreSQL shows it, as a value of `type`.
std::optional<std::string> CellText(sqlite3_stmt* statement, int column, const std::string& type);

// Appends the current row, and names the columns if it is the first: they are known behind the first step only, since
// that is where SQLite notices that a table has changed. Returns its bytes. Above `bytes_max` it is not read to its
// end.
std::size_t ReadRow(sqlite3_stmt* statement, std::size_t bytes_max, SqlRows& rows);
// Behind the last row: columns whose types nothing has shown are text.
void Complete(sqlite3_stmt* statement, SqlRows& rows);

// The shortest decimal text that reads back as this number.
std::string NumberText(double number);

}  // namespace dbos::sidecar
