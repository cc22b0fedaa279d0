// Parameters of statements, to the wire; records, to parameters and SQL.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <dbos/dbos.h>

#include "gtest/gtest.h"

#include "clients/cpp/src/sql_wire.h"
#include "tests/clients/expect_message.h"

namespace dbos::testing {

struct Tag {
  std::string name;
  std::chrono::system_clock::time_point at;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Tag, name, at)

struct User {
  std::optional<std::int64_t> id;
  std::string email;
  Numeric balance;
  std::vector<std::byte> photo;
  std::chrono::system_clock::time_point joined;
  std::vector<std::string> roles;
  Tag tag;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(User, id, email, balance, photo, joined, roles, tag)

struct Span {
  std::chrono::sys_days first;
  std::chrono::sys_seconds end;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Span, first, end)

namespace {

using std::chrono::system_clock;

v1::SqlValue Wire(const SqlValue& value) {
  v1::SqlStatement statement;
  runtime::EncodeStatement("SELECT :x", {{"x", value}}, 0, statement);
  return statement.parameters(0).value();
}

TEST(SqlValuesTest, EveryTypeReachesTheWireAsWhatItIs) {
  EXPECT_EQ(Wire(nullptr).value_case(), v1::SqlValue::VALUE_NOT_SET);
  EXPECT_EQ(Wire(std::optional<int>()).value_case(), v1::SqlValue::VALUE_NOT_SET);
  EXPECT_EQ(Wire(std::optional<int>(3)).integer(), 3);
  EXPECT_TRUE(Wire(true).boolean());
  EXPECT_EQ(Wire(std::numeric_limits<std::int64_t>::min()).integer(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(Wire(std::uint64_t{7}).integer(), 7);
  EXPECT_EQ(Wire(0.1).number(), 0.1);
  EXPECT_EQ(Wire("literal").text(), "literal");
  EXPECT_EQ(Wire(std::string_view("view")).text(), "view");
  EXPECT_EQ(Wire(Numeric{"-1.10e5"}).numeric(), "-1.10e5");
  EXPECT_EQ(Wire(std::vector<std::byte>{std::byte{0}, std::byte{255}}).bytea(), std::string("\0\xff", 2));
  EXPECT_EQ(Wire(system_clock::time_point(std::chrono::microseconds(1'749'983'445'123'456))).timestamptz(),
            "2025-06-15T10:30:45.123456Z");
  EXPECT_EQ(Wire(system_clock::time_point(std::chrono::microseconds(-1))).timestamptz(), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(
      Wire(std::chrono::year_month_day{std::chrono::year(2026), std::chrono::month(2), std::chrono::day(28)}).date(),
      "2026-02-28");
  EXPECT_EQ(Wire(Uuid{}).uuid(), "00000000-0000-0000-0000-000000000000");
  EXPECT_EQ(Wire(Json{{"b", 1}, {"a", 2}}).json(), R"({"b":1,"a":2})");
  EXPECT_EQ(Wire(RawJson{"[1, 2]"}).json(), "[1, 2]");
  EXPECT_EQ(Wire(std::vector<int>{1, 2}).array().items(1).integer(), 2);
  EXPECT_EQ(Wire(std::vector<std::vector<std::string>>{{"a"}, {"b"}}).array().items(1).array().items(0).text(), "b");
  EXPECT_EQ(Wire(std::vector<std::optional<int>>{1, std::nullopt}).array().items(1).value_case(),
            v1::SqlValue::VALUE_NOT_SET);
}

TEST(SqlValuesTest, WhatCannotBeHeldNamesTheParameter) {
  ExpectInvalid([] { Wire(std::numeric_limits<std::uint64_t>::max()); }, "parameter :x is 18446744073709551615");
  ExpectInvalid([] { Wire(std::string("a\0b", 3)); }, "parameter :x must be UTF-8 without NUL");
  ExpectInvalid([] { Wire("\xff"); }, "parameter :x must be UTF-8");
  ExpectInvalid([] { Wire(std::vector<std::string>{"ok", "\xff"}); }, "parameter :x must be UTF-8");
  ExpectInvalid([] { Wire(Json(std::numeric_limits<double>::quiet_NaN())); }, "parameter :x holds NaN");
  ExpectInvalid(
      [] {
        Wire(Json{{"deep", {{"er", std::numeric_limits<double>::infinity()}}}});
      },
      "parameter :x holds NaN");
  ExpectInvalid([] { Wire(Json("\xff")); }, "parameter :x holds text that is not UTF-8");
  ExpectInvalid([] { Wire(RawJson{"{"}); }, "parameter :x is not JSON");
  ExpectInvalid([] { Wire(Uuid{"42"}); }, "parameter :x is no UUID");
  for (const char* text : {"", "1,5", "1e", "--1", ".", "0x1", "1.5 "}) {
    ExpectInvalid([&] { Wire(Numeric{text}); }, "parameter :x is no decimal number");
  }
  ExpectInvalid([] { Wire(std::chrono::year_month_day{}); }, "parameter :x is no date");
  const std::vector<std::vector<std::vector<std::vector<std::vector<std::vector<std::vector<int>>>>>>> deep = {
      {{{{{{1}}}}}}};
  ExpectInvalid([&] { Wire(deep); }, "parameter :x is nested deeper than 6");
  v1::SqlStatement statement;
  ExpectInvalid([&] { runtime::EncodeStatement(std::string("SELECT\0", 7), {}, 0, statement); }, "without NUL");
  ExpectInvalid([&] { runtime::EncodeStatement(std::string((1 << 20) + 1, ' '), {}, 0, statement); }, "1 MiB");
  ExpectInvalid([&] { runtime::EncodeStatement("SELECT :x", SqlParams(65'536, {"x", 1}), 0, statement); }, "65535");
}

constexpr std::chrono::sys_days kLastDay = std::chrono::year(9999) / 12 / 31;
constexpr std::chrono::sys_days kFirstDay = std::chrono::year(1) / 1 / 1;

TEST(SqlValuesTest, TimesOfEveryUnitAreWhatTheyAre) {
  using std::chrono::microseconds;
  EXPECT_EQ(Wire(kLastDay).timestamptz(), "9999-12-31T00:00:00.000000Z");
  EXPECT_EQ(Wire(kFirstDay).timestamptz(), "0001-01-01T00:00:00.000000Z");
  EXPECT_EQ(Wire(std::chrono::sys_seconds(kLastDay) + std::chrono::seconds(86'399)).timestamptz(),
            "9999-12-31T23:59:59.000000Z");
  EXPECT_EQ(Wire(kFirstDay + microseconds(1)).timestamptz(), "0001-01-01T00:00:00.000001Z");
  EXPECT_EQ(Wire(std::chrono::sys_time<std::chrono::hours>(std::chrono::hours(-1))).timestamptz(),
            "1969-12-31T23:00:00.000000Z");
  EXPECT_EQ(
      Wire(std::chrono::sys_time<std::chrono::duration<double>>(std::chrono::duration<double>(1.5))).timestamptz(),
      "1970-01-01T00:00:01.500000Z");
  EXPECT_EQ(Wire(std::chrono::sys_time<std::chrono::nanoseconds>::min()).timestamptz(), "1677-09-21T00:12:43.145224Z");
  EXPECT_EQ(Wire(std::chrono::sys_time<std::chrono::nanoseconds>::max()).timestamptz(), "2262-04-11T23:47:16.854775Z");
}

TEST(SqlValuesTest, TimesThatHaveNoTextNameTheParameter) {
  const std::string refused = "parameter :x is no time of the years 1 to 9999";
  ExpectInvalid([] { Wire(kLastDay + std::chrono::days(1)); }, refused);
  ExpectInvalid([] { Wire(kFirstDay - std::chrono::microseconds(1)); }, refused);
  ExpectInvalid([] { Wire(std::chrono::sys_days::max()); }, refused);
  ExpectInvalid([] { Wire(std::chrono::sys_seconds::min()); }, refused);
  ExpectInvalid([] { Wire(std::chrono::sys_time<std::chrono::microseconds>::min()); }, refused);
  const std::chrono::duration<double> nan(std::numeric_limits<double>::quiet_NaN());
  ExpectInvalid([&] { Wire(std::chrono::sys_time<std::chrono::duration<double>>(nan)); }, refused);
  ExpectInvalid([] { Wire(std::vector<std::chrono::sys_days>{kLastDay, std::chrono::sys_days::max()}); }, refused);
}

TEST(RecordsTest, TimesOfEveryUnitAreWhatTheyAre) {
  v1::SqlStatement statement;
  runtime::EncodeStatement("", detail::ParamsOf(Span{.first = kFirstDay, .end = std::chrono::sys_seconds(kLastDay)}), 0,
                           statement);
  EXPECT_EQ(statement.parameters(0).value().timestamptz(), "9999-12-31T00:00:00.000000Z");
  EXPECT_EQ(statement.parameters(1).value().timestamptz(), "0001-01-01T00:00:00.000000Z");
  const SqlParams far = detail::ParamsOf(Span{.first = kLastDay + std::chrono::days(1), .end = {}});
  ExpectInvalid([&] { runtime::EncodeStatement("", far, 0, statement); }, "parameter :first is no time of the years");
}

TEST(RecordsTest, WhatMayBeBytesOrNumbersIsRefused) {
  const auto refused = [](const auto& value) {
    const nlohmann::json plain = {{"image", value}};
    EXPECT_EQ(plain.dump(), R"({"image":[1,2]})");
    ExpectInvalid(
        [&] {
          detail::ParamsOf(std::map<std::string, std::decay_t<decltype(value)>>{{"image", value}});
        },
        "the member image may be bytes or numbers: bytes are std::vector<std::byte>");
    const auto nested = detail::ParamsOf(
        std::map<std::string, std::map<std::string, std::decay_t<decltype(value)>>>{{"j", {{"k", value}}}});
    v1::SqlStatement statement;
    runtime::EncodeStatement("", nested, 0, statement);
    EXPECT_EQ(statement.parameters(0).value().json(), R"({"k":[1,2]})");
  };
  refused(std::vector<std::uint8_t>{1, 2});
  refused(std::vector<std::int8_t>{1, 2});
  refused(std::vector<char>{1, 2});
  refused(std::array<std::uint8_t, 2>{1, 2});
  refused(std::array<std::byte, 2>{std::byte{1}, std::byte{2}});
  refused(std::optional<std::vector<std::uint8_t>>({1, 2}));
  const std::map<std::string, std::vector<std::vector<std::uint8_t>>> lists = {{"lists", {{1}}}};
  ExpectInvalid([&] { detail::ParamsOf(lists); }, "the member lists may be bytes or numbers");
}

const system_clock::time_point kJoined{std::chrono::microseconds(1'749'983'445'123'456)};

TEST(RecordsTest, MembersReachTheDatabaseAsTheirTypes) {
  const User user{.id = {},
                  .email = "a@b.c",
                  .balance = {"1.10"},
                  .photo = {std::byte{1}},
                  .joined = kJoined,
                  .roles = {"admin"},
                  .tag = {.name = "new", .at = kJoined}};
  const SqlParams fields = detail::ParamsOf(user);
  std::vector<std::string> names;
  v1::SqlStatement statement;
  runtime::EncodeStatement("", fields, 0, statement);
  for (const SqlParam& field : fields) names.push_back(field.name);
  EXPECT_EQ(names, (std::vector<std::string>{"balance", "email", "joined", "photo", "roles", "tag"}));  // no id
  EXPECT_EQ(statement.parameters(0).value().numeric(), "1.10");
  EXPECT_EQ(statement.parameters(1).value().text(), "a@b.c");
  EXPECT_EQ(statement.parameters(2).value().timestamptz(), "2025-06-15T10:30:45.123456Z");
  EXPECT_EQ(statement.parameters(3).value().bytea(), "\x01");
  EXPECT_EQ(statement.parameters(4).value().array().items(0).text(), "admin");
  EXPECT_EQ(statement.parameters(5).value().json(), R"({"at":"2025-06-15T10:30:45.123Z","name":"new"})");
  EXPECT_EQ(Encode(user.joined), "\"2025-06-15T10:30:45.123Z\"");  // the marks are gone
}

std::string Text(const detail::SqlText& text) {
  std::string shown = text.sql + " --";
  for (const SqlParam& param : text.params) shown += " " + param.name;
  return shown;
}

TEST(RecordsTest, TheSqlIsTheSameOnEveryDatabase) {
  std::size_t first = 0;
  EXPECT_EQ(Text(detail::InsertSql("shop.users", {{{"a", 1}, {"b\"c", 2}}}, first)),
            R"(INSERT INTO "shop"."users" ("a", "b""c") VALUES (:a_1, :p_2) RETURNING * -- a_1 p_2)");
  first = 0;
  EXPECT_EQ(Text(detail::InsertSql("t", {SqlParams{}}, first)), R"(INSERT INTO "t" DEFAULT VALUES RETURNING * --)");
  EXPECT_EQ(Text(detail::UpsertSql("t", {{"id", 1}, {"n", 2}}, {"id"})),
            R"(INSERT INTO "t" ("id", "n") VALUES (:id_1, :n_2) ON CONFLICT ("id") DO UPDATE SET "n" = excluded."n" )"
            R"(RETURNING * -- id_1 n_2)");
  EXPECT_EQ(Text(detail::UpsertSql("t", {{"id", 1}}, {"id"})),
            R"(INSERT INTO "t" ("id") VALUES (:id_1) ON CONFLICT ("id") DO UPDATE SET "id" = excluded."id" )"
            R"(RETURNING * -- id_1)");
  EXPECT_EQ(Text(detail::SelectSql("t", {{"a", 1}, {"b", nullptr}, {"c", std::vector<int>{1, 2}}}, true)),
            R"(SELECT * FROM "t" WHERE "a" = :a_1 AND "b" IS NULL AND ("c" IN (:c_2, :c_3)) LIMIT 1 -- a_1 c_2 c_3)");
  EXPECT_EQ(Text(detail::SelectSql("t", {{"c", std::vector<std::optional<int>>{1, std::nullopt}}}, false)),
            R"(SELECT * FROM "t" WHERE ("c" IN (:c_1) OR "c" IS NULL) -- c_1)");
  EXPECT_EQ(Text(detail::SelectSql("t", {{"c", std::vector<int>{}}}, false)), R"(SELECT * FROM "t" WHERE (FALSE) --)");
  EXPECT_EQ(Text(detail::UpdateSql("t", {{"a", 1}, {"b", nullptr}}, {{"id", 7}})),
            R"(UPDATE "t" SET "a" = :a_1, "b" = :b_2 WHERE "id" = :id_3 -- a_1 b_2 id_3)");
  EXPECT_EQ(Text(detail::DeleteSql("t", {{"id", 7}})), R"(DELETE FROM "t" WHERE "id" = :id_1 -- id_1)");
}

TEST(RecordsTest, ManyRecordsShareStatementsWhileTheirColumnsAreTheSame) {
  std::vector<SqlParams> rows(20'001, {{"a", 1}, {"b", 2}});
  rows.push_back({{"a", 1}});
  std::size_t first = 0;
  std::vector<std::size_t> ends;
  while (first < rows.size()) {
    EXPECT_LE(detail::InsertSql("t", rows, first).params.size(), 30'000U);
    ends.push_back(first);
  }
  EXPECT_EQ(ends, (std::vector<std::size_t>{15'000, 20'001, 20'002}));
}

TEST(RecordsTest, AStatementHoldsNoMoreRecordsThanAMessageCan) {
  constexpr std::size_t kHalf = (1 << 20) / 2;
  const std::string text(kHalf, '7');
  const std::vector<SqlValue> values = {text,
                                        Numeric{text},
                                        Uuid{text},
                                        RawJson{text},
                                        std::vector<std::byte>(kHalf),
                                        Json{{"text", text.substr(11)}},  // and {"text":""}
                                        std::vector<std::string>{text.substr(5), "abcde"}};
  for (const SqlValue& value : values) {
    std::size_t first = 0;
    detail::InsertSql("t", std::vector<SqlParams>(3, {{"a", value}}), first);
    EXPECT_EQ(first, 2U) << value.variant().index();
  }
  std::size_t first = 0;
  detail::InsertSql("t", std::vector<SqlParams>(3, {{"a", std::string(3 * kHalf, 'x')}}), first);
  EXPECT_EQ(first, 1U) << "what is too large by itself goes alone";
  first = 0;
  detail::InsertSql("t", std::vector<SqlParams>(3, {{"a", text}, {"b", 1}}), first);
  EXPECT_EQ(first, 1U) << "numbers count";
}

TEST(RecordsTest, WhatWouldChangeEveryRowIsRefused) {
  ExpectInvalid([] { detail::UpdateSql("t", {{"a", 1}}, {}); }, "update needs a filter");
  ExpectInvalid([] { detail::DeleteSql("t", {}); }, "erase needs a filter");
  ExpectInvalid([] { detail::UpdateSql("t", {}, {{"a", 1}}); }, "no values to set");
  ExpectInvalid([] { detail::UpsertSql("t", {{"a", 1}}, {"id"}); }, "no value for the key column id");
  ExpectInvalid([] { detail::SelectSql("", {}, false); }, "must not be empty");
  ExpectInvalid([] { detail::ParamsOf(7); }, "NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE");
}

}  // namespace
}  // namespace dbos::testing
