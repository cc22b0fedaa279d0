// Transactions outside of a workflow: nothing is recorded, and what may have happened is said.
#include "clients/cpp/src/outside_sql.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "clients/cpp/src/channel.h"
#include "clients/cpp/src/sql_stream.h"
#include "tests/clients/expect_message.h"
#include "tests/clients/transaction_fixture.h"

namespace dbos::testing {
namespace {

class OutsideSqlTest : public ::testing::Test {
 protected:
  template <class F>
  auto Run(F body, const TransactionOptions& options = {}) {
    return detail::RunOutside(sql_, options, body);
  }
  void ThenBreak() {
    database_.Then([](const auto&) { return FakeDatabase::Answer(); });
  }

  FakeDatabase database_;
  detail::OutsideSql sql_{std::make_shared<runtime::SqlStreams>(database_.channel())};
};

TEST_F(OutsideSqlTest, TheBodysOwnResultComesBackAndNothingIsRecorded) {
  const auto result = Run([](Transaction& tx) {
    OneStatement(tx);
    return std::make_unique<int>(7);  // needs no stored form
  });
  EXPECT_EQ(*result, 7);
  ASSERT_EQ(database_.requests().size(), 2U);
  EXPECT_FALSE(database_.requests()[0].begin().has_step());
  EXPECT_FALSE(database_.requests()[1].commit().has_result());
}

std::string NameAt(const std::filesystem::path& task) {
  std::string name;
  std::getline(std::ifstream(task / "comm"), name);
  return name;
}

// But those of gRPC, which come and go, and have names of their own.
std::ptrdiff_t ThreadsOfThisProcess() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return std::count_if(begin(tasks), end(tasks),
                       [](const auto& task) { return NameAt(task.path()) == NameAt("/proc/self"); });
}

TEST_F(OutsideSqlTest, ItsThreadEndsWhenItHasNothingToDoAndStartsAgain) {
  Run([](Transaction& tx) { OneStatement(tx); });
  const std::ptrdiff_t busy = ThreadsOfThisProcess();
  for (int n = 0; n < 100 && ThreadsOfThisProcess() >= busy; ++n) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // paces the look at the threads
  }
  EXPECT_LT(ThreadsOfThisProcess(), busy);
  EXPECT_EQ(Run([](Transaction& tx) {
              OneStatement(tx);
              return 7;
            }),
            7);
}

TEST_F(OutsideSqlTest, WithoutAStatementNothingIsAsked) {
  EXPECT_EQ(Run([](Transaction&) { return 7; }), 7);
  EXPECT_TRUE(database_.requests().empty());
}

TEST_F(OutsideSqlTest, ItsOwnExceptionComesThroughAfterTheRollback) {
  EXPECT_THROW(Run([](Transaction& tx) {
                 OneStatement(tx);
                 throw std::out_of_range("own");
               }),
               std::out_of_range);
  EXPECT_TRUE(database_.requests().at(1).has_rollback());
  EXPECT_FALSE(database_.requests().at(1).rollback().has_failure());
}

TEST_F(OutsideSqlTest, AnExceptionComesThroughWhenTheRollbackGetsNoAnswer) {
  database_.Then([](const auto&) { return RowsOf({}, {}); });
  ThenBreak();
  int runs = 0;
  EXPECT_THROW(Run([&](Transaction& tx) {
                 ++runs;
                 OneStatement(tx);
                 throw std::out_of_range("own");
               }),
               std::out_of_range);
  EXPECT_EQ(runs, 1);
}

TEST_F(OutsideSqlTest, AConflictAndALossBeforeTheCommitRunItAgain) {
  database_.Then([](const auto&) { return RestartOf("40001"); });
  database_.Then([](const auto&) { return RowsOf({}, {}); });
  ThenBreak();
  int runs = 0;
  Run([&](Transaction& tx) {
    ++runs;
    OneStatement(tx);
    OneStatement(tx);
  });
  EXPECT_EQ(runs, 3);
}

TEST_F(OutsideSqlTest, ALostAnswerToTheCommitIsInDoubt) {
  database_.Then([](const auto&) { return RowsOf({}, {}); });
  ThenBreak();
  int runs = 0;
  EXPECT_THROW(Run([&](Transaction& tx) {
                 ++runs;
                 OneStatement(tx);
               }),
               TransactionInDoubt);
  EXPECT_EQ(runs, 1);
}

TEST(OutsideSqlWithoutASidecarTest, WhatWasNeverSentIsNotInDoubt) {
  detail::OutsideSql sql(std::make_shared<runtime::SqlStreams>(runtime::OpenChannel("unix:/nowhere/at-all.sock")));
  const TransactionOptions options = {.timeout = std::chrono::milliseconds(10)};
  const auto defers = [](Transaction& tx) { tx.defer("INSERT"); };
  auto deferring = std::async(std::launch::async, [&] { detail::RunOutside(sql, options, defers); });
  auto asking = std::async(std::launch::async, [&] { detail::RunOutside(sql, options, OneStatement); });
  EXPECT_THROW(sql.RunSql("INSERT", {}, options), SidecarUnavailable);
  EXPECT_THROW(deferring.get(), SidecarUnavailable);
  EXPECT_THROW(asking.get(), SidecarUnavailable);
}

TEST_F(OutsideSqlTest, RefusalsAreExceptions) {
  database_.Then(
      [](const auto&) { return RefusedFor(v1::REASON_TRANSACTION_IN_DOUBT, v1::RETRY_CLASS_NEVER, "lost"); });
  EXPECT_THROW(Run(OneStatement), TransactionInDoubt);
  database_.Then(
      [](const auto&) { return RefusedFor(v1::REASON_NO_APPLICATION_DATABASE, v1::RETRY_CLASS_NEVER, "none"); });
  EXPECT_THROW(Run(OneStatement), NoApplicationDatabase);
  database_.Then([](const auto&) { return SqlErrorOf("42P01", "no such table"); });
  EXPECT_THROW(Run(OneStatement), SqlError);
}

TEST_F(OutsideSqlTest, AnIdleStreamThatDiedMeanwhileIsReplaced) {
  Run(OneStatement);
  ThenBreak();                                                   // the idle one, at its next begin
  Run(OneStatement, {.timeout = std::chrono::milliseconds(1)});  // no time for a second try
  EXPECT_EQ(database_.streams(), 2);
}

TEST_F(OutsideSqlTest, AStatementAloneGivesRowsErrorsAndDoubts) {
  database_.OnExecute([](const v1::ExecuteRequest&) {
    v1::ExecuteResponse response;
    response.mutable_ended()->mutable_outcome()->mutable_value()->set_data(
        R"({"columns": [{"name": "n", "type": "int8"}], "rows": [["7"]], "affected": 1})");
    return response;
  });
  EXPECT_EQ(sql_.RunSql("SELECT 7", {}, {}).scalar<int>(), 7);
  database_.OnExecute([](const v1::ExecuteRequest&) {
    v1::ExecuteResponse response;
    response.mutable_sql_error()->set_sqlstate("42601");
    return response;
  });
  EXPECT_THROW(sql_.RunSql("SELEC", {}, {}), SqlError);
  database_.OnExecute({});
  EXPECT_THROW(sql_.RunSql("INSERT", {}, {}), TransactionInDoubt);
  EXPECT_THROW(sql_.RunSql("SELECT 7", {}, {.read_only = true, .timeout = std::chrono::milliseconds(20)}),
               SidecarUnavailable);
}

}  // namespace
}  // namespace dbos::testing
