// Values: the exact text that is stored, and what reads back.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <dbos/dbos.h>
#include <dbos/protobuf.h>

#include "dbos/v1/common.pb.h"
#include "gtest/gtest.h"

namespace dbos {

struct Order {
  std::string id;
  std::int64_t cents = 0;
  std::optional<std::string> note;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Order, id, cents, note)

}  // namespace dbos

namespace dbos {
namespace {

using std::chrono::milliseconds;
using std::chrono::system_clock;

constexpr std::int64_t kWide = 9'007'199'254'740'993;

TEST(ValuesTest, ScalarsAreWrittenAsTheSdksWriteThem) {
  EXPECT_EQ(Encode(42), "42");
  EXPECT_EQ(Encode(true), "true");
  EXPECT_EQ(Encode(1.5), "1.5");
  EXPECT_EQ(Encode(std::string("hello-interop")), "\"hello-interop\"");
  EXPECT_EQ(Encode("quote\" and \xc3\xa9\n"), "\"quote\\\" and \xc3\xa9\\n\"");
  EXPECT_EQ(Encode(nullptr), "null");
  EXPECT_EQ(Encode(std::optional<int>()), "null");
}

TEST(ValuesTest, OrderedJsonKeepsTheOrderOfItsKeys) {
  const Json value = {{"sender", "test"}, {"payload", {1, 2, 3}}, {"a", nullptr}};
  EXPECT_EQ(Encode(value), R"({"sender":"test","payload":[1,2,3],"a":null})");
  EXPECT_EQ(Decode<Json>(Encode(value)), value);
}

TEST(ValuesTest, RawJsonIsStoredByteForByte) {
  const RawJson raw{R"({ "b" : 1.0, "a":12345678901234567890123 })"};
  EXPECT_EQ(Encode(raw), raw.text);
  EXPECT_EQ(Decode<RawJson>(raw.text), raw);
  EXPECT_THROW(Encode(RawJson{"{"}), InvalidArgument);
}

TEST(ValuesTest, IntegersBeyondTwoToTheFiftyThreeAreDecimalStrings) {
  EXPECT_EQ(Encode(std::int64_t{9'007'199'254'740'991}), "9007199254740991");
  EXPECT_EQ(Encode(kWide), "\"9007199254740993\"");
  EXPECT_EQ(Encode(-kWide), "\"-9007199254740993\"");
  EXPECT_EQ(Encode(std::numeric_limits<std::uint64_t>::max()), "\"18446744073709551615\"");
  EXPECT_EQ(Encode(std::vector<std::int64_t>{1, kWide}), "[1,\"9007199254740993\"]");
  EXPECT_EQ(Encode(Json{{"n", kWide}}), R"({"n":"9007199254740993"})");
}

TEST(ValuesTest, WideIntegersAreReadAsNumberAndAsString) {
  EXPECT_EQ(Decode<std::int64_t>("\"9007199254740993\""), kWide);
  EXPECT_EQ(Decode<std::int64_t>("9007199254740993"), kWide);
  const Order order = Decode<Order>(R"({"id":"o","cents":"9007199254740993","note":null})");
  EXPECT_EQ(order.cents, kWide);
  EXPECT_FALSE(order.note.has_value());
  EXPECT_THROW(Decode<std::int64_t>("\"12x\""), InvalidArgument);
}

TEST(ValuesTest, OtherJsonOfTheProgramKeepsItsNumbers) {
  EXPECT_EQ(nlohmann::json(kWide).dump(), "9007199254740993");
}

TEST(ValuesTest, NanAndInfinityAreRefused) {
  EXPECT_THROW(Encode(std::numeric_limits<double>::quiet_NaN()), InvalidArgument);
  EXPECT_THROW(Encode(std::vector<double>{1, std::numeric_limits<double>::infinity()}), InvalidArgument);
}

TEST(ValuesTest, InvalidUtf8IsRefused) {
  EXPECT_THROW(Encode(std::string("\xff")), InvalidArgument);
}

TEST(ValuesTest, TimesAreUtcWithMilliseconds) {
  const system_clock::time_point time(milliseconds(1'749'983'445'123));
  EXPECT_EQ(Encode(time), "\"2025-06-15T10:30:45.123Z\"");
  EXPECT_EQ(Decode<system_clock::time_point>("\"2025-06-15T10:30:45.123Z\""), time);
  EXPECT_EQ(Decode<system_clock::time_point>("\"2025-06-15T12:30:45.123+02:00\""), time);
  EXPECT_EQ(Encode(system_clock::time_point(milliseconds(-1))), "\"1969-12-31T23:59:59.999Z\"");
  EXPECT_THROW(Decode<system_clock::time_point>("\"2025-06-15T10:30:45.123\""), InvalidArgument);
  EXPECT_THROW(Decode<system_clock::time_point>("\"2025-02-30T10:30:45Z\""), InvalidArgument);
}

TEST(ValuesTest, TimesThatCannotBeHeldOrReadAreRefused) {
  for (const std::string text :
       {"2025-06-15T10:30:45+02:00garbage", "2025-06-15T10:30:45+2:00", "2025-06-15T10:30:45+02:60",
        "2025-06-15T10:30:45+-1:00", "2025-06-15T10:30:45Zz", "2025-06-15T-1:30:45Z", "2263-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z", "1677-01-01T00:00:00Z", "0001-01-01T00:00:00Z"}) {
    EXPECT_THROW(Decode<system_clock::time_point>('"' + text + '"'), InvalidArgument) << text;
  }
  for (const std::string text : {"1678-01-01T00:00:00.000Z", "2261-12-31T23:59:59.999Z"}) {
    EXPECT_EQ(Encode(Decode<system_clock::time_point>('"' + text + '"')), '"' + text + '"');
  }
}

TEST(ValuesTest, TimesOfEveryUnitAreHeldWhereTheUnitCan) {
  using Micros = std::chrono::sys_time<std::chrono::microseconds>;
  constexpr std::chrono::sys_days last = std::chrono::year(9999) / 12 / 31;
  EXPECT_EQ(Encode(last), "\"9999-12-31T00:00:00.000Z\"");
  EXPECT_EQ(Decode<std::chrono::sys_days>("\"9999-12-31T23:59:59.999Z\""), last);
  EXPECT_EQ(Decode<std::chrono::sys_seconds>("\"0001-01-01T00:00:00.9Z\""),
            std::chrono::sys_seconds(std::chrono::sys_days(std::chrono::year(1) / 1 / 1)));
  EXPECT_EQ(Decode<Micros>("\"9999-12-31T00:00:00.123456789Z\""), last + std::chrono::microseconds(123'456));
  EXPECT_EQ(Decode<std::chrono::sys_time<std::chrono::hours>>("\"1969-12-31T23:30:00Z\"").time_since_epoch(),
            std::chrono::hours(-1));
  using Narrow = std::chrono::sys_time<std::chrono::duration<std::int32_t>>;
  EXPECT_EQ(Decode<Narrow>("\"2038-01-19T03:14:06Z\"").time_since_epoch().count(), 2'147'483'646);
  EXPECT_THROW(Decode<Narrow>("\"2038-01-19T03:14:08Z\""), InvalidArgument);
  EXPECT_THROW(Encode(last + std::chrono::days(1)), InvalidArgument);
  for (const char* text : {"-044-03-15T00:00:00Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00",
                           "9999-12-31T23:59:59-01:00", " 999-01-01T00:00:00Z"}) {
    EXPECT_THROW(Decode<Micros>('"' + std::string(text) + '"'), InvalidArgument) << text;
  }
}

TEST(ValuesTest, BytesAreBase64) {
  std::vector<std::byte> bytes;
  const std::vector<std::string> expected = {"\"\"", "\"AA==\"", "\"AAE=\"", "\"AAEC\"", "\"AAECAw==\""};
  for (std::size_t size = 0; size < expected.size(); ++size) {
    EXPECT_EQ(Encode(bytes), expected[size]);
    EXPECT_EQ(Decode<std::vector<std::byte>>(expected[size]), bytes);
    bytes.push_back(static_cast<std::byte>(size));
  }
  EXPECT_THROW(Decode<std::vector<std::byte>>("\"%\""), InvalidArgument);
}

TEST(ValuesTest, AMissingFieldNamesItself) {
  try {
    Decode<Order>(R"({"id":"o"})");
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find("cents"), std::string::npos) << error.what();
  }
}

TEST(ValuesTest, ProtobufMessagesUseTheirJsonMapping) {
  v1::WorkflowInfo info;
  info.set_queue_name("q");
  info.set_created_at_ms(5);
  EXPECT_EQ(Encode(info), R"({"queueName":"q","createdAtMs":"5"})");
  EXPECT_EQ(Decode<v1::WorkflowInfo>(R"({"queueName":"q","createdAtMs":5,"unknown":1})").created_at_ms(), 5);
}

}  // namespace
}  // namespace dbos
