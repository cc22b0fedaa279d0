// The same cases for every database's SqlSession; where DBOS_TEST_HALVES is set, by halves.
#pragma once

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"

#include "sidecar/db/sql_session.h"
#include "tests/sidecar/db/by_halves.h"
#include "tests/testing/test_database.h"

namespace dbos::sidecar {

inline SqlValue Typed(SqlValue::Type type, std::string text) {
  return {type, std::move(text), {}};
}
inline SqlValue Int(std::int64_t number) {
  return Typed(SqlValue::Type::kInteger, std::to_string(number));
}
inline SqlValue Text(std::string text) {
  return Typed(SqlValue::Type::kText, std::move(text));
}

class SessionFixture : public testing::TestWithParam<DatabaseKind> {
 protected:
  static constexpr std::size_t kBytes = 1 << 20;

  bool postgres() const { return GetParam() != DatabaseKind::kSqlite; }
  static std::unique_ptr<SqlSession> OpenSession(const Database& database) {
    std::unique_ptr<SqlSession> session = database.open_session();
    if (std::getenv("DBOS_TEST_HALVES") == nullptr) return session;
    return std::make_unique<ByHalves>(std::move(session));
  }
  std::unique_ptr<SqlSession> OpenSession() const { return OpenSession(opened_); }

  void Begin(const TransactionMode& mode = {}, absl::Duration limit = absl::Seconds(30)) {
    session_->Begin(mode, absl::Now() + limit, kBytes);
  }

  // What a statement answers; an error of the call fails the test.
  SqlAnswer Answer(absl::StatusOr<SqlAnswer> answer) {
    if (answer.ok()) return *std::move(answer);
    ADD_FAILURE() << answer.status();
    return SqlFailure();
  }
  SqlAnswer Run(SqlSession& session, const std::string& sql, std::vector<SqlParameter> parameters = {}) {
    const SqlCommand command = {sql, std::move(parameters), 0};
    const auto named = ParseNamedSql(sql, session.syntax());
    EXPECT_TRUE(named.ok()) << named.status();
    if (!named.ok()) return SqlFailure();
    const auto values = MatchParameters(*named, command);
    EXPECT_TRUE(values.ok()) << values.status();
    if (!values.ok()) return SqlFailure();
    return Answer(session.Run(*named, *values));
  }
  SqlAnswer Run(const std::string& sql, std::vector<SqlParameter> parameters = {}) {
    return Run(*session_, sql, std::move(parameters));
  }

  SqlAnswer OpenCursor(const std::string& sql, std::uint32_t rows) {
    const auto named = ParseNamedSql(sql, session_->syntax());
    EXPECT_TRUE(named.ok()) << named.status();
    return Answer(session_->OpenCursor(*named, {}, rows));
  }
  SqlAnswer Savepoint(SavepointAction action) { return Answer(session_->Savepoint(action)); }
  // RunAndCommit: the outcome, or the failure's SQLSTATE and message.
  std::string RunAndCommit(const std::string& sql, const Statement* record, std::vector<SqlParameter> parameters = {}) {
    const SqlCommand command = {sql, std::move(parameters), 0};
    const auto named = ParseNamedSql(sql, session_->syntax());
    EXPECT_TRUE(named.ok()) << named.status();
    const auto values = MatchParameters(*named, command);
    EXPECT_TRUE(values.ok()) << values.status();
    const auto outcome = session_->RunAndCommit(*named, *values, record);
    if (!outcome.ok()) return std::string(outcome.status().ToString());
    if (const auto* failure = std::get_if<SqlFailure>(&*outcome)) {
      failure_ = *failure;
      return failure->sqlstate + ": " + failure->message;
    }
    return std::get<std::string>(*outcome);
  }

  // One row of a good answer: "a,b", null as "-"; several are joined by " | ".
  static std::string Show(const SqlAnswer& answer) {
    if (const auto* failure = std::get_if<SqlFailure>(&answer)) return failure->sqlstate + ": " + failure->message;
    const auto& rows = std::get<SqlRows>(answer);
    std::string text;
    for (std::size_t n = 0; n < rows.cells.size(); ++n) {
      if (n > 0) text += n % rows.columns.size() == 0 ? " | " : ",";
      text += rows.cells[n].value_or("-");
    }
    return text;
  }
  static std::string Types(const SqlAnswer& answer) {
    std::string text;
    if (!std::holds_alternative<SqlRows>(answer)) return Show(answer);
    for (const SqlColumn& column : std::get<SqlRows>(answer).columns) {
      text += (text.empty() ? "" : ",") + column.name + ":" + column.type;
    }
    return text;
  }
  static std::string State(const SqlAnswer& answer) {
    const auto* failure = std::get_if<SqlFailure>(&answer);
    return failure == nullptr ? "" : failure->sqlstate;
  }
  void Commit() { EXPECT_EQ(State(Answer(session_->Commit(nullptr))), ""); }
  std::string Count() { return database_->Query("SELECT count(*) FROM item")[0]; }

  std::unique_ptr<TestDatabase> database_ = TestDatabase::Create(GetParam());
  Database opened_ = database_->Open();
  std::unique_ptr<SqlSession> session_ = OpenSession(opened_);
  SqlFailure failure_;  // of RunAndCommit
};

}  // namespace dbos::sidecar
