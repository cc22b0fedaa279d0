// Arguments: the DBOS form of a workflow's input, and how it becomes parameters.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <dbos/dbos.h>

#include "gtest/gtest.h"

namespace dbos {

struct Customer {
  std::string name;
  int age = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Customer, name, age)

}  // namespace dbos

namespace dbos {
namespace {

using detail::DecodeArguments;
using detail::EncodeArguments;

template <class... Args>
std::string FailureOf(const std::string& input) {
  try {
    DecodeArguments<std::tuple<Args...>>(input);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "";
}

TEST(ArgumentsTest, TheCanonicalCallHasTheSdksBytes) {
  const Json meta = {{"key1", "value1"}, {"key2", 99}, {"nested", {{"deep", true}}}};
  const std::vector<std::string> items = {"alpha", "beta", "gamma"};
  const std::chrono::system_clock::time_point time(std::chrono::milliseconds(1'749'983'400'000));
  EXPECT_EQ(EncodeArguments("hello-interop", 42, time, items, meta, true, nullptr),
            R"({"positionalArgs":["hello-interop",42,"2025-06-15T10:30:00.000Z",["alpha","beta","gamma"],)"
            R"({"key1":"value1","key2":99,"nested":{"deep":true}},true,null]})");
  EXPECT_EQ(EncodeArguments(), R"({"positionalArgs":[]})");
}

TEST(ArgumentsTest, PositionalArgumentsMapToParametersInOrder) {
  const auto [text, number, list] = DecodeArguments<std::tuple<std::string, int, std::vector<int>>>(
      R"( {"namedArgs" : {} , "positionalArgs" : [ "a,]\"}" , 7 , [1, 2] ] } )");
  EXPECT_EQ(text, "a,]\"}");
  EXPECT_EQ(number, 7);
  EXPECT_EQ(list, (std::vector<int>{1, 2}));
}

TEST(ArgumentsTest, RawParametersGetTheStoredBytes) {
  const auto [raw] = DecodeArguments<std::tuple<RawJson>>(R"({"positionalArgs":[ {"b":1.0,"a": 2} ]})");
  EXPECT_EQ(raw.text, R"({"b":1.0,"a": 2})");
}

TEST(ArgumentsTest, OnlyOptionalParametersMayBeMissing) {
  const auto [number, note] = DecodeArguments<std::tuple<int, std::optional<std::string>>>(R"({"positionalArgs":[1]})");
  EXPECT_EQ(number, 1);
  EXPECT_FALSE(note.has_value());
  EXPECT_NE((FailureOf<int, std::string>(R"({"positionalArgs":[1]})").find("argument 2 is missing")),
            std::string::npos);
}

TEST(ArgumentsTest, NamedArgumentsFillASingleStruct) {
  const auto [customer] =
      DecodeArguments<std::tuple<Customer>>(R"({"positionalArgs":[],"namedArgs":{"name":"Ann","age":30}})");
  EXPECT_EQ(customer.name, "Ann");
  EXPECT_EQ(customer.age, 30);
  const std::string named = R"({"positionalArgs":null,"namedArgs":{"name":"Ann"}})";
  EXPECT_NE((FailureOf<std::string>(named).find("namedArgs")), std::string::npos);
  EXPECT_NE((FailureOf<Customer, int>(named).find("namedArgs")), std::string::npos);
}

TEST(ArgumentsTest, AFailureNamesTheParameter) {
  EXPECT_NE((FailureOf<int, int>(R"({"positionalArgs":[1,"x"]})").find("argument 2")), std::string::npos);
  EXPECT_NE((FailureOf<int>(R"({"positionalArgs":[1,2]})").find("takes 1 arguments, 2 were given")), std::string::npos);
  EXPECT_NE((FailureOf<int>("[1]").find("positionalArgs")), std::string::npos);
  EXPECT_NE((FailureOf<int>("{").find("not JSON")), std::string::npos);
}

}  // namespace
}  // namespace dbos
