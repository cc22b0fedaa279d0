#include "sidecar/db/postgres/postgres_database.h"

#include <libpq-fe.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

constexpr Query kDatabaseExists = {
    .name = "database_exists",
    .args = "name text",
    .rows = "",
    .sql = "SELECT 1 FROM pg_database WHERE datname = $1",
};

// Asked through a connection to it: CockroachDB opens connections to databases that do not exist.
constexpr char kIsThere[] = "SELECT 1 FROM pg_database WHERE datname = current_database()";

// A dead peer is noticed within half a minute, whichever side of a call it dies on.
constexpr std::pair<const char*, const char*> kDefaults[] = {
    {"keepalives", "1"},       {"keepalives_idle", "10"},     {"keepalives_interval", "5"},
    {"keepalives_count", "3"}, {"tcp_user_timeout", "25000"}, {"application_name", "dbos_transact"}};

}  // namespace

std::string PostgresParameters::Get(const std::string& keyword) const {
  for (const auto& [name, value] : values) {
    if (name == keyword) return value;
  }
  return "";
}

void PostgresParameters::Set(const std::string& keyword, const std::string& value) {
  for (auto& [name, old] : values) {
    if (name != keyword) continue;
    old = value;
    return;
  }
  values.emplace_back(keyword, value);
}

absl::StatusOr<PostgresParameters> ParsePostgresUrl(const std::string& url, absl::Duration connect_timeout) {
  char* error = nullptr;
  PQconninfoOption* options = PQconninfoParse(url.c_str(), &error);
  if (options == nullptr) {
    PQfreemem(error);  // libpq repeats parts of the URL in it, the password included
    return absl::InvalidArgumentError(
        "the database URL is malformed; the form is postgresql://user:password@host:port/database?sslmode=require, "
        "with "
        "special characters percent-encoded");
  }
  PostgresParameters parameters;
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
    if (option->val != nullptr) parameters.Set(option->keyword, option->val);
  }
  PQconninfoFree(options);
  if (parameters.Get("connect_timeout").empty()) {
    parameters.Set("connect_timeout", absl::StrCat(absl::ToInt64Seconds(connect_timeout)));
  }
  for (const auto& [keyword, value] : kDefaults) {
    if (parameters.Get(keyword).empty()) parameters.Set(keyword, value);
  }
  return parameters;
}

absl::Status CreatePostgresDatabase(const PostgresParameters& parameters, const Dialect& dialect) {
  const std::string name = parameters.Get("dbname");
  if (name.empty() || name == "postgres") return absl::OkStatus();
  const absl::StatusOr<Result> opened =
      OpenPostgresConnection(parameters, dialect, ConnectionRole::kMigration)->RunScript(kIsThere);
  if (opened.ok() && opened->size() > 0) return absl::OkStatus();
  PostgresParameters server = parameters;
  server.Set("dbname", "postgres");
  const auto connection = OpenPostgresConnection(server, dialect, ConnectionRole::kMigration);
  Statement exists(kDatabaseExists, {std::string_view(name)});
  const absl::StatusOr<Result> found = connection->Execute(exists);
  if (!found.ok()) return opened.ok() ? found.status() : opened.status();  // about the database that was asked for
  if (found->size() > 0) return absl::OkStatus();
  const absl::Status created =
      connection->RunScript(absl::StrCat("CREATE DATABASE \"", absl::StrReplaceAll(name, {{"\"", "\"\""}}), "\""))
          .status();
  return absl::IsAlreadyExists(created) ? absl::OkStatus() : created;
}

}  // namespace dbos::sidecar
