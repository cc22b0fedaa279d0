// Transactions in a workflow, against a TransactionService of the test: what is asked of it, and what comes of its
// answers.
#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

#include <dbos/dbos.h>

#include "gtest/gtest.h"

#include "clients/cpp/src/sql_wire.h"
#include "tests/clients/transaction_fixture.h"

namespace dbos::testing {

struct OrderRow {
  std::int64_t id = 0;
  std::string sku;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(OrderRow, id, sku)

namespace {

OrderRow Record(Context& ctx) {
  return ctx.transaction("record", [](Transaction& tx) {
    return tx
        .query("INSERT INTO orders(id, sku) VALUES (:id, :sku) RETURNING *", {{"id", 7}, {"sku", std::string("shoe")}})
        .one<OrderRow>();
  });
}

TEST_F(TransactionTest, BeginGoesWithTheFirstStatementAndCommitHasTheResult) {
  database_.Then([](const auto&) { return RowsOf({{"id", "int8"}, {"sku", "text"}}, {{"7", "shoe"}}); });
  EXPECT_EQ(Start(Record).result().sku, "shoe");
  const auto requests = database_.requests();
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_EQ(requests[0].begin().step().step_id(), 0);
  EXPECT_EQ(requests[0].begin().step().name(), "record");
  EXPECT_EQ(requests[0].begin().step().execution().workflow_id(), "w-1");
  EXPECT_EQ(requests[0].begin().step().execution().owner_token(), sidecar_.workflow("w-1").owner_token);
  EXPECT_GT(requests[0].begin().timeout_ms(), 29'000);
  EXPECT_EQ(requests[0].begin().idle_timeout_ms(), 5'000);
  EXPECT_EQ(requests[0].statement().parameters(0).value().integer(), 7);
  EXPECT_EQ(requests[0].statement().parameters(1).value().text(), "shoe");
  EXPECT_FALSE(requests[1].has_begin());
  EXPECT_EQ(requests[1].commit().result().data(), R"({"id":7,"sku":"shoe"})");
  EXPECT_TRUE(sidecar_.workflow("w-1").steps.empty());  // the sidecar records it with the commit, not the journal
}

TEST_F(TransactionTest, AConflictRunsTheBodyAgainFromBegin) {
  database_.Then([](const auto&) { return RestartOf("40001"); });
  database_.Then([](const auto&) { return RowsOf({{"id", "int8"}, {"sku", "text"}}, {{"7", "shoe"}}); });
  database_.Then([](const auto&) { return RestartOf("40P01"); });  // of the commit
  database_.Then([](const auto&) { return RowsOf({{"id", "int8"}, {"sku", "text"}}, {{"7", "boot"}}); });
  EXPECT_EQ(Start(Record).result().sku, "boot");
  ASSERT_EQ(database_.requests().size(), 5U);
  EXPECT_TRUE(database_.requests()[1].has_begin());
  EXPECT_TRUE(database_.requests()[3].has_begin());
  EXPECT_EQ(database_.streams(), 1);
}

TEST_F(TransactionTest, WhatTheSidecarHasRecordedBeforeIsTheResult) {
  database_.Then([](const auto&) {
    v1::TransactResponse response;
    response.mutable_ended()->set_how(v1::TransactionEnded::HOW_RECORDED_BEFORE);
    response.mutable_ended()->mutable_outcome()->mutable_value()->set_data(R"({"id":1,"sku":"before"})");
    return response;
  });
  EXPECT_EQ(Start(Record).result().sku, "before");
  EXPECT_EQ(database_.requests().size(), 1U);
}

TEST_F(TransactionTest, AnSqlErrorHasTheSameFieldsInTheBodyAndOutOfIt) {
  database_.Then([](const auto&) {
    v1::TransactResponse response = SqlErrorOf("23505", "duplicate key");
    response.mutable_sql_error()->set_constraint("orders_pkey");
    response.mutable_sql_error()->set_position(3);
    return response;
  });
  static std::optional<SqlError> inside;
  auto handle = Start([](Context& ctx) -> std::string {
    try {
      ctx.transaction("record", [](Transaction& tx) {
        try {
          tx.execute("INSERT INTO orders VALUES (1)");
        } catch (const SqlError& error) {
          inside = error;
          throw;
        }
      });
    } catch (const SqlError& error) {
      EXPECT_EQ(error.record().data, inside->record().data);
      return error.sqlstate() + " " + error.constraint() + " " + std::to_string(error.position()) + " " + error.step() +
             " " + error.message();
    }
    return "no error";
  });
  EXPECT_EQ(handle.result(), "23505 orders_pkey 3 record duplicate key");
  EXPECT_EQ(database_.requests().at(1).rollback().failure().data(),
            R"({"name":"SqlError","message":"duplicate key","code":"23505",)"
            R"("data":{"step":"record","constraint":"orders_pkey","position":3}})");
}

std::string TextsOf(const v1::TransactRequest& request) {
  std::string texts;
  for (const v1::SqlStatement& statement : request.deferred().statements()) texts += statement.sql() + ";";
  return texts + runtime::AskedBy(request).statement().sql();
}

TEST_F(TransactionTest, WhatIsDeferredTravelsWithTheNextCallOrTheCommit) {
  Start([](Context& ctx) {
    ctx.transaction("record", [](Transaction& tx) {
      tx.defer("a");
      tx.defer("b");
      tx.execute("c");
      tx.defer("d");
    });
  }).result();
  const auto requests = database_.requests();
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_TRUE(runtime::AskedBy(requests[0]).has_begin());
  EXPECT_EQ(TextsOf(requests[0]), "a;b;c");
  EXPECT_EQ(TextsOf(requests[1]), "d;");
  EXPECT_TRUE(runtime::AskedBy(requests[1]).has_commit());
}

TEST_F(TransactionTest, OutsideOfAWorkflowToo) {
  Start([](Context&) {}).result();
  app_->transaction({}, [](Transaction& tx) { tx.defer("a"); });
  const auto requests = database_.requests();
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_TRUE(runtime::AskedBy(requests[0]).has_begin() && runtime::AskedBy(requests[0]).has_commit());
  EXPECT_EQ(TextsOf(requests[0]), "a;");
  const auto thrower = [](Transaction& tx) {
    tx.defer("a");
    throw std::runtime_error("no");
  };
  EXPECT_THROW(app_->transaction({}, thrower), std::runtime_error);
  EXPECT_EQ(database_.requests().size(), 1U) << "there is nothing to roll back";
}

// Nothing is recorded outside of a workflow, so what may have been committed is not sent a second time.
TEST_F(TransactionTest, ACommitOfDeferredStatementsAloneIsSentOnce) {
  Start([](Context&) {}).result();
  app_->transaction({}, OneStatement);  // leaves an idle stream
  database_.Then([](const auto&) { return FakeDatabase::Answer(); });
  EXPECT_THROW(app_->transaction({}, [](Transaction& tx) { tx.defer("a"); }), TransactionInDoubt);
  EXPECT_EQ(database_.requests().size(), 3U);
}

TEST_F(TransactionTest, TheFailureOfADeferredStatementIsThrownByWhatItTravelledWithAndHasItsText) {
  const std::string text = "UPDATE accounts SET owner = '" + std::string(170, 'x') + "\xc3\xa9'";
  const auto fail = [](const auto&) {
    v1::TransactResponse response = SqlErrorOf("23505", "duplicate key");
    response.mutable_sql_error()->set_deferred(2);
    return response;
  };
  database_.Then(fail);
  database_.Then([](const auto& request) { return FakeDatabase::Committed(request); });  // the rollback
  database_.Then(fail);
  auto handle = Start([&text](Context& ctx) {
    std::string seen;
    for (const bool with_commit : {false, true}) {
      try {
        ctx.transaction("record", [&](Transaction& tx) {
          tx.defer("a");
          tx.defer(text);
          if (!with_commit) tx.execute("b");
        });
      } catch (const SqlError& error) {
        seen += error.sqlstate() + " " + error.statement() + "\n";
      }
    }
    return seen;
  });
  const std::string cut = "23505 " + text.substr(0, 199) + "\n";
  EXPECT_EQ(handle.result(), cut + cut);
}

TEST_F(TransactionTest, WhatIsDeferredWithinASavepointGoesWithIt) {
  auto handle = Start([](Context& ctx) {
    ctx.transaction("record", [](Transaction& tx) {
      tx.defer("a");
      tx.savepoint([&] { tx.defer("b"); });
      try {
        tx.savepoint([&] {
          tx.defer("c");
          throw std::runtime_error("no");
        });
      } catch (const std::runtime_error&) {
        tx.defer("d");
      }
      tx.defer("e");
      throw std::runtime_error("no");
    });
  });
  EXPECT_THROW(handle.result(), WorkflowError);
  std::string shown;
  for (const v1::TransactRequest& request : database_.requests()) {
    const v1::TransactRequest& asked = runtime::AskedBy(request);
    shown += TextsOf(request) + (asked.has_savepoint() ? std::to_string(asked.savepoint().action()) : "end") + " ";
  }
  EXPECT_EQ(shown, "a;1 b;2 1 3 end ");
}

TEST_F(TransactionTest, SoManyWaitAtMost) {
  Start([](Context& ctx) {
    ctx.transaction("record", [](Transaction& tx) {
      for (int n = 0; n < 101; ++n) tx.defer("a");
      tx.execute("b");
      const SqlParams large = {{"x", std::string(600 << 10, 'x')}};
      tx.defer("SELECT :x", large);
      tx.defer("SELECT :x", large);
      tx.defer("SELECT :x", {{"x", std::string(2 << 20, 'x')}});
    });
  }).result();
  std::string shown;
  for (const v1::TransactRequest& request : database_.requests()) {
    shown +=
        std::to_string(request.deferred().statements_size()) + "," + runtime::AskedBy(request).statement().sql() + " ";
  }
  EXPECT_EQ(shown, "99,a 1,b 0,SELECT :x 0,SELECT :x 0,SELECT :x 0, ");
}

TEST_F(TransactionTest, BehindALargeOneTheyWaitForEachOtherAgain) {
  Start([](Context& ctx) {
    ctx.transaction("record", [](Transaction& tx) {
      tx.defer("SELECT :x", {{"x", std::string(2 << 20, 'x')}});
      tx.defer("a");
      tx.defer("b");
    });
  }).result();
  const auto requests = database_.requests();
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_EQ(TextsOf(requests[1]), "a;b;");
}

TEST_F(TransactionTest, AnExceptionRollsBackAndIsRecorded) {
  auto handle = Start([](Context& ctx) {
    try {
      ctx.transaction("record", [](Transaction& tx) {
        tx.execute("INSERT INTO orders VALUES (1)");
        throw std::runtime_error("no stock");
      });
    } catch (const StepError& error) {
      return error.name() + ": " + error.message();
    }
    return std::string("no error");
  });
  EXPECT_EQ(handle.result(), "std::runtime_error: no stock");
  EXPECT_EQ(database_.requests().at(1).rollback().failure().data(),
            R"({"name":"std::runtime_error","message":"no stock"})");
}

TEST_F(TransactionTest, ItBeginsWhenEverythingBeforeItIsDurable) {
  sidecar_.HoldAcks();
  auto handle = Start([](Context& ctx) {
    ctx.step("before", [] {});
    ctx.transaction("after", OneStatement);
  });
  EXPECT_THROW(handle.result(std::chrono::milliseconds(30)), TimeoutError);
  EXPECT_TRUE(database_.requests().empty());
  sidecar_.ReleaseAcks();
  handle.result();
  EXPECT_EQ(database_.requests().at(0).begin().step().step_id(), 1);
}

TEST_F(TransactionTest, AStreamIsReusedByTransactionsOneAfterAnother) {
  auto handle = Start([](Context& ctx) {
    for (int i = 0; i < 3; ++i) ctx.transaction("one", OneStatement);
  });
  handle.result();
  EXPECT_EQ(database_.streams(), 1);
  EXPECT_EQ(database_.requests().at(4).begin().step().step_id(), 2);
}

TEST_F(TransactionTest, ATransactionWithoutAStatementIsRecordedToo) {
  EXPECT_EQ(Start([](Context& ctx) { return ctx.transaction("none", [](Transaction&) { return 5; }); }).result(), 5);
  ASSERT_EQ(database_.requests().size(), 1U);
  EXPECT_TRUE(database_.requests()[0].has_begin());
  EXPECT_EQ(database_.requests()[0].commit().result().data(), "5");
}

TEST_F(TransactionTest, OptionsReachTheSidecar) {
  auto handle = Start([](Context& ctx) {
    const TransactionOptions options{.isolation = Isolation::kSerializable,
                                     .read_only = true,
                                     .deferrable = true,
                                     .timeout = std::chrono::seconds(2),
                                     .idle_timeout = std::chrono::milliseconds(70)};
    ctx.transaction("read", options, OneStatement);
    ctx.transaction("loose", {.isolation = Isolation::kReadCommitted}, OneStatement);
  });
  handle.result();
  const v1::BeginTransaction begin = database_.requests().at(0).begin();
  EXPECT_TRUE(begin.read_only() && begin.deferrable());
  EXPECT_EQ(begin.isolation(), v1::ISOLATION_LEVEL_SERIALIZABLE);
  EXPECT_TRUE(begin.timeout_ms() > 1000 && begin.timeout_ms() <= 2000);
  EXPECT_EQ(begin.idle_timeout_ms(), 70);
  EXPECT_EQ(database_.requests().at(2).begin().isolation(), v1::ISOLATION_LEVEL_READ_COMMITTED);
}

TEST_F(TransactionTest, ASavepointIsReleasedOrRolledBackTo) {
  auto handle = Start([](Context& ctx) {
    ctx.transaction("nested", [](Transaction& tx) {
      const int kept = tx.savepoint([&] {
        OneStatement(tx);
        return 1;
      });
      try {
        tx.savepoint([&] { throw std::runtime_error("undo"); });
      } catch (const std::runtime_error&) {
      }
      return kept;
    });
  });
  handle.result();
  const auto requests = database_.requests();
  ASSERT_EQ(requests.size(), 6U);
  EXPECT_EQ(requests[0].savepoint().action(), v1::Savepoint::ACTION_SET);
  EXPECT_TRUE(requests[1].has_statement());
  EXPECT_EQ(requests[2].savepoint().action(), v1::Savepoint::ACTION_RELEASE);
  EXPECT_EQ(requests[3].savepoint().action(), v1::Savepoint::ACTION_SET);
  EXPECT_EQ(requests[4].savepoint().action(), v1::Savepoint::ACTION_ROLL_BACK);
  EXPECT_TRUE(requests[5].has_commit());
}

TEST_F(TransactionTest, AStreamOfRowsFetchesPageAfterPage) {
  const auto page = [](const std::string& id, bool more) {
    return [id, more](const v1::TransactRequest&) {
      v1::TransactResponse response = RowsOf({{"id", "int8"}}, {{id}});
      if (id.empty()) response.mutable_rows()->clear_rows();
      response.mutable_rows()->set_more(more);
      return response;
    };
  };
  database_.Then(page("1", true));
  database_.Then(page("", true));  // an empty page in between
  database_.Then(page("2", false));
  auto handle = Start([](Context& ctx) {
    return ctx.transaction("sum", [](Transaction& tx) {
      int sum = 0;
      for (const Row& row : tx.stream("SELECT id FROM t", {}, 2)) sum += row.get<int>("id");
      return sum;
    });
  });
  EXPECT_EQ(handle.result(), 3);
  EXPECT_EQ(database_.requests().at(0).statement().page_rows(), 2U);
  EXPECT_EQ(database_.requests().at(2).fetch().page_rows(), 2U);
}

TEST_F(TransactionTest, AStreamThatAnotherOneEndedSaysSo) {
  database_.Then([](const auto&) {
    v1::TransactResponse response = RowsOf({{"id", "int8"}}, {{"1"}});
    response.mutable_rows()->set_more(true);
    return response;
  });
  auto handle = Start([](Context& ctx) {
    ctx.transaction("two", [](Transaction& tx) {
      auto first = tx.stream("SELECT 1");
      auto second = tx.stream("SELECT 2");
      ++first.begin();
    });
  });
  EXPECT_THROW(handle.result(), WorkflowError);
  EXPECT_NE(Outcome().find("one stream at a time"), std::string::npos) << Outcome();
}

TEST_F(TransactionTest, AStatementAloneIsOneMessage) {
  database_.OnExecute([](const v1::ExecuteRequest& request) {
    EXPECT_EQ(request.begin().step().name(), "insert");
    EXPECT_EQ(request.statement().sql(), "INSERT INTO t VALUES (:x)");
    v1::ExecuteResponse response;
    response.mutable_ended()->mutable_outcome()->mutable_value()->set_data(
        R"({"columns": [{"name": "id", "type": "int8"}], "rows": [["9"]], "affected": 1})");
    return response;
  });
  auto handle = Start([](Context& ctx) {
    const Rows rows = ctx.sql("insert", "INSERT INTO t VALUES (:x)", {{"x", 1}});
    return rows.scalar<int>() + static_cast<int>(rows.affected());
  });
  EXPECT_EQ(handle.result(), 10);
  EXPECT_EQ(database_.executed().size(), 1U);
}

}  // namespace
}  // namespace dbos::testing
