#include "sidecar/db/postgres/postgres_url.h"

#include <algorithm>
#include <cctype>
#include <memory>

#include <libpq-fe.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "sidecar/base/nearest.h"
#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

constexpr char kForm[] = "the form is postgresql://user:password@host:port/database?sslmode=require";
constexpr char kEncoding[] = "within user and password \"@\" is written %40, \"/\" %2F, \":\" %3A and \"%\" %25";

// A dead peer is noticed within half a minute, whichever side of a call it dies on.
constexpr std::pair<const char*, const char*> kDefaults[] = {
    {"keepalives", "1"},       {"keepalives_idle", "10"},     {"keepalives_interval", "5"},
    {"keepalives_count", "3"}, {"tcp_user_timeout", "25000"}, {"application_name", "dbos_transact"}};

constexpr const char* kNumbers[] = {"connect_timeout",     "keepalives",       "keepalives_idle",
                                    "keepalives_interval", "keepalives_count", "tcp_user_timeout"};

absl::Status Malformed(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("the database URL ", what, "; ", kForm));
}

absl::Status CheckEncoding(const std::string& url) {
  for (std::size_t at = url.find('%'); at != std::string::npos; at = url.find('%', at + 1)) {
    const bool encoded = at + 2 < url.size() && std::isxdigit(static_cast<unsigned char>(url[at + 1])) != 0 &&
                         std::isxdigit(static_cast<unsigned char>(url[at + 2])) != 0;
    if (!encoded) return Malformed(absl::StrCat("holds a \"%\" without two hexadecimal digits after it: ", kEncoding));
  }
  return absl::OkStatus();
}

absl::Status CheckKeywords(const std::string& url) {
  const std::size_t query = url.find('?');
  if (query == std::string::npos) return absl::OkStatus();
  const std::vector<std::string> parts = absl::StrSplit(url.substr(query + 1), '&', absl::SkipEmpty());
  for (const std::string& part : parts) {
    const std::string name = part.substr(0, part.find('='));
    const std::vector<std::string>& known = PostgresKeywords();
    if (name == "ssl" || std::find(known.begin(), known.end(), name) != known.end()) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "the database URL has an unknown parameter \"", name, "\"", DidYouMean(name, known),
        " (the known ones are those of libpq, see https://www.postgresql.org/docs/current/libpq-connect.html)"));
  }
  return absl::OkStatus();
}

absl::Status CheckNumbers(const PostgresParameters& parameters) {
  for (const char* keyword : kNumbers) {
    const std::string value = parameters.Get(keyword);
    int number = 0;
    if (value.empty() || absl::SimpleAtoi(value, &number)) continue;
    return absl::InvalidArgumentError(absl::StrCat(keyword, " must be a whole number, not \"", value, "\""));
  }
  const std::vector<std::string> ports = absl::StrSplit(parameters.Get("port"), ',', absl::SkipEmpty());
  for (const std::string& port : ports) {
    int number = 0;
    if (absl::SimpleAtoi(port, &number) && number > 0 && number <= 0xFFFF) continue;
    // What stands there may be a part of the password.
    return Malformed(absl::StrCat("has a port that is no number from 1 to 65535: ", kEncoding));
  }
  return absl::OkStatus();
}

// libpq judges the values of its parameters when it connects. So it is sent where nobody is: what it then complains
// about, other than that, is wrong with the parameters.
absl::Status CheckValues(PostgresParameters parameters) {
  if (!parameters.Get("service").empty()) return absl::OkStatus();  // may lead to a server
  const std::string hosts = parameters.Get("host");
  const auto more = std::count(hosts.begin(), hosts.end(), ',');
  std::string nowhere = "/nonexistent";
  for (auto n = more; n > 0; --n) nowhere += ",/nonexistent";
  parameters.Set("host", nowhere);
  parameters.Set("hostaddr", "");
  const PostgresParameters::Arrays arrays = parameters.ToArrays();
  const std::unique_ptr<PGconn, decltype(&PQfinish)> trial(
      PQconnectStartParams(arrays.keywords.data(), arrays.values.data(), 0), &PQfinish);
  const std::string fault = PQerrorMessage(trial.get());
  if (fault.empty() || absl::StartsWith(fault, "connection to server")) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the parameters of the database connection are wrong: ", absl::StripAsciiWhitespace(fault)));
}

absl::Status Check(const PostgresParameters& parameters) {
  if (absl::StrContains(parameters.Get("host"), "@"))
    return Malformed(absl::StrCat("has an \"@\" too many: ", kEncoding));
  RETURN_IF_ERROR(CheckNumbers(parameters));
  if (parameters.Get("dbname").empty() && parameters.Get("service").empty()) {
    return absl::InvalidArgumentError(
        "Database name must be specified in the connection URL: write it after the host, for example "
        "postgresql://localhost:5432/shop_sys");
  }
  return CheckValues(parameters);
}

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

PostgresParameters::Arrays PostgresParameters::ToArrays() const {
  Arrays arrays;
  for (const auto& [keyword, value] : values) {
    arrays.keywords.push_back(keyword.c_str());
    arrays.values.push_back(value.c_str());
  }
  arrays.keywords.push_back(nullptr);
  arrays.values.push_back(nullptr);
  return arrays;
}

absl::StatusOr<PostgresParameters> ParsePostgresUrl(const std::string& url, const ConnectionOptions& options) {
  RETURN_IF_ERROR(CheckEncoding(url));
  RETURN_IF_ERROR(CheckKeywords(url));
  char* error = nullptr;
  PQconninfoOption* parsed = PQconninfoParse(url.c_str(), &error);
  if (parsed == nullptr) {
    PQfreemem(error);  // libpq repeats parts of the URL in it, the password included
    return Malformed("is malformed");
  }
  PostgresParameters parameters;
  parameters.through_pooler = options.through_pooler;
  parameters.notify = options.notify;
  for (const PQconninfoOption* option = parsed; option->keyword != nullptr; ++option) {
    if (option->val != nullptr) parameters.Set(option->keyword, option->val);
  }
  PQconninfoFree(parsed);
  for (const auto& [keyword, value] : options.connect_args) parameters.Set(keyword, value);
  if (parameters.Get("connect_timeout").empty()) {
    parameters.Set("connect_timeout", absl::StrCat(absl::ToInt64Seconds(options.connect_timeout)));
  }
  for (const auto& [keyword, value] : kDefaults) {
    if (parameters.Get(keyword).empty()) parameters.Set(keyword, value);
  }
  RETURN_IF_ERROR(Check(parameters));
  return parameters;
}

const std::vector<std::string>& PostgresKeywords() {
  static const std::vector<std::string>& keywords = *new std::vector<std::string>([] {
    std::vector<std::string> names;
    PQconninfoOption* all = PQconndefaults();
    for (const PQconninfoOption* option = all; option != nullptr && option->keyword != nullptr; ++option) {
      names.emplace_back(option->keyword);
    }
    PQconninfoFree(all);
    return names;
  }());
  return keywords;
}

}  // namespace dbos::sidecar
