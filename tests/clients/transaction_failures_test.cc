// Transactions that do not come to their end at once: conflicts, limits, lost sidecars, executions that are over.
#include <chrono>
#include <future>
#include <string>

#include "tests/clients/expect_message.h"
#include "tests/clients/transaction_fixture.h"

namespace dbos::testing {
namespace {

using std::chrono::milliseconds;

class TransactionFailuresTest : public TransactionTest {
 protected:
  void ThenRefuse(v1::Reason reason, v1::RetryClass retry) {
    database_.Then([=](const auto&) { return RefusedFor(reason, retry, "refused by the test"); });
  }
  void ThenBreak() {
    database_.Then([](const auto&) { return FakeDatabase::Answer(); });
  }
  // Of all requests: "begin+statement commit ...".
  std::string Shown() {
    std::string shown;
    for (const v1::TransactRequest& request : database_.requests()) {
      shown += shown.empty() ? "" : " ";
      if (request.has_begin()) shown += "begin+";
      shown += request.has_statement()  ? "statement"
               : request.has_commit()   ? "commit"
               : request.has_rollback() ? (request.rollback().has_failure() ? "failure" : "rollback")
                                        : "other";
    }
    return shown;
  }
};

int Once(Context& ctx) {
  ctx.transaction("once", OneStatement);
  return 1;
}

// Catches what a transaction of little time throws.
std::string Caught(Context& ctx) {
  try {
    ctx.transaction("once", {.timeout = milliseconds(1)}, OneStatement);
  } catch (const SqlError& error) {
    return "SqlError " + error.sqlstate();
  } catch (const TransactionTimeout& error) {
    return "TransactionTimeout " + error.message();
  } catch (const PoolExhausted& error) {
    return "PoolExhausted " + error.message();
  } catch (const NoApplicationDatabase& error) {
    return "NoApplicationDatabase " + error.message();
  } catch (const StepError& error) {
    return error.name() + " " + error.message();
  }
  return "nothing";
}

TEST_F(TransactionFailuresTest, WhenTheTimeIsOverTheConflictIsTheFailure) {
  database_.Then([](const auto&) { return RestartOf("40001"); });
  EXPECT_EQ(Start(Caught).result(), "SqlError 40001");
  EXPECT_EQ(Shown(), "begin+statement begin+failure");
}

TEST_F(TransactionFailuresTest, AnExhaustedPoolAndAnIdleLimitAreMetByRunningAgain) {
  ThenRefuse(v1::REASON_POOL_EXHAUSTED, v1::RETRY_CLASS_SAME_REQUEST);
  ThenRefuse(v1::REASON_TRANSACTION_TIMEOUT, v1::RETRY_CLASS_NEVER);
  EXPECT_EQ(Start(Once).result(), 1);
  EXPECT_EQ(Shown(), "begin+statement begin+statement begin+statement commit");
}

TEST_F(TransactionFailuresTest, WhenTheTimeIsOverTheLimitIsTheFailure) {
  ThenRefuse(v1::REASON_TRANSACTION_TIMEOUT, v1::RETRY_CLASS_NEVER);
  EXPECT_EQ(Start(Caught).result(), "TransactionTimeout refused by the test");
  EXPECT_EQ(Shown(), "begin+statement begin+failure");
  EXPECT_EQ(database_.requests()[1].rollback().failure().data(),
            R"({"name":"TransactionTimeout","message":"refused by the test"})");
}

TEST_F(TransactionFailuresTest, AnExhaustedPoolIsTheFailureAsSoonAsItCanBeRecorded) {
  for (int i = 0; i < 3; ++i) ThenRefuse(v1::REASON_POOL_EXHAUSTED, v1::RETRY_CLASS_SAME_REQUEST);
  EXPECT_EQ(Start(Caught).result(), "PoolExhausted refused by the test");
  EXPECT_EQ(Shown(), "begin+statement begin+failure begin+failure begin+failure");
}

TEST_F(TransactionFailuresTest, ALostDatabaseIsWaitedForBeyondTheTimeOfTheTransaction) {
  for (int i = 0; i < 3; ++i) database_.Then([](const auto&) { return RestartOf("08006"); });
  ThenRefuse(v1::REASON_DATABASE_UNAVAILABLE, v1::RETRY_CLASS_SAME_REQUEST);
  EXPECT_EQ(Start(Caught).result(), "nothing");
  EXPECT_EQ(Shown(), "begin+statement begin+statement begin+statement begin+statement begin+statement commit");
}

// Each try may cost the sidecar a connection.
TEST_F(TransactionFailuresTest, ADatabaseThatIsAwayIsAskedLessAndLessOften) {
  for (int i = 0; i < 15; ++i) ThenRefuse(v1::REASON_DATABASE_UNAVAILABLE, v1::RETRY_CLASS_SAME_REQUEST);
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(Start(Caught).result(), "nothing");
  EXPECT_GT(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(700));
}

TEST_F(TransactionFailuresTest, ALostStreamRunsTheBodyAgain) {
  ThenBreak();
  database_.Then([](const auto&) { return RowsOf({}, {}); });
  ThenBreak();  // of the commit: whether it happened is for the sidecar to say
  database_.Then([](const auto&) {
    v1::TransactResponse response;
    response.mutable_ended()->set_how(v1::TransactionEnded::HOW_RECORDED_BEFORE);
    response.mutable_ended()->mutable_outcome()->mutable_value()->set_data("null");
    return response;
  });
  EXPECT_EQ(Start(Once).result(), 1);
  EXPECT_EQ(Shown(), "begin+statement begin+statement commit begin+statement");
  EXPECT_EQ(database_.streams(), 3);
}

TEST_F(TransactionFailuresTest, AnExecutionThatLostItsWorkflowStops) {
  ThenRefuse(v1::REASON_FENCED, v1::RETRY_CLASS_STOP_EXECUTION);
  std::promise<std::string> unwound;
  Start([&unwound](Context& ctx) {
    try {
      ctx.transaction("once", [](Transaction& tx) {
        try {
          OneStatement(tx);
        } catch (const std::exception&) {
          ADD_FAILURE() << "it is no std::exception";
        }
      });
    } catch (const ExecutionStopped& stopped) {
      unwound.set_value(stopped.why());
      throw;
    }
  });
  EXPECT_EQ(unwound.get_future().get(), "goes on elsewhere: refused by the test");
}

TEST_F(TransactionFailuresTest, ACodeThatTookAnotherPathEndsTheWorkflow) {
  ThenRefuse(v1::REASON_STEP_MISMATCH, v1::RETRY_CLASS_STOP_EXECUTION);
  EXPECT_THROW(Start(Once).result(), WorkflowError);
  EXPECT_NE(Outcome().find("DBOSUnexpectedStepError"), std::string::npos) << Outcome();
}

TEST_F(TransactionFailuresTest, ACancelledWorkflowLeavesItsStatementAndRollsBack) {
  std::promise<void> asked;
  std::promise<void> go_on;
  database_.Then([&](const auto&) {
    asked.set_value();
    go_on.get_future().wait();
    return FakeDatabase::Answer();
  });
  std::promise<void> unwound;
  Start([&unwound](Context& ctx) {
    try {
      ctx.transaction("once", OneStatement);
    } catch (const WorkflowCancelled&) {
      unwound.set_value();
      throw;
    }
  });
  asked.get_future().wait();
  sidecar_.Cancel("w-1");
  unwound.get_future().wait();  // while the database is still at it
  go_on.set_value();
  database_.WaitForEnded(1);
  EXPECT_EQ(Shown(), "begin+statement");
}

TEST_F(TransactionFailuresTest, WithoutADatabaseTheStepFailsAndIsRecordedByTheJournal) {
  ThenRefuse(v1::REASON_NO_APPLICATION_DATABASE, v1::RETRY_CLASS_NEVER);
  EXPECT_EQ(Start(Caught).result(), "NoApplicationDatabase refused by the test");
  EXPECT_EQ(sidecar_.workflow("w-1").steps.at(0).outcome().error().data(),
            R"({"name":"NoApplicationDatabase","message":"refused by the test"})");
}

TEST_F(TransactionFailuresTest, AStatementThatCannotBeRunIsTheFailureEvenIfSwallowed) {
  ThenRefuse(v1::REASON_INVALID_REQUEST, v1::RETRY_CLASS_NEVER);
  auto handle = Start([](Context& ctx) {
    try {
      ctx.transaction("bad", [](Transaction& tx) {
        ExpectInvalid([&] { tx.execute("COMMIT"); }, "refused by the test");
        ExpectInvalid([&] { OneStatement(tx); }, "refused by the test");
      });
    } catch (const StepError& error) {
      return error.name() + " " + error.message();
    }
    return std::string("nothing");
  });
  EXPECT_EQ(handle.result(), "dbos::InvalidArgument refused by the test");
  EXPECT_EQ(Shown(), "begin+statement begin+failure");
}

TEST_F(TransactionFailuresTest, AnSqlErrorThatWasSwallowedComesBackWithTheCommit) {
  database_.Then([](const auto&) { return SqlErrorOf("23505", "duplicate"); });
  database_.Then([](const auto&) { return SqlErrorOf("25P02", "current transaction is aborted"); });
  auto handle = Start([](Context& ctx) {
    try {
      ctx.transaction("swallow", [](Transaction& tx) { EXPECT_THROW(OneStatement(tx), SqlError); });
    } catch (const SqlError& error) {
      return error.sqlstate();
    }
    return std::string("nothing");
  });
  EXPECT_EQ(handle.result(), "25P02");
  EXPECT_EQ(Shown(), "begin+statement commit begin+failure");
}

TEST_F(TransactionFailuresTest, ABodyThatSwallowsItsInterruptionIsRunAgainAllTheSame) {
  database_.Then([](const auto&) { return RestartOf("40001"); });
  auto handle = Start([](Context& ctx) {
    int runs = 0;
    return ctx.transaction("swallow", [&runs](Transaction& tx) {
      ++runs;
      try {
        OneStatement(tx);
      } catch (...) {
      }
      return runs;
    });
  });
  EXPECT_EQ(handle.result(), 2);
}

TEST_F(TransactionFailuresTest, NothingElseMayBeCalledInABody) {
  auto handle = Start([this](Context& ctx) {
    ctx.transaction("outer", [&](Transaction&) {
      const std::string part = "nothing but SQL";
      ExpectInvalid([&] { ctx.step("step", [] {}); }, part);
      ExpectInvalid([&] { ctx.transaction("inner", OneStatement); }, part);
      ExpectInvalid([&] { ctx.sql("inner", "SELECT 1"); }, part);
      ExpectInvalid([&] { ctx.handle<int>("other").result(); }, part);
      ExpectInvalid([&] { app_->transaction(OneStatement); }, part);
    });
    ctx.step("step", [&] { ExpectInvalid([&] { ctx.transaction("inner", OneStatement); }, "in the body of a step"); });
  });
  handle.result();
}

TEST_F(TransactionFailuresTest, OptionsThatMakeNoSenseAreRefused) {
  auto handle = Start([](Context& ctx) {
    const auto with = [&](const TransactionOptions& options) {
      return [&ctx, options] { ctx.transaction("t", options, OneStatement); };
    };
    ExpectInvalid(with({.deferrable = true}), "transaction t: deferrable needs read_only");
    ExpectInvalid(with({.timeout = std::chrono::hours(2)}), "timeout must be 1 ms to 1 h");
    ExpectInvalid(with({.idle_timeout = milliseconds(0)}), "idle_timeout must be 1 ms to 1 min");
  });
  handle.result();
  EXPECT_TRUE(database_.requests().empty());
}

TEST_F(TransactionFailuresTest, WhatDoesNotFitIntoAMessageNamesTheLimit) {
  sidecar_.SetMessageBytesMax(200'000);
  auto handle = Start([](Context& ctx) {
    return ctx.transaction("big", [](Transaction& tx) {
      try {
        tx.execute("INSERT INTO t VALUES (:x)", {{"x", std::string(300'000, 'x')}});
      } catch (const PayloadTooLarge& error) {
        return std::string(error.what());
      }
      return std::string("nothing");
    });
  });
  EXPECT_NE(handle.result().find("the limit is 200000 (Limits.max_message_bytes)"), std::string::npos);
}

TEST_F(TransactionFailuresTest, AResultThatIsTooLargeIsTheFailure) {
  auto handle = Start([](Context& ctx) {
    ctx.transaction("big", [](Transaction& tx) {
      OneStatement(tx);
      return std::string(200'000, 'x');
    });
  });
  EXPECT_THROW(handle.result(), WorkflowError);
  EXPECT_EQ(Shown(), "begin+statement failure");
  EXPECT_NE(Outcome().find("PayloadTooLarge"), std::string::npos) << Outcome();
}

TEST_F(TransactionFailuresTest, ARecordedFailureIsTheSameExceptionOnReplay) {
  v1::StepRecord failed = RecordedStep(0, "once", "");
  failed.mutable_outcome()->mutable_error()->set_data(
      R"({"name": "SqlError", "message": "no", "code": "23503", "data": {"step": "once"}})");
  sidecar_.AddPending("w-0", "w", R"({"positionalArgs":[]})", {failed});
  Start(Caught).result();
  EXPECT_EQ(app_->handle<std::string>("w-0").result(), "SqlError 23503");
}

}  // namespace
}  // namespace dbos::testing
