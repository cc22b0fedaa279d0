#include "tests/testing/proxy/cockroach_sql.h"

#include <algorithm>
#include <array>
#include <regex>

#include "absl/strings/str_cat.h"

namespace dbos::testing {
namespace {

constexpr char kNotImplemented[] = "0A000";
constexpr char kNoSuchFunction[] = "42883";
constexpr char kNoSuchVariable[] = "42704";

// Facts: docs of CockroachDB 25, "PostgreSQL compatibility" and "Known limitations". The advisory locks are there by
// name, but always say that the lock was given: worse than to lack them.
struct Rule {
  const char* what;
  const char* sqlstate;
  const char* pattern;
};
constexpr std::array kRules = {
    Rule{"LISTEN", kNotImplemented, R"((^|;)\s*(LISTEN|UNLISTEN|NOTIFY)\b)"},
    Rule{"pg_notify", kNoSuchFunction, R"(\bpg_notify\s*\()"},
    Rule{"advisory locks", kNotImplemented, R"(\bpg_(try_)?advisory_)"},
    Rule{"CONCURRENTLY", kNotImplemented, R"(\bCONCURRENTLY\b)"},
    Rule{"SET of a function", kNotImplemented, R"(\bLANGUAGE\s+\w+\s+SET\b)"},
    Rule{"VACUUM", kNotImplemented, R"((^|;)\s*VACUUM\b)"},
    Rule{"LOCK TABLE", kNotImplemented, R"((^|;)\s*LOCK\s+TABLE\b)"},
    Rule{"WITH (FORCE)", kNotImplemented, R"(\bDROP\s+DATABASE\b[^;]*\bFORCE\b)"},
    Rule{"PREPARE TRANSACTION", kNotImplemented, R"((^|;)\s*PREPARE\s+TRANSACTION\b)"},
};

// Of its session variables, those that a client of PostgreSQL may want to set.
constexpr std::array kVariables = {
    "application_name",
    "autocommit_before_ddl",
    "bytea_output",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "intervalstyle",
    "lock_timeout",
    "search_path",
    "standard_conforming_strings",
    "statement_timeout",
    "timezone",
    "transaction_timeout",
};

std::regex Pattern(const char* text) {
  return std::regex(text, std::regex::ECMAScript | std::regex::icase | std::regex::optimize);
}

std::optional<Lack> UnknownVariable(const std::string& sql) {
  static const auto* const set =
      new std::regex(Pattern(R"((?:^|;)\s*SET\s+(?:(?:SESSION|LOCAL)\s+)?(\w+)\s*(?:=|\bTO\b))"));
  for (std::sregex_iterator found(sql.begin(), sql.end(), *set); found != std::sregex_iterator(); ++found) {
    const std::string name = (*found)[1].str();
    if (std::find(kVariables.begin(), kVariables.end(), name) == kVariables.end()) return Lack{name, kNoSuchVariable};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Lack> LackOf(std::string_view sql) {
  static const auto* const patterns = [] {
    auto* all = new std::array<std::regex, kRules.size()>();
    std::transform(kRules.begin(), kRules.end(), all->begin(), [](const Rule& rule) { return Pattern(rule.pattern); });
    return all;
  }();
  const std::string text(sql);
  for (std::size_t n = 0; n < kRules.size(); ++n) {
    if (std::regex_search(text, (*patterns)[n])) return Lack{kRules[n].what, kRules[n].sqlstate};
  }
  return UnknownVariable(text);
}

std::string StatementThatFailsWith(const Lack& lack) {
  if (lack.sqlstate == kNoSuchVariable) return absl::StrCat("SHOW \"cockroach.", lack.what, "\"");
  if (lack.sqlstate == kNoSuchFunction) return absl::StrCat("SELECT \"", lack.what, " of CockroachDB\"()");
  return absl::StrCat("SELECT 1 FROM \"unimplemented: ", lack.what, "\".of.cockroachdb");
}

}  // namespace dbos::testing
