#include "sidecar/model/migration_files.h"

#include "gmock/gmock.h"

#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// What is wrong with a set of files; empty when nothing is.
std::string Fault(std::vector<SqlFile> files) {
  const auto checked = CheckMigrationFiles(std::move(files));
  if (checked.ok()) return "";
  EXPECT_TRUE(absl::IsInvalidArgument(checked.status())) << checked.status();
  return Message(checked.status());
}

MigrationFile Checked(const std::string& content) {
  const auto checked = CheckMigrationFiles({{"db", "1_a.sql", content}});
  EXPECT_TRUE(checked.ok()) << checked.status();
  return checked.ok() ? checked->front() : MigrationFile();
}

TEST(MigrationFilesTest, AreSortedByNumberAcrossDirectories) {
  const auto files = CheckMigrationFiles({{"a", "10_ten.sql", ""},
                                          {"a", "0002_two.sql", ""},
                                          {"b", "20240131120000_date.sql", ""},
                                          {"b", "000_zero.sql", ""},
                                          {"b", "123456789012345678901234567890_long.sql", ""}});
  ASSERT_TRUE(files.ok()) << files.status();
  std::vector<std::string> paths;
  std::vector<std::string> numbers;
  for (const MigrationFile& file : *files) {
    paths.push_back(file.path());
    numbers.push_back(file.number);
  }
  EXPECT_THAT(paths, ElementsAre("b/000_zero.sql", "a/0002_two.sql", "a/10_ten.sql", "b/20240131120000_date.sql",
                                 "b/123456789012345678901234567890_long.sql"));
  EXPECT_THAT(numbers, ElementsAre("0", "2", "10", "20240131120000", "123456789012345678901234567890"));
}

TEST(MigrationFilesTest, OtherNamesAreRefusedWithTheForm) {
  for (const std::string name : {"orders.sql", "1.sql", "1_.sql", "_a.sql", "V1__a.sql", "1-a.sql", "1_a.SQL",
                                 "1_a/b.sql", "1_a\n.sql", "1_\xFF.sql", "", "1_a.sql.bak"}) {
    EXPECT_THAT(Fault({{"db", name, ""}}), HasSubstr("NUMBER_description.sql")) << name;
  }
  EXPECT_THAT(Fault({{"db", "1_" + std::string(300, 'a') + ".sql", ""}}), HasSubstr("at most 255 bytes"));
  EXPECT_THAT(Fault({{"db", "0001_a.down.sql", ""}}), HasSubstr("another directory"));
  EXPECT_EQ(Fault({{"db", "0001_a.up.sql", ""}, {"db", "2_\xC3\xA4 b.sql", ""}}), "");
}

TEST(MigrationFilesTest, ANumberIsThereOnceAndBothFilesAreNamed) {
  EXPECT_EQ(Fault({{"a", "0001_x.sql", ""}, {"b", "1_y.sql", ""}}),
            "two migrations have the number 1: a/0001_x.sql and b/1_y.sql: give one of them another");
}

TEST(MigrationFilesTest, TextIsUtf8WithoutNulAndTheLineIsNamed) {
  EXPECT_EQ(Fault({{"db", "1_a.sql", "SELECT 1;\n\n-- \xE4\n"}}),
            "db/1_a.sql: line 3 is not valid UTF-8: save the file as UTF-8 text");
  EXPECT_EQ(Fault({{"db", "1_a.sql", std::string("SELECT\n\0", 8)}}),
            "db/1_a.sql: line 2 has a NUL byte: save the file as UTF-8 text");
  EXPECT_EQ(Fault({{"", "1_a.sql", "\n\xFF"}}), "1_a.sql: line 2 is not valid UTF-8: save the file as UTF-8 text");
}

TEST(MigrationFilesTest, LimitsAreNamed) {
  const std::string most(kMigrationFileBytesMax, ' ');
  EXPECT_EQ(Fault({{"db", "1_a.sql", most}}), "");
  EXPECT_THAT(Fault({{"db", "1_a.sql", most + " "}}), HasSubstr("db/1_a.sql: has more than 4194304 bytes (4 MiB)"));
  std::vector<SqlFile> many;
  for (std::size_t n = 0; n < 17; ++n) many.push_back({"db", std::to_string(n) + "_a.sql", most});
  EXPECT_THAT(Fault(many), HasSubstr("64 MiB"));
  many.clear();
  for (std::size_t n = 0; n < kMigrationFilesMax; ++n) many.push_back({"db", std::to_string(n) + "_a.sql", ""});
  EXPECT_EQ(Fault(many), "");
  many.push_back({"db", "99999_a.sql", ""});
  EXPECT_THAT(Fault(many), HasSubstr("the limit is 10000"));
}

TEST(MigrationFilesTest, TheChecksumDoesNotDependOnLineEndsOrByteOrderMark) {
  const MigrationFile plain = Checked("abc");
  EXPECT_EQ(plain.checksum, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Checked("\xEF\xBB\xBF"
                    "abc")
                .checksum,
            plain.checksum);
  EXPECT_EQ(Checked("\xEF\xBB\xBF"
                    "abc")
                .sql,
            "abc");
  EXPECT_EQ(Checked("a\r\nb\r\n").checksum, Checked("a\nb\n").checksum);
  EXPECT_NE(Checked("a\nb").checksum, Checked("a b").checksum);
  EXPECT_EQ(Checked("a\r\nb").sql, "a\r\nb");
  EXPECT_EQ(Checked("").checksum, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(MigrationFilesTest, TheFirstLineMaySayNoTransaction) {
  for (const char* text : {"-- dbos: no-transaction", "--dbos:no-transaction\nSELECT 1",
                           "--  DBOS: No-Transaction \r\n", "\xEF\xBB\xBF-- dbos: no-transaction\n"}) {
    EXPECT_FALSE(Checked(text).transactional) << text;
  }
  for (const char* text : {"", "SELECT 1", "-- a comment\n-- dbos: no-transaction\n", "\n-- dbos: no-transaction"}) {
    EXPECT_TRUE(Checked(text).transactional) << text;
  }
  EXPECT_THAT(Fault({{"db", "1_a.sql", "-- dbos: no_transaction\n"}}),
              HasSubstr("says \"dbos: no_transaction\"; all it can say is \"-- dbos: no-transaction\""));
}

}  // namespace
}  // namespace dbos::sidecar
