// Transactions in a workflow, against a TransactionService of the test: what is asked of it, and what comes of its
// answers.
#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include <dbos/dbos.h>

#include "gtest/gtest.h"

#include "tests/clients/fake_database.h"
#include "tests/clients/fake_sidecar.h"

namespace dbos::testing {

struct OrderRow {
  std::int64_t id = 0;
  std::string sku;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(OrderRow, id, sku)

namespace {

class TransactionTest : public ::testing::Test {
 protected:
  // Runs `body` as the workflow "w" to its end.
  template <class R>
  R Run(R (*body)(Context&)) {
    return Start(body).result();
  }
  template <class F>
  auto Start(F body) {
    sidecar_.SetSqlChannel(database_.channel());
    app_ = sidecar_.MakeApp();
    auto workflow = app_->workflow("w", std::move(body));
    app_->launch();
    return workflow.start({.workflow_id = "w-1"});
  }

  FakeDatabase database_;
  FakeSidecar sidecar_;
  std::unique_ptr<App> app_;
};

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

}  // namespace
}  // namespace dbos::testing
