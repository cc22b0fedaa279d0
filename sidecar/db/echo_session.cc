#include "sidecar/db/echo_session.h"

#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

#include "sidecar/base/logging.h"
#include "sidecar/base/utf8.h"

namespace dbos::sidecar {
namespace {

constexpr std::size_t kParametersShown = 32;
constexpr std::size_t kParameterBytesShown = 128;

std::string Shown(const SqlValue& value) {
  if (value.type == SqlValue::Type::kNull) return "NULL";
  if (value.type == SqlValue::Type::kArray) return absl::StrCat("an array of ", value.items.size());
  const bool cut = value.text.size() > kParameterBytesShown;
  return absl::StrCat("'", PrintableText(value.text, kParameterBytesShown), cut ? "...'" : "'");
}

std::string Parameters(const NamedSql& sql, const SqlValues& values) {
  std::string text;
  for (std::size_t n = 0; n < values.size(); ++n) {
    if (n == kParametersShown) return text + ", ...";
    absl::StrAppend(&text, n == 0 ? "" : ", ", sql.names[n], "=", Shown(*values[n]));
  }
  return text;
}

std::string Shown(const SqlFailure& failure) {
  return absl::StrCat(failure.message, " (SQLSTATE ", failure.sqlstate, ")");
}

// What became of a call, for the log.
template <typename Answer>
std::string ResultOf(const absl::StatusOr<Answer>& answer) {
  if (!answer.ok()) return std::string(answer.status().message());
  const auto* failure = std::get_if<SqlFailure>(&*answer);
  return failure == nullptr ? "ok" : Shown(*failure);
}

class EchoSession : public SqlSession {
 public:
  EchoSession(std::unique_ptr<SqlSession> session, Echo echo) : session_(std::move(session)), echo_(echo) {}

  SqlSyntax syntax() const override { return session_->syntax(); }
  void Begin(const TransactionMode& mode, absl::Time deadline, std::size_t rows_bytes_max) override {
    session_->Begin(mode, deadline, rows_bytes_max);
    open_ = true;
  }

  void Defer(const NamedSql& sql, const SqlValues& values) override {
    Print(sql.given, absl::ZeroDuration(), "deferred", More(sql, values));
    session_->Defer(sql, values);
  }
  absl::StatusOr<SqlAnswer> Run(const NamedSql& sql, const SqlValues& values) override {
    return Timed(sql.given, More(sql, values), [&] { return session_->Run(sql, values); });
  }
  absl::StatusOr<SqlAnswer> OpenCursor(const NamedSql& sql, const SqlValues& values, std::uint32_t rows) override {
    return Timed(sql.given, More(sql, values), [&] { return session_->OpenCursor(sql, values, rows); });
  }
  absl::StatusOr<SqlAnswer> Fetch(std::uint32_t rows) override {
    return Timed(absl::StrCat("FETCH ", rows), "", [&] { return session_->Fetch(rows); });
  }
  absl::StatusOr<SqlAnswer> Savepoint(SavepointAction action) override {
    const char* name = action == SavepointAction::kSet       ? "SAVEPOINT"
                       : action == SavepointAction::kRelease ? "RELEASE SAVEPOINT"
                                                             : "ROLLBACK TO SAVEPOINT";
    return Timed(name, "", [&] { return session_->Savepoint(action); });
  }
  absl::StatusOr<SqlAnswer> Commit(const Statement* record) override {
    open_ = false;
    return Timed("COMMIT", Recorded(record), [&] { return session_->Commit(record); });
  }
  absl::StatusOr<SqlOutcome> RunAndCommit(const NamedSql& sql, const SqlValues& values,
                                          const Statement* record) override {
    open_ = false;
    const std::string more = absl::StrCat("and COMMIT ", Recorded(record), " ", More(sql, values));
    return Timed(sql.given, more, [&] { return session_->RunAndCommit(sql, values, record); });
  }
  bool could_group() const override { return session_->could_group(); }
  absl::StatusOr<SqlGroupOutcome> RunGroup(const std::vector<SqlGroupMember>& group) override {
    open_ = false;
    const absl::Time begin = absl::Now();
    absl::StatusOr<SqlGroupOutcome> outcome = session_->RunGroup(group);
    const absl::Duration took = absl::Now() - begin;
    const std::string result = !outcome.ok()               ? std::string(outcome.status().message())
                               : outcome->outcomes.empty() ? Shown(outcome->failure)
                                                           : "ok";
    for (const SqlGroupMember& member : group) {
      const std::string more = absl::StrCat("and COMMIT of ", group.size(), " statements with their steps' records ",
                                            More(*member.sql, *member.values));
      Print(member.sql->given, took, result, more);
    }
    return outcome;
  }
  void RollBack() override {
    const absl::Time begin = absl::Now();
    session_->RollBack();
    if (std::exchange(open_, false)) Print("ROLLBACK", absl::Now() - begin, "ok", "");
  }

  absl::StatusOr<Result> Execute(const Statement& statement) override {
    const absl::Time begin = absl::Now();
    absl::StatusOr<Result> result = session_->Execute(statement);
    Print(statement.query().sql, absl::Now() - begin, result.ok() ? "ok" : std::string(result.status().message()), "");
    return result;
  }
  absl::Status RunScript(const std::string& sql) override {
    const absl::Time begin = absl::Now();
    absl::Status status = session_->RunScript(sql);
    Print(sql, absl::Now() - begin, status.ok() ? "ok" : std::string(status.message()), "");
    return status;
  }
  void Interrupt() override { session_->Interrupt(); }

 private:
  template <typename Call>
  static auto Timed(const std::string& statement, const std::string& more, Call call) -> decltype(call()) {
    const absl::Time begin = absl::Now();
    auto answer = call();
    Print(statement, absl::Now() - begin, ResultOf(answer), more);
    return answer;
  }

  std::string More(const NamedSql& sql, const SqlValues& values) const {
    return echo_ == Echo::kParameters && !values.empty() ? absl::StrCat("(", Parameters(sql, values), ")") : "";
  }
  static std::string Recorded(const Statement* record) { return record == nullptr ? "" : "with the step's record"; }

  static void Print(std::string statement, absl::Duration took, const std::string& result, std::string more) {
    absl::RemoveExtraAsciiWhitespace(&statement);
    absl::StripAsciiWhitespace(&more);
    Log(LogLevel::kInfo, "sql",
        {{"statement", statement},
         {"took", absl::FormatDuration(absl::Trunc(took, absl::Microseconds(1)))},
         {"result", result},
         {"more", more}});
  }

  const std::unique_ptr<SqlSession> session_;
  const Echo echo_;
  bool open_ = false;  // a transaction
};

}  // namespace

std::unique_ptr<SqlSession> WithEcho(std::unique_ptr<SqlSession> session, Echo echo) {
  return std::make_unique<EchoSession>(std::move(session), echo);
}

}  // namespace dbos::sidecar
