#include "tests/sidecar/db/catalog.h"

#include <algorithm>

namespace dbos::sidecar {
namespace {

constexpr char kColumns[] = R"(
SELECT 'column ' || c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
  || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
  || COALESCE(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = CAST('dbos' AS regnamespace) AND c.relkind = 'r')";

constexpr char kIndexes[] = R"(
SELECT 'index ' || pg_get_indexdef(x.indexrelid) || CASE WHEN x.indisvalid THEN '' ELSE ' INVALID' END
FROM pg_index AS x JOIN pg_class AS c ON c.oid = x.indexrelid
WHERE c.relnamespace = CAST('dbos' AS regnamespace))";

constexpr char kConstraints[] = R"(
SELECT 'constraint ' || CAST(conrelid AS regclass) || ' ' || conname || ' ' || pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = CAST('dbos' AS regnamespace))";

constexpr char kFunctions[] = R"(
SELECT 'function ' || proname || '(' || pg_get_function_arguments(p.oid) || ') ' || pg_get_function_result(p.oid) || ' '
  || l.lanname || ' ' || CAST(provolatile AS text) || prosecdef || proisstrict || ' ' || COALESCE(array_to_string(proconfig, ';'), '')
FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
WHERE pronamespace = CAST('dbos' AS regnamespace))";

constexpr char kTriggers[] = R"(
SELECT 'trigger ' || pg_get_triggerdef(t.oid) FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE c.relnamespace = CAST('dbos' AS regnamespace) AND NOT t.tgisinternal)";

// Views, sequences and types: an SDK has none.
constexpr char kOthers[] = R"(
SELECT 'relation ' || CAST(c.relkind AS text) || ' ' || c.relname FROM pg_class AS c
WHERE c.relnamespace = CAST('dbos' AS regnamespace) AND c.relkind NOT IN ('r', 'i'))";

// Spellings of one type, and of no default, are the same here.
constexpr char kSqliteColumns[] = R"(
SELECT 'column ' || t.name || '.' || c.name || ' ' || CASE WHEN c.type LIKE '%INT%' THEN 'INTEGER'
  WHEN c.type LIKE 'DOUBLE%' THEN 'REAL' ELSE c.type END || CASE c."notnull" WHEN 1 THEN ' not null' ELSE '' END
  || COALESCE(' default ' || NULLIF(c.dflt_value, 'NULL'), '') || CASE WHEN c.pk > 0 THEN ' key ' || c.pk ELSE '' END
FROM sqlite_master AS t, pragma_table_info(t.name) AS c WHERE t.type = 'table')";

constexpr char kSqliteIndexes[] = R"(
SELECT 'index ' || t.name || ' ' || i.name || CASE i."unique" WHEN 1 THEN ' unique' ELSE '' END || ' ('
  || (SELECT GROUP_CONCAT(x.name || CASE x."desc" WHEN 1 THEN ' desc' ELSE '' END, ', ')
      FROM pragma_index_xinfo(i.name) AS x WHERE x.key = 1) || ')'
  || CASE i.partial WHEN 1 THEN ' ' || REPLACE(SUBSTR(m.sql, INSTR(m.sql, 'WHERE')), '"', '') ELSE '' END
FROM sqlite_master AS t, pragma_index_list(t.name) AS i LEFT JOIN sqlite_master AS m ON m.name = i.name
WHERE t.type = 'table')";

constexpr char kSqliteForeignKeys[] = R"(
SELECT 'foreign key ' || t.name || ' ' || f."table" || ' ' || f."from" || ' ' || f.on_update || ' ' || f.on_delete
FROM sqlite_master AS t, pragma_foreign_key_list(t.name) AS f WHERE t.type = 'table')";

constexpr char kSqliteOthers[] = "SELECT type || ' ' || name FROM sqlite_master WHERE type NOT IN ('table', 'index')";

// White space in a definition is the author's.
std::string Squeeze(const std::string& text) {
  std::string squeezed;
  for (const char c : text) {
    const bool space = c == ' ' || c == '\n';
    if (!space) squeezed.push_back(c);
    if (space && !squeezed.empty() && squeezed.back() != ' ') squeezed.push_back(' ');
  }
  return squeezed;
}

std::vector<std::string> Lines(TestDatabase& database, const std::vector<const char*>& queries) {
  std::vector<std::string> lines;
  for (const char* query : queries) {
    for (const std::string& line : database.Query(query)) lines.push_back(Squeeze(line));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

}  // namespace

std::vector<std::string> PostgresCatalog(TestDatabase& database) {
  return Lines(database, {kColumns, kIndexes, kConstraints, kFunctions, kTriggers, kOthers});
}

std::vector<std::string> SqliteCatalog(TestDatabase& database) {
  return Lines(database, {kSqliteColumns, kSqliteIndexes, kSqliteForeignKeys, kSqliteOthers});
}

std::vector<std::string> Catalog(TestDatabase& database) {
  return database.Open().dialect.schema_name.empty() ? SqliteCatalog(database) : PostgresCatalog(database);
}

}  // namespace dbos::sidecar
