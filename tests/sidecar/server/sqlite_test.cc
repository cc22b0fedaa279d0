// SQLite databases that cannot be used, or not yet, and those in memory, as a user meets them.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>

#include "tests/sidecar/server/program.h"

namespace dbos::sidecar {
namespace {

class SqliteTest : public testing::Test {
 protected:
  void ExpectEnd(const std::vector<std::string>& arguments, const std::string& text) {
    Program program(directory_, "end", arguments);
    EXPECT_EQ(program.Wait(), 3) << program.Output();
    EXPECT_NE(program.Output().find(text), std::string::npos) << program.Output();
    EXPECT_EQ(program.Output().find("trying again"), std::string::npos) << "what does not pass is not waited for";
  }
  std::string Url(const std::string& name) const { return "sqlite:///" + directory_ / name; }

  const TemporaryDirectory directory_;
};

TEST_F(SqliteTest, WhatCannotBeADatabaseEndsTheStartWithPathAndFix) {
  std::filesystem::create_directory(directory_ / "directory");
  directory_.Write("text", "not a database");
  directory_.Write("file", "");
  const std::pair<const char*, std::string> expected[] = {
      {"missing/shop.sqlite", "there is no directory " + directory_ / "missing" + ": make it"},
      {"file/shop.sqlite", "there is no directory " + directory_ / "file" + ": make it"},
      {"directory", "/directory cannot be used: it is a directory: name a file in it"},
      {"text", "file is not a database (" + directory_ / "text" + "): name another file"}};
  for (const char* command : {"serve", "migrate"}) {
    for (const auto& [name, text] : expected) ExpectEnd({command, "--name", "shop", "--database", Url(name)}, text);
  }
  ExpectEnd({"serve", "--name", "shop", "--database", "sqlite:////dev/null"}, "it is not an ordinary file");
  EXPECT_EQ(directory_.Read("text"), "not a database");
}

TEST_F(SqliteTest, ALockOfAnotherProcessIsWaitedForAndNamed) {
  const std::string file = directory_ / "shop.sqlite";
  SQLite::Database other(file, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  other.exec("BEGIN EXCLUSIVE");
  Program impatient(directory_, "impatient", {"migrate", "--name", "shop", "--database-wait", "0"});
  EXPECT_EQ(impatient.Wait(), 3);
  const std::string refusal = "database is locked (shop.sqlite): another process keeps it locked: `fuser` or `lsof`";
  EXPECT_NE(impatient.Output().find(refusal), std::string::npos) << impatient.Output();
  Program sidecar(directory_, "serve", {"serve", "--name", "shop"});
  EXPECT_TRUE(sidecar.Prints("trying again")) << sidecar.Output();
  EXPECT_NE(sidecar.Output().find(refusal), std::string::npos) << sidecar.Output();
  other.exec("ROLLBACK");
  EXPECT_TRUE(sidecar.Prints("sidecar is ready")) << sidecar.Output();
}

TEST_F(SqliteTest, ADatabaseInMemoryServesItsProcessWithoutAFile) {
  for (const std::string url : {"sqlite:///:memory:", "sqlite://"}) {
    Program sidecar(directory_, "serve", {"serve", "--name", "shop", "--database", url});
    ASSERT_TRUE(sidecar.Prints("sidecar is ready")) << sidecar.Output();
    EXPECT_NE(sidecar.Output().find("workflows, steps and results end with this process"), std::string::npos);
    ExpectEnd({"workflow", "list", "--name", "shop", "--database", url}, "no other process can look into it");
    sidecar.Send(SIGTERM);
    EXPECT_EQ(sidecar.Wait(), 0) << sidecar.Output();
  }
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
    const std::string name = entry.path().filename();
    EXPECT_TRUE(name == ".dbos" || entry.path().extension() == ".log") << name;
  }
}

}  // namespace
}  // namespace dbos::sidecar
