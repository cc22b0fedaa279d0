#include <string>

#include <gtest/gtest.h>

#include "sidecar/base/utf8.h"
#include "sidecar/rpc/json_check.h"

namespace dbos::sidecar {
namespace {

using std::string_literals::operator""s;

TEST(StorableTextTest, AcceptsWellFormedText) {
  for (const std::string& text :
       {""s, "order-42"s, "naïve"s, "日本語テキスト, longer than a word"s, "😀"s, "\xF4\x8F\xBF\xBF"s}) {
    EXPECT_TRUE(IsStorableText(text)) << text;
  }
}

TEST(StorableTextTest, RefusesWhatADatabaseCannotStore) {
  const std::string nul_behind_a_word = "12345678\0x"s;
  const std::string nul_inside_a_word =
      "123\0"
      "4567"s;
  for (const std::string& text : {nul_behind_a_word, nul_inside_a_word, "\xC0\xAF"s, "\xED\xA0\x80"s,
                                  "\xF4\x90\x80\x80"s, "\xE2\x82"s, "abc\xFF"s, "\x80"s, "12345678\xC3"s}) {
    EXPECT_FALSE(IsStorableText(text));
  }
}

TEST(PrintableTextTest, CutsBetweenCharactersAndReplacesBadBytes) {
  EXPECT_EQ(PrintableText("aé", 2), "a");
  EXPECT_EQ(PrintableText("aé", 3), "aé");
  EXPECT_EQ(PrintableText("a\xFF"
                          "b",
                          10),
            "a?b");
}

TEST(JsonFaultTest, AcceptsJson) {
  for (const char* text : {"null", "1", "\"x\"", "[]", R"({"a":[1,{"b":null}]})", "  7 ", "123456789012345678901234"}) {
    EXPECT_EQ(JsonFault(text, JsonShape::kAny), "") << text;
  }
}

TEST(JsonFaultTest, NamesTheByteOfTheFault) {
  EXPECT_EQ(JsonFault("{\"a\":}", JsonShape::kAny), "is not valid JSON at byte 6");
  for (const char* text : {"", "{", "1 2", "nul", "'x'", "[1,]", "\"\xFF\"", "NaN"}) {
    EXPECT_NE(JsonFault(text, JsonShape::kAny), "") << text;
  }
}

TEST(JsonFaultTest, BoundsTheDepth) {
  const auto nested = [](int depth) {
    return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']');
  };
  EXPECT_EQ(JsonFault(nested(kJsonDepthMax), JsonShape::kAny), "");
  EXPECT_EQ(JsonFault(nested(kJsonDepthMax + 1), JsonShape::kAny),
            "is nested deeper than 200 levels: flatten the value");
}

TEST(JsonFaultTest, CanDemandAnObject) {
  EXPECT_EQ(JsonFault(R"({"name":"E"})", JsonShape::kObject), "");
  for (const char* text : {"1", "[{}]", "null", "\"{}\""}) {
    EXPECT_EQ(JsonFault(text, JsonShape::kObject), "must be a JSON object") << text;
  }
}

}  // namespace
}  // namespace dbos::sidecar
