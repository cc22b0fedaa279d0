// Values go in and come out as they are, by every database's session.
#include "tests/sidecar/db/session_fixture.h"

namespace dbos::sidecar {
namespace {

using Type = SqlValue::Type;

class SessionValuesTest : public SessionFixture {
 protected:
  // What comes back of a value that was stored in a column of this type, and the column's type.
  std::string Stored(const std::string& column, const SqlValue& value) {
    session_ = OpenSession();  // that has not prepared the same for another type
    Begin();
    Run("CREATE TABLE v (v " + column + ")");
    const SqlAnswer in = Run("INSERT INTO v VALUES (:v) RETURNING v", {{"v", value}});
    const std::string text = Show(in);
    if (std::holds_alternative<SqlFailure>(in)) return text;
    EXPECT_EQ(Show(Run("SELECT v FROM v WHERE v = :v OR :v IS NULL", {{"v", value}})), text) << column;
    const std::string types = Types(Run("SELECT v FROM v"));
    session_->RollBack();
    return types.substr(2) + " " + text;
  }
  static SqlValue Array(std::vector<SqlValue> items) { return {Type::kArray, "", std::move(items)}; }
};

TEST_P(SessionValuesTest, ComeBackAsTheyWent) {
  EXPECT_EQ(Stored("BIGINT", {}), "int8 -");
  EXPECT_EQ(Stored("BOOLEAN", Typed(Type::kBoolean, "true")), "bool t");
  EXPECT_EQ(Stored("BOOLEAN", Typed(Type::kBoolean, "false")), "bool f");
  EXPECT_EQ(Stored("BIGINT", Int(INT64_MIN)), "int8 -9223372036854775808");
  EXPECT_EQ(Stored("BIGINT", Int(INT64_MAX)), "int8 9223372036854775807");
  EXPECT_EQ(Stored("BIGINT", Int(5)), "int8 5");
  const std::string text = "gr\xC3\xBC\xC3\x9F 'q' \"x\" \\ {rows} $1 :a\n\x01";
  EXPECT_EQ(Stored("TEXT", Text(text)), "text " + text);
  EXPECT_EQ(Stored("TEXT", Text("")), "text ");
  EXPECT_EQ(Stored(postgres() ? "BYTEA" : "BLOB", Typed(Type::kBytea, std::string("\0\xFF'\\", 4))),
            "bytea \\x00ff275c");
  EXPECT_EQ(Stored(postgres() ? "BYTEA" : "BLOB", Typed(Type::kBytea, "")),
            "bytea " + std::string(postgres() ? "\\x" : "\\x"));
  EXPECT_EQ(Stored("DATE", Typed(Type::kDate, "2026-02-28")), "date 2026-02-28");
  EXPECT_EQ(Stored("UUID", Typed(Type::kUuid, "01234567-89ab-cdef-0123-456789abcdef")),
            "uuid 01234567-89ab-cdef-0123-456789abcdef");
}

TEST_P(SessionValuesTest, NumbersKeepEveryDigit) {
  for (const auto& [number, text] :
       std::vector<std::pair<std::string, std::string>>{{"0.1", "0.1"},
                                                        {"0.30000000000000004", "0.30000000000000004"},
                                                        {"1", "1"},
                                                        {"100000", "100000"},
                                                        {"123456789012345", "123456789012345"},
                                                        {"1e15", "1e+15"},
                                                        {"1e20", "1e+20"},
                                                        {"1.7976931348623157e308", "1.7976931348623157e+308"},
                                                        {"5e-324", "5e-324"},
                                                        {"0.0001", "0.0001"},
                                                        {"0.00001", "1e-05"},
                                                        {"-2.5", "-2.5"},
                                                        {"Infinity", "Infinity"},
                                                        {"-Infinity", "-Infinity"}}) {
    EXPECT_EQ(Stored("DOUBLE PRECISION", Typed(Type::kNumber, number)), "float8 " + text);
  }
  const std::string exact = "12345678901234567890.12345678901234567890";
  EXPECT_EQ(Stored(postgres() ? "NUMERIC" : "TEXT", Typed(Type::kNumeric, exact)),
            (postgres() ? "numeric " : "text ") + exact);
}

TEST_P(SessionValuesTest, TimesCompareWithThoseOfTheDatabase) {
  Begin();
  Run("CREATE TABLE event (id BIGINT, at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP)");
  Run("INSERT INTO event (id) VALUES (1)");
  const auto at = [](absl::Duration ago) {
    return Typed(Type::kTimestamptz, absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::Now() - ago, absl::UTCTimeZone()));
  };
  const std::string between = "SELECT count(*) FROM event WHERE at > :from AND at < :to";
  EXPECT_EQ(Show(Run(between, {{"from", at(absl::Seconds(9))}, {"to", at(absl::Seconds(-9))}})), "1");
  EXPECT_EQ(Show(Run(between, {{"from", at(absl::Seconds(19))}, {"to", at(absl::Seconds(9))}})), "0");
}

TEST_P(SessionValuesTest, ManyParametersAreBoundInTime) {
  std::string sql = "SELECT 1 IN (-1";
  std::vector<SqlParameter> parameters;
  for (int n = 0; n < 30'000; ++n) {
    parameters.push_back({absl::StrCat("p", n), Int(n)});
    absl::StrAppend(&sql, ", :p", n);
  }
  Begin();
  const absl::Time begun = absl::Now();
  const std::string found = Show(Run(sql + ")", std::move(parameters)));
  EXPECT_EQ(found, postgres() ? "t" : "1");
  EXPECT_LT(absl::Now() - begun, absl::Seconds(2));
}

TEST_P(SessionValuesTest, TypesOfExpressionsAreKnown) {
  Begin();
  EXPECT_EQ(Types(Run("SELECT 1 AS a, 'x' AS b, CAST(:c AS TEXT) AS c", {{"c", Text("y")}})),
            postgres() ? "a:int4,b:text,c:text" : "a:int8,b:text,c:text");
}

INSTANTIATE_OVER_DATABASES(SessionValuesTest);

class PostgresValuesTest : public SessionValuesTest {};

TEST_P(PostgresValuesTest, KeepTheirTypes) {
  EXPECT_EQ(Stored("timestamptz", Typed(Type::kTimestamptz, "2026-01-31T23:59:59.123456Z")).substr(0, 12),
            "timestamptz ");
  EXPECT_EQ(Stored("jsonb", Typed(Type::kJson, R"({"a": [1, null]})")), R"(jsonb {"a": [1, null]})");
  EXPECT_EQ(Stored("int[]", Array({Int(1), SqlValue(), Int(-3)})), "_int4 {1,NULL,-3}");
  EXPECT_EQ(Stored("text[]", Array({Text("a\"b"), Text("c\\,d"), Text(""), Text("NULL"), Text("{x}")})),
            R"(_text {"a\"b","c\\,d","","NULL","{x}"})");
  EXPECT_EQ(Stored("bigint[]", Array({Array({Int(1), Int(2)}), Array({Int(3), Int(4)})})), "_int8 {{1,2},{3,4}}");
  EXPECT_EQ(Stored("bytea[]", Array({Typed(Type::kBytea, std::string("\0\1", 2))})), R"(_bytea {"\\x0001"})");
  EXPECT_EQ(Stored("bool[]", Array({Typed(Type::kBoolean, "true")})), "_bool {t}");
  EXPECT_EQ(Stored("text[]", Array({})), "_text {}");
  EXPECT_EQ(Stored("float8", Typed(Type::kNumber, "NaN")), "float8 NaN");
  EXPECT_EQ(Stored("smallint", Int(7)), "int2 7");
  EXPECT_EQ(Stored("varchar(5)", Text("ab")), "varchar ab");
  Begin();
  EXPECT_EQ(Show(Run("SELECT :a + :b, :n::numeric * 2", {{"a", Int(1)}, {"b", Int(2)}, {"n", Text("1.50")}})),
            "3,3.00");
  EXPECT_EQ(Show(Run("SELECT 3 = ANY(CAST(:a AS int[]))", {{"a", Array({Int(3)})}})), "t");
}

INSTANTIATE_TEST_SUITE_P(OnlyPostgres, PostgresValuesTest, testing::Values(DatabaseKind::kPostgres), DatabaseKindName);

class SqliteValuesTest : public SessionValuesTest {};

TEST_P(SqliteValuesTest, TakeTheFormsThatSqliteKnows) {
  EXPECT_EQ(Stored("JSON", Typed(Type::kJson, R"({"a": 1})")), R"(json {"a": 1})");
  EXPECT_EQ(Stored("TIMESTAMP WITH TIME ZONE", Typed(Type::kTimestamptz, "2026-01-31T23:59:59Z")),
            "timestamptz 2026-01-31 23:59:59");
  EXPECT_EQ(Stored("INTEGER[]", Array({Int(1), SqlValue(), Array({Text("a\"b"), Typed(Type::kBoolean, "true")})})),
            R"(int8 [1,null,["a\"b",true]])");
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_EQ(Stored("TEXT", Array({Typed(Type::kJson, deep), Typed(Type::kNumber, "0.5")})), "text [" + deep + ",0.5]");
  EXPECT_EQ(Stored("NUMERIC", Typed(Type::kNumeric, "12.50")), "numeric 12.5");
  EXPECT_EQ(Stored("Whatever", Text("x")), "whatever x");
  EXPECT_EQ(Stored("BOOLEAN", Int(5)), "bool 5");
  Begin();
  EXPECT_EQ(Types(Run("SELECT 1.5 AS a, x'00' AS b, NULL AS c UNION ALL SELECT 2.5, x'01', 7")),
            "a:float8,b:bytea,c:int8");
  EXPECT_EQ(Types(Run("SELECT NULL AS n")), "n:text");
  EXPECT_EQ(Types(Run("SELECT 1 AS a UNION ALL SELECT 2.5 UNION ALL SELECT 3")), "a:float8");
}

TEST_P(SqliteValuesTest, TextThatIsNotUtf8CannotBeRecorded) {
  Begin();
  EXPECT_EQ(RunAndCommit("SELECT CAST(x'ff' AS TEXT) AS bad", nullptr).substr(0, 6), "22021:");
  EXPECT_EQ(failure_.column, "bad");
}

INSTANTIATE_TEST_SUITE_P(OnlySqlite, SqliteValuesTest, testing::Values(DatabaseKind::kSqlite), DatabaseKindName);

}  // namespace
}  // namespace dbos::sidecar
