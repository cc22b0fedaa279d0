#include "sidecar/db/echo_connection.h"

#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

#include "sidecar/base/logging.h"

namespace dbos::sidecar {
namespace {

constexpr std::size_t kParametersShown = 32;
constexpr std::size_t kParameterBytesShown = 128;

struct Shown {
  std::string operator()(std::monostate /*null*/) const { return "NULL"; }
  std::string operator()(std::int64_t number) const { return absl::StrCat(number); }
  std::string operator()(bool flag) const { return flag ? "true" : "false"; }
  std::string operator()(std::string_view text) const {
    const bool cut = text.size() > kParameterBytesShown;
    return absl::StrCat("'", std::string(text.substr(0, kParameterBytesShown)), cut ? "...'" : "'");
  }
};

std::string Parameters(const Statement& statement) {
  std::string text;
  std::size_t shown = 0;
  for (const std::vector<Value>* values : {&statement.args(), &statement.values()}) {
    for (const Value& value : *values) {
      if (shown++ == kParametersShown) return text + ", ...";
      absl::StrAppend(&text, text.empty() ? "" : ", ", std::visit(Shown(), value));
    }
  }
  return text;
}

class EchoConnection : public Connection {
 public:
  EchoConnection(std::unique_ptr<Connection> connection, const Dialect& dialect, Echo echo)
      : connection_(std::move(connection)), dialect_(dialect), echo_(echo) {}

  using Connection::RunBatch;
  absl::StatusOr<std::vector<Result>> RunBatch(std::span<const Statement> statements,
                                               const Meanwhile& meanwhile) override {
    const absl::Time begin = absl::Now();
    auto results = connection_->RunBatch(statements, meanwhile);
    const absl::Duration took = absl::Now() - begin;
    for (const Statement& statement : statements) Show(statement, took, results.status(), statements.size());
    return results;
  }

  void SendBatch(std::span<const Statement> statements) override { connection_->SendBatch(statements); }

  absl::StatusOr<Result> Execute(const Statement& statement) override {
    const absl::Time begin = absl::Now();
    auto result = connection_->Execute(statement);
    Show(statement, absl::Now() - begin, result.status(), 1);
    return result;
  }

  absl::StatusOr<Result> RunScript(const std::string& sql) override {
    const absl::Time begin = absl::Now();
    auto result = connection_->RunScript(sql);
    Print(sql, absl::Now() - begin, result.status(), "");
    return result;
  }

 private:
  void Show(const Statement& statement, absl::Duration took, const absl::Status& status, std::size_t in_batch) const {
    const Dialect::Rows form = statement.row_count() == 1 ? Dialect::Rows::kListed : dialect_.rows;
    const std::string sql = ExpandQuery(dialect_, statement.query(), form, statement.row_count());
    std::string more = in_batch > 1 ? absl::StrCat("one of ", in_batch, " in a transaction") : "";
    if (statement.row_count() > 0) absl::StrAppend(&more, more.empty() ? "" : ", ", statement.row_count(), " rows");
    if (echo_ == Echo::kParameters) absl::StrAppend(&more, more.empty() ? "" : ", ", "(", Parameters(statement), ")");
    Print(sql, took, status, more);
  }

  static void Print(std::string sql, absl::Duration took, const absl::Status& status, const std::string& more) {
    absl::RemoveExtraAsciiWhitespace(&sql);
    Log(LogLevel::kInfo, "sql",
        {{"statement", sql},
         {"took", absl::FormatDuration(absl::Trunc(took, absl::Microseconds(1)))},
         {"result", status.ok() ? "ok" : std::string(status.message())},
         {"more", more}});
  }

  const std::unique_ptr<Connection> connection_;
  const Dialect dialect_;
  const Echo echo_;
};

}  // namespace

std::unique_ptr<Connection> WithEcho(std::unique_ptr<Connection> connection, const Dialect& dialect, Echo echo) {
  return std::make_unique<EchoConnection>(std::move(connection), dialect, echo);
}

}  // namespace dbos::sidecar
