// Rows: cells of every type to C++ values, and errors that name the column.
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <dbos/dbos.h>

#include "gtest/gtest.h"

#include "tests/clients/expect_message.h"

namespace dbos::testing {

struct Everything {
  std::int64_t id = 0;
  bool paid = false;
  double weight = 0;
  Numeric price;
  Uuid key;
  std::vector<std::byte> image;
  std::chrono::system_clock::time_point at;
  std::chrono::year_month_day day;
  std::optional<std::string> note;
  std::vector<std::optional<int>> marks;
  nlohmann::json extra;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Everything, id, paid, weight, price, key, image, at, day, note, marks, extra)

struct Small {
  std::int16_t id = 0;
  std::string name;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Small, id, name)

struct Loose {
  int id = 0;
  bool flag = false;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Loose, id, flag)

struct Moment {
  std::chrono::system_clock::time_point at;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Moment, at)

struct Weighed {
  double w = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Weighed, w)

namespace {

using Cells = std::vector<std::optional<std::string>>;
using std::chrono::system_clock;

Rows Make(std::vector<SqlColumn> columns, Cells cells) {
  return Rows(detail::RowSet{.columns = std::move(columns), .cells = std::move(cells)});
}
Rows Cell(const std::string& type, const std::optional<std::string>& text) {
  return Make({{"c", type}}, {text});
}

TEST(RowsTest, EveryTypeOfPostgresqlFillsAStruct) {
  const auto row = Make({{"id", "int8"},
                         {"paid", "bool"},
                         {"weight", "float8"},
                         {"price", "numeric"},
                         {"key", "uuid"},
                         {"image", "bytea"},
                         {"at", "timestamptz"},
                         {"day", "date"},
                         {"note", "text"},
                         {"marks", "_int4"},
                         {"extra", "jsonb"},
                         {"unused", "text"}},
                        {"9007199254740993", "t", "0.1", "123456789012345678901234567890.10",
                         "0e37df36-f698-11e6-8dd4-cb9ced3df976", "\\x00ff", "2026-01-31 12:00:00.123456+02",
                         "2026-01-31", std::nullopt, "{1,NULL,3}", R"({"a": [1, 2]})", "x"})
                       .one<Everything>();
  EXPECT_EQ(row.id, 9007199254740993);
  EXPECT_TRUE(row.paid);
  EXPECT_EQ(row.weight, 0.1);
  EXPECT_EQ(row.price.text, "123456789012345678901234567890.10");
  EXPECT_EQ(row.key.text, "0e37df36-f698-11e6-8dd4-cb9ced3df976");
  EXPECT_EQ(row.image, (std::vector<std::byte>{std::byte{0}, std::byte{0xff}}));
  EXPECT_EQ(Encode(row.at), "\"2026-01-31T10:00:00.123Z\"");
  EXPECT_EQ(row.at.time_since_epoch() % std::chrono::seconds(1), std::chrono::microseconds(123456));
  EXPECT_EQ(row.day,
            (std::chrono::year_month_day{std::chrono::year(2026), std::chrono::month(1), std::chrono::day(31)}));
  EXPECT_EQ(row.note, std::nullopt);
  EXPECT_EQ(row.marks, (std::vector<std::optional<int>>{1, std::nullopt, 3}));
  EXPECT_EQ(row.extra.at("a").at(1), 2);
}

// SQLite has no such types: what it says about its columns, it says about their values.
TEST(RowsTest, ValuesOfSqliteFillTheSameStruct) {
  const auto row = Make({{"id", "int8"},
                         {"paid", "int8"},
                         {"weight", "float8"},
                         {"price", "text"},
                         {"key", "text"},
                         {"image", "bytea"},
                         {"at", "text"},
                         {"day", "text"},
                         {"note", "text"},
                         {"marks", "text"},
                         {"extra", "json"}},
                        {"7", "1", "2", "1.10", "0e37df36-f698-11e6-8dd4-cb9ced3df976", "\\x", "2026-01-31 12:00:00",
                         "2026-01-31", "hello", "[1,null]", R"({"a": 1})"})
                       .one<Everything>();
  EXPECT_EQ(row.id, 7);
  EXPECT_TRUE(row.paid);
  EXPECT_EQ(Encode(row.at), "\"2026-01-31T12:00:00.000Z\"");
  EXPECT_EQ(row.marks, (std::vector<std::optional<int>>{1, std::nullopt}));
  EXPECT_EQ(row.extra.at("a"), 1);
}

TEST(RowsTest, TimesOfEveryWritingAreRead) {
  const std::vector<std::pair<std::string, std::string>> writings = {
      {"2026-01-31 12:00:00+00", "2026-01-31T12:00:00.000Z"},
      {"2026-01-31 12:00:00.5-03:30", "2026-01-31T15:30:00.500Z"},
      {"2026-01-01 00:00:00+02", "2025-12-31T22:00:00.000Z"},
      {"1937-01-01 12:00:27.87+00:19:32", "1937-01-01T11:40:55.870Z"},
      {"2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z"},
      {"2026-01-31 12:00", "2026-01-31T12:00:00.000Z"},
      {"2026-01-31 12:00:00.123", "2026-01-31T12:00:00.123Z"},
  };
  for (const auto& [text, want] : writings) {
    for (const char* type : {"timestamptz", "text"}) {
      EXPECT_EQ(Encode(Cell(type, text).scalar<system_clock::time_point>()), '"' + want + '"') << text << type;
    }
  }
  EXPECT_EQ(Cell("timestamptz", "2026-01-31 12:00:00.25+02").scalar<std::string>(), "2026-01-31T10:00:00.25Z");
  EXPECT_EQ(Cell("timestamptz", "infinity").scalar<std::string>(), "infinity");
  EXPECT_EQ(Cell("timestamptz", "0044-03-15 12:00:00+00 BC").scalar<std::string>(), "0044-03-15 12:00:00+00 BC");
  ExpectInvalid([] { Cell("timestamptz", "infinity").scalar<system_clock::time_point>(); }, "column c");
}

TEST(RowsTest, TimesAreReadWhereTheTypeCanHoldThem) {
  using Micros = std::chrono::sys_time<std::chrono::microseconds>;
  constexpr std::chrono::sys_days last = std::chrono::year(9999) / 12 / 31;
  const Rows rows = Cell("timestamptz", "9999-12-31 23:59:59.999999+00");
  EXPECT_EQ(rows.scalar<Micros>(), last + std::chrono::days(1) - std::chrono::microseconds(1));
  EXPECT_EQ(rows.scalar<std::optional<std::chrono::sys_seconds>>(), last + std::chrono::seconds(86'399));
  EXPECT_EQ(rows.scalar<std::chrono::sys_days>(), last);
  EXPECT_EQ(Cell("timestamptz", "0001-01-01 00:00:00+00").scalar<std::chrono::sys_days>(),
            std::chrono::sys_days(std::chrono::year(1) / 1 / 1));
  ExpectInvalid([&] { rows.scalar<system_clock::time_point>(); },
                "column c of type timestamptz does not fit the C++ type: a time that the C++ type cannot hold");
  ExpectInvalid(
      [] {
        Make({{"at", "timestamptz"}}, {"9999-12-31 00:00:00+00"}).one<Moment>();
      },
      "column at of type timestamptz does not fit the C++ type: a time that the C++ type cannot hold");
}

TEST(RowsTest, BytesAreReadAsBytesOnly) {
  ExpectInvalid([] { Cell("bytea", "\\x00ff").scalar<std::vector<std::uint8_t>>(); },
                "bytes are std::vector<std::byte>");
  ExpectInvalid([] { Cell("text", "ab").scalar<std::vector<char>>(); }, "bytes are std::vector<std::byte>");
  EXPECT_EQ(Cell("_int2", "{1,2}").scalar<std::vector<std::uint8_t>>(), (std::vector<std::uint8_t>{1, 2}));
}

TEST(RowsTest, ArraysAreReadWithQuotesNullsAndDimensions) {
  EXPECT_EQ(Cell("_text", R"({plain,"with \"quotes\", commas",NULL,"NULL",""})").scalar<Json>().dump(),
            R"(["plain","with \"quotes\", commas",null,"NULL",""])");
  EXPECT_EQ(Cell("_int8", "{{1,2},{3,4}}").scalar<std::vector<std::vector<int>>>()[1][0], 3);
  EXPECT_EQ(Cell("_int8", "[0:1]={5,6}").scalar<std::vector<int>>(), (std::vector<int>{5, 6}));
  EXPECT_EQ(Cell("_int8", "{}").scalar<std::vector<int>>(), std::vector<int>());
  EXPECT_EQ(Cell("_bool", "{t,f}").scalar<std::vector<bool>>(), (std::vector<bool>{true, false}));
  EXPECT_EQ(Cell("_numeric", "{1.10}").scalar<std::vector<Numeric>>()[0].text, "1.10");
  EXPECT_EQ(Cell("_timestamptz", R"({"2026-01-31 12:00:00+00"})").scalar<std::vector<std::string>>()[0],
            "2026-01-31T12:00:00Z");
  EXPECT_EQ(Cell("_int4", "{1,2").scalar<std::string>(), "{1,2");  // what is none stays text
}

TEST(RowsTest, NumbersComeThroughAsTheyAreOrNotAtAll) {
  EXPECT_EQ(Cell("int8", "-9223372036854775808").scalar<std::int64_t>(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(Cell("int8", "200").scalar<std::uint8_t>(), 200);
  EXPECT_EQ(Cell("numeric", "42").scalar<int>(), 42);  // sum() of integers
  EXPECT_EQ(Cell("int8", "42").scalar<std::string>(), "42");
  EXPECT_EQ(Cell("int8", "42").scalar<double>(), 42.0);
  EXPECT_TRUE(std::isnan(Cell("float8", "NaN").scalar<double>()));
  EXPECT_TRUE(std::isinf(Cell("float8", "-Infinity").scalar<double>()));
  EXPECT_EQ(Cell("int8", std::nullopt).scalar<std::optional<int>>(), std::nullopt);
  ExpectInvalid([] { Cell("int8", "300").scalar<std::uint8_t>(); }, "it would become 44: 300");
  ExpectInvalid([] { Cell("int8", "-1").scalar<unsigned>(); }, "it would become");
  ExpectInvalid([] { Cell("int8", "5000000000").scalar<int>(); }, "column c of type int8");
  ExpectInvalid([] { Cell("int8", "9007199254740993").scalar<double>(); }, "it would become");
  ExpectInvalid([] { Cell("float8", "1.5").scalar<int>(); }, "it would become 1");
  ExpectInvalid(
      [] { Cell("numeric", "1.10").scalar<double>(); },
      "column c of type numeric does not fit the C++ type: read a numeric as dbos::Numeric or std::string, or "
      "CAST it to float8 in the statement: 1.10");
  ExpectInvalid(
      [] {
        Make({{"w", "numeric"}}, {"0.5"}).one<Weighed>();
      },
      "column w of type numeric does not fit the C++ type: read a numeric as dbos::Numeric");
  ExpectInvalid([] { Cell("_numeric", "{1.10}").scalar<std::vector<double>>(); }, "CAST them to float8[]");
  ExpectInvalid([] { Cell("text", "x").scalar<int>(); }, "column c of type text");
}

TEST(RowsTest, RawJsonIsTheStoredTextByteForByte) {
  const std::string text = R"({ "b" : 1.0, "a":12345678901234567890.123456789, "b":"\u00e9" })";
  for (const char* type : {"json", "jsonb", "text", "varchar"}) {
    const Row row = Cell(type, text).one();
    EXPECT_EQ(row.get<RawJson>("c").text, text) << type;
    EXPECT_EQ(row.get<RawJson>(0).text, text) << type;
    EXPECT_EQ(row.get<std::optional<RawJson>>("c"), RawJson{text}) << type;
    EXPECT_EQ(Decode<Row>(Encode(row)).get<RawJson>("c").text, text) << type;
  }
  EXPECT_EQ(Cell("json", text).scalar<RawJson>().text, text);
  EXPECT_EQ(Cell("json", std::nullopt).scalar<std::optional<RawJson>>(), std::nullopt);
  EXPECT_EQ(Cell("json", "null").scalar<std::optional<RawJson>>(), RawJson{"null"});
  EXPECT_EQ(Cell("bool", "t").scalar<RawJson>().text, "true");
  EXPECT_EQ(Cell("uuid", "0e37").scalar<RawJson>().text, "\"0e37\"");
  EXPECT_EQ(Cell("_int4", "{}").scalar<RawJson>().text, "[]");
  ExpectInvalid([] { Cell("json", std::nullopt).scalar<RawJson>(); }, "column c is NULL");
  ExpectInvalid([] { Cell("text", "hello").scalar<RawJson>(); },
                "column c of type text does not fit the C++ type: it is not JSON");
  ExpectInvalid([] { Cell("json", "1").one().get<RawJson>(1); }, "no column number 1");
}

TEST(RowsTest, AStructThatDoesNotFitNamesTheColumn) {
  const auto rows = [](std::vector<SqlColumn> columns, Cells cells) {
    return Make(std::move(columns), std::move(cells));
  };
  ExpectInvalid(
      [&] {
        rows({{"id", "int4"}, {"Name", "text"}}, {"1", "x"}).one<Small>();
      },
      "the C++ type needs a column name, the row has id, Name");
  ExpectInvalid(
      [&] {
        rows({{"name", "text"}, {"id", "int4"}}, {std::nullopt, "1"}).one<Small>();
      },
      "column name is NULL");
  ExpectInvalid(
      [&] {
        rows({{"name", "text"}, {"id", "int4"}}, {"x", "70000"}).one<Small>();
      },
      "column id of type int4 does not fit the C++ type: it would become 4464: 70000");
  ExpectInvalid([&] { rows({{"id", "int4"}, {"flag", "text"}}, {"1", "maybe"}).one<Loose>(); }, "column flag");
  ExpectInvalid([&] { rows({{"at", "text"}}, {"tomorrow"}).one<Moment>(); }, "column at of type text");
  EXPECT_FALSE(rows({{"id", "int4"}}, {"1"}).one<Loose>().flag);
}

TEST(RowsTest, OfColumnsThatShareANameTheFirstCounts) {
  const Row row = Make({{"id", "int4"}, {"name", "text"}, {"id", "text"}}, {"1", "x", std::nullopt}).one();
  EXPECT_EQ(row.get<int>("id"), 1);
  EXPECT_EQ(row.text("id"), "1");
  EXPECT_FALSE(row.is_null("id"));
  EXPECT_EQ(row.as<Small>().id, 1);
  EXPECT_EQ((row.as<std::map<std::string, nlohmann::json>>().at("id")), 1);
  EXPECT_EQ(row.as<Json>().dump(), R"({"id":1,"name":"x"})");
  EXPECT_EQ(row.json().dump(), R"({"id":1,"name":"x"})");
  EXPECT_EQ(row.get<std::optional<std::string>>(2), std::nullopt);
  EXPECT_EQ(Decode<Row>(Encode(row)).as<Small>().id, 1);
  ExpectInvalid(
      [] {
        Make({{"id", "int4"}, {"name", "text"}, {"id", "int8"}}, {"70000", "x", "1"}).one<Small>();
      },
      "column id of type int4 does not fit the C++ type: it would become 4464: 70000");
}

TEST(RowsTest, OneSaysHowManyThereAre) {
  const Rows two = Make({{"id", "int4"}}, {"1", "2"});
  const Rows none = Make({{"id", "int4"}}, {});
  ExpectInvalid([&] { two.one(); }, "returned 2 rows");
  ExpectInvalid([&] { none.scalar<int>(); }, "returned 0 rows");
  EXPECT_EQ(none.first(), std::nullopt);
  EXPECT_EQ(two.first()->get<int>("id"), 1);
  EXPECT_EQ(two.first<Loose>()->id, 1);
  int sum = 0;
  for (const Row& row : two) sum += row.get<int>(0);
  EXPECT_EQ(sum, 3);
  EXPECT_EQ(two.as<Loose>()[1].id, 2);
  ExpectInvalid([&] { two[0].get<int>("nr"); }, "the row has no column nr; it has id");
  ExpectInvalid([&] { two[0].get<int>(7); }, "no column number 7");
}

TEST(RowsTest, RowsAreTheResultOfAStepAsTheyAre) {
  const Rows rows = Make({{"id", "int8"}, {"note", "text"}}, {"9007199254740993", std::nullopt, "2", "b\"c"});
  EXPECT_EQ(Encode(rows), R"({"columns":[{"name":"id","type":"int8"},{"name":"note","type":"text"}],)"
                          R"("rows":[["9007199254740993",null],["2","b\"c"]],"affected":0})");
  const auto again = Decode<Rows>(Encode(rows));
  EXPECT_EQ(Encode(again), Encode(rows));
  EXPECT_EQ(Decode<Row>(Encode(rows[1])).get<std::string>("note"), "b\"c");
  EXPECT_EQ(rows[0].json().dump(), R"({"id":9007199254740993,"note":null})");
  ExpectInvalid([] { Decode<Rows>("[]"); }, "does not fit");
}

}  // namespace
}  // namespace dbos::testing
