#include "sidecar/db/dialect.h"

#include "gtest/gtest.h"

namespace dbos::sidecar {
namespace {

constexpr Query kExample = {
    .name = "example",
    .args = "application text",
    .rows = "id text, step int4",
    .sql = "SELECT $1, i.id FROM {rows} JOIN {schema}t AS s ON s.id = i.id WHERE x = '{}' {lock}",
};

TEST(DialectTest, RowsAreArraysOnPostgres) {
  EXPECT_EQ(ExpandQuery(PostgresDialect("dbos"), kExample, Dialect::Rows::kArrays),
            "SELECT $1, i.id FROM (SELECT unnest(CAST($2 AS text[])) AS id, unnest(CAST($3 AS int4[])) AS step) AS i "
            "JOIN \"dbos\".t AS s ON s.id = i.id WHERE x = '{}' FOR NO KEY UPDATE OF s");
}

TEST(DialectTest, RowsAreListedOnSqlite) {
  EXPECT_EQ(ExpandQuery(SqliteDialect(), kExample, Dialect::Rows::kListed, 2),
            "SELECT $1, i.id FROM (SELECT column1 AS id, column2 AS step FROM (VALUES ($2, $3), ($4, $5))) AS i "
            "JOIN t AS s ON s.id = i.id WHERE x = '{}' ");
}

TEST(DialectTest, OneRowIsParametersAlone) {
  EXPECT_EQ(ExpandQuery(SqliteDialect(), kExample, Dialect::Rows::kListed),
            "SELECT $1, i.id FROM (SELECT $2 AS id, $3 AS step) AS i JOIN t AS s ON s.id = i.id WHERE x = '{}' ");
}

TEST(DialectTest, SchemaNamesAreQuoted) {
  EXPECT_EQ(ExpandSql(PostgresDialect("we\"ird"), "{schema}t"), "\"we\"\"ird\".t");
}

TEST(DialectTest, CockroachHasNoConcurrentIndexesAndNoPlannerSettings) {
  const Dialect dialect = CockroachDialect("dbos");
  EXPECT_EQ(ExpandSql(dialect, "CREATE INDEX {concurrently} i"), "CREATE INDEX  i");
  EXPECT_EQ(dialect.writer_settings.find("enable_"), std::string::npos);
}

TEST(DialectDeathTest, UnknownTypeInAParameterListEndsTheProcess) {
  EXPECT_DEATH(ParseColumns("id uuid"), "check failed");
}

}  // namespace
}  // namespace dbos::sidecar
