#include <memory>
#include <string>
#include <vector>

#include <libpq-fe.h>

#include "gtest/gtest.h"

#include "tests/testing/proxy/cockroach_sql.h"
#include "tests/testing/proxy/played_cockroach.h"

namespace dbos::testing {
namespace {

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

std::string StateOf(const Result& result) {
  const char* code = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
  return code == nullptr ? "" : code;
}

// A connection through a proxy that aborts every transaction.
class CockroachProxyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    connection_.reset(PQconnectdb(server_.Url("postgres").c_str()));
    ASSERT_EQ(PQstatus(connection_.get()), CONNECTION_OK) << PQerrorMessage(connection_.get());
    Exec("SET client_min_messages = warning");
    ASSERT_EQ(StateOf(Exec("CREATE TEMPORARY TABLE t (n int)")), "");
  }
  Result Exec(const std::string& sql) { return {PQexec(connection_.get(), sql.c_str()), &PQclear}; }

  // Sends the statements, once prepared, through a pipeline; the codes of their answers, "" for success, "-" for
  // skipped.
  std::vector<std::string> Pipeline(const std::vector<std::string>& statements) {
    for (const std::string& sql : statements) {
      const Result prepared(PQprepare(connection_.get(), sql.c_str(), sql.c_str(), 0, nullptr), &PQclear);
    }
    PQenterPipelineMode(connection_.get());
    for (const std::string& sql : statements) {
      PQsendQueryPrepared(connection_.get(), sql.c_str(), 0, nullptr, nullptr, nullptr, 0);
    }
    PQpipelineSync(connection_.get());
    std::vector<std::string> codes;
    while (true) {
      const Result result(PQgetResult(connection_.get()), &PQclear);
      if (result == nullptr) continue;
      if (PQresultStatus(result.get()) == PGRES_PIPELINE_SYNC) break;
      codes.push_back(PQresultStatus(result.get()) == PGRES_PIPELINE_ABORTED ? "-" : StateOf(result));
    }
    PQexitPipelineMode(connection_.get());
    return codes;
  }
  // A COPY is no transaction that the proxy aborts.
  int Rows() {
    Exec("COPY t TO STDOUT");
    int rows = 0;
    for (char* row = nullptr; PQgetCopyData(connection_.get(), &row, 0) > 0; PQfreemem(row)) ++rows;
    const Result end(PQgetResult(connection_.get()), &PQclear);
    PQgetResult(connection_.get());
    return rows;
  }

  PlayedCockroach server_{{.abort_one_in = 1}};
  Connection connection_ = {nullptr, &PQfinish};
};

TEST_F(CockroachProxyTest, TellsItsVersionAtTheStart) {
  EXPECT_NE(PQparameterStatus(connection_.get(), "crdb_version"), nullptr);
}

TEST_F(CockroachProxyTest, ACommitIsAnsweredWith40001AndRolledBack) {
  EXPECT_EQ(StateOf(Exec("BEGIN")), "");
  EXPECT_EQ(StateOf(Exec("INSERT INTO t VALUES (1)")), "");
  EXPECT_EQ(StateOf(Exec("COMMIT")), "40001");
  EXPECT_EQ(PQtransactionStatus(connection_.get()), PQTRANS_IDLE);
  EXPECT_EQ(StateOf(Exec("BEGIN; INSERT INTO t VALUES (1); COMMIT")), "40001");
  EXPECT_EQ(PQtransactionStatus(connection_.get()), PQTRANS_IDLE);
  EXPECT_EQ(StateOf(Exec("INSERT INTO t VALUES (1)")), "40001");
  EXPECT_EQ(StateOf(Exec("SELECT 1")), "40001");
  EXPECT_EQ(PQtransactionStatus(connection_.get()), PQTRANS_IDLE);
  EXPECT_EQ(Rows(), 0);
  EXPECT_EQ(server_.profile().aborts(), 4);
}

TEST_F(CockroachProxyTest, SoAreCommitsInPipelines) {
  const std::vector<std::string> aborted = {"", "", "40001"};
  EXPECT_EQ(Pipeline({"BEGIN", "INSERT INTO t VALUES (1)", "COMMIT"}), aborted);
  EXPECT_EQ(PQtransactionStatus(connection_.get()), PQTRANS_IDLE);
  EXPECT_EQ(Pipeline({"INSERT INTO t VALUES (1)"}), std::vector<std::string>{"40001"});
  EXPECT_EQ(PQtransactionStatus(connection_.get()), PQTRANS_IDLE);
  EXPECT_EQ(Rows(), 0);
}

TEST_F(CockroachProxyTest, AnErrorBeforeTheCommitIsTheOnlyOne) {
  const std::vector<std::string> failed = {"", "22012", "-"};
  EXPECT_EQ(Pipeline({"BEGIN", "SELECT 1 / 0", "COMMIT"}), failed);
  EXPECT_EQ(Pipeline({"SELECT 1 / 0"}), std::vector<std::string>{"22012"});
  EXPECT_EQ(StateOf(Exec("SELECT 1 / 0")), "22012");
}

TEST_F(CockroachProxyTest, WhatCockroachLacksIsRefused) {
  EXPECT_EQ(StateOf(Exec("LISTEN x")), "0A000");
  EXPECT_EQ(StateOf(Exec("SELECT pg_try_advisory_lock(1)")), "0A000");
  EXPECT_EQ(StateOf(Exec("SET statement_timeout = '30s'; SET jit = off")), "42704");
  const Result prepared(PQprepare(connection_.get(), "n", "SELECT pg_notify('a', 'b')", 0, nullptr), &PQclear);
  EXPECT_EQ(StateOf(prepared), "42883");
  EXPECT_EQ(server_.profile().refusals(), 4);
}

TEST(CockroachSqlTest, LooksForStatementsAndNotForWordsInside) {
  EXPECT_FALSE(LackOf("UPDATE t\nSET jit = 1 WHERE listen = 2").has_value());
  EXPECT_FALSE(LackOf("SET lock_timeout = '1s'; SET statement_timeout TO 5").has_value());
  EXPECT_EQ(LackOf("SELECT 1;\n SET SESSION enable_seqscan = off")->what, "enable_seqscan");
  EXPECT_EQ(LackOf("create index CONCURRENTLY i on t (a)")->what, "CONCURRENTLY");
  EXPECT_EQ(LackOf("CREATE FUNCTION f() RETURNS TEXT LANGUAGE plpgsql SET search_path = x AS ''")->sqlstate, "0A000");
}

}  // namespace
}  // namespace dbos::testing
