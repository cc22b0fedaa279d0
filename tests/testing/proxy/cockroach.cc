#include "tests/testing/proxy/cockroach.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"

#include "tests/testing/proxy/cockroach_sql.h"
#include "tests/testing/proxy/sql_text.h"

namespace dbos::testing {
namespace {

using sidecar::MutexLock;

constexpr char kVersion[] = "CockroachDB CCL v25.2.0 (played by PostgreSQL)";

std::string Message(char type, const std::string& body) {
  const std::size_t length = body.size() + 4;
  std::string whole(1, type);
  for (int shift = 24; shift >= 0; shift -= 8) whole.push_back(static_cast<char>((length >> shift) & 0xFF));
  return whole + body;
}

std::string Text(const std::string& text) {
  return text + '\0';
}

std::string RestartTransaction() {
  return Message('E', Text("SERROR") + Text("VERROR") + Text("C40001") +
                          Text("Mrestart transaction: TransactionRetryWithProtoRefreshError") + '\0');
}

// The first statement's, if it is the only one.
Verb VerbOf(std::string_view sql) {
  const std::vector<Verb> verbs = Verbs(sql);
  return verbs.size() == 1 ? verbs.front() : Verb::kOther;
}

// A statement that may as well run in a transaction of its own making.
bool MayStandAlone(std::string_view sql) {
  constexpr std::array kFirstWords = {"SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "CREATE SCHEMA", "CREATE TABLE"};
  sql.remove_prefix(std::min(sql.find_first_not_of(" \n"), sql.size()));
  return std::any_of(kFirstWords.begin(), kFirstWords.end(), [&](const char* word) { return sql.starts_with(word); });
}

}  // namespace

bool CockroachProfile::DecideToAbort() {
  MutexLock lock(mu_);
  if (options_.abort_one_in == 0 || random_() % static_cast<std::uint64_t>(options_.abort_one_in) != 0) return false;
  ++aborts_;
  return true;
}

void CockroachProfile::Record(std::string_view sql) {
  MutexLock lock(mu_);
  statements_.emplace(sql);
}

std::vector<std::string> CockroachProfile::statements() const {
  MutexLock lock(mu_);
  return {statements_.begin(), statements_.end()};
}

std::int64_t CockroachProfile::aborts() const {
  MutexLock lock(mu_);
  return aborts_;
}

std::int64_t CockroachProfile::refusals() const {
  MutexLock lock(mu_);
  return refusals_;
}

void CockroachProfile::CountRefusal() {
  MutexLock lock(mu_);
  ++refusals_;
}

int CockroachLink::ToServer(const WireMessage& message, std::string& out) {
  switch (message.type) {
    case 'P':
      Parse(message, out);
      return 0;
    case 'Q':
      return Query(message, out);
    case 'B':
      return Bind(message, out);
    case 'S':
      return Sync(message, out);
    case 'E':
      if (doomed_ != Doomed::kCommit) Executed(bound_);
      break;
    default:
      break;
  }
  // A commit that is to fail never reaches the server; Sync rolls back in its place.
  const bool belongs_to_commit = doomed_ == Doomed::kCommit && (message.type == 'D' || message.type == 'E');
  if (!belongs_to_commit) out.append(message.whole);
  return 0;
}

void CockroachLink::Parse(const WireMessage& message, std::string& out) {
  std::string_view body = message.body;
  const std::string name(TakeString(body));
  const std::string sql(TakeString(body));
  profile_.Record(sql);
  prepared_[name] = sql;
  begun_ = true;
  const auto lack = LackOf(sql);
  if (!lack) {
    out.append(message.whole);
    return;
  }
  profile_.CountRefusal();
  out.append(Message('P', Text(name) + Text(StatementThatFailsWith(*lack)) + std::string(body)));
}

// One simple query, as one segment with that rule.
int CockroachLink::Ask(const std::string& sql, const Rule& rule, std::string& out) {
  rules_[asked_++] = rule;
  out.append(Message('Q', Text(sql)));
  return 1;
}

int CockroachLink::Query(const WireMessage& message, std::string& out) {
  std::string_view body = message.body;
  std::string sql(TakeString(body));
  profile_.Record(sql);
  if (const auto lack = LackOf(sql)) {
    profile_.CountRefusal();
    return Ask(StatementThatFailsWith(*lack), {}, out);
  }
  const std::vector<Verb> verbs = Verbs(sql);
  const bool was_in_block = in_block_;
  Executed(sql);
  begun_ = false;
  const bool commits = !verbs.empty() && verbs.back() == Verb::kCommit;
  const bool alone = !was_in_block && verbs.size() == 1 && verbs.front() == Verb::kOther && MayStandAlone(sql);
  if ((!commits && !alone) || !profile_.DecideToAbort()) return Ask(sql, {}, out);
  const std::string doomed =
      commits ? sql.substr(0, sql.rfind("COMMIT")) + "ROLLBACK" : absl::StrCat("BEGIN; ", sql, "; ROLLBACK");
  return Ask(doomed, {.rollback_is_40001 = true}, out);
}

int CockroachLink::Bind(const WireMessage& message, std::string& out) {
  std::string_view body = message.body;
  TakeString(body);  // the portal: libpq has one
  const auto prepared = prepared_.find(TakeString(body));
  bound_ = prepared == prepared_.end() ? "" : prepared->second;
  const Verb verb = VerbOf(bound_);
  int segments = 0;
  if (verb == Verb::kCommit && profile_.DecideToAbort()) {
    doomed_ = Doomed::kCommit;
    return 0;
  }
  // Behind an error of its own Parse, the server would not see our BEGIN.
  if (verb == Verb::kOther && !in_block_ && !begun_ && MayStandAlone(bound_) && profile_.DecideToAbort()) {
    doomed_ = Doomed::kImplicit;
    segments = Ask("BEGIN", {.drop_complete = true, .drop_ready = true}, out);
  }
  out.append(message.whole);
  return segments;
}

int CockroachLink::Sync(const WireMessage& message, std::string& out) {
  out.append(message.whole);
  const std::int64_t segment = asked_++;
  if (doomed_ == Doomed::kNo) {
    begun_ = false;
    return 1;
  }
  rules_[segment] = {.drop_complete = doomed_ == Doomed::kImplicit, .drop_ready = true};
  doomed_ = Doomed::kNo;
  begun_ = false;
  in_block_ = false;
  return 1 + Ask("ROLLBACK", {.rollback_is_40001 = true}, out);
}

void CockroachLink::Executed(std::string_view sql) {
  begun_ = true;
  for (const Verb verb : Verbs(sql)) {
    if (verb == Verb::kBegin) in_block_ = true;
    if (verb == Verb::kCommit || verb == Verb::kRollback) in_block_ = false;
  }
}

void CockroachLink::ToClient(const WireMessage& message, std::string& out) {
  if (!ready_) {
    if (message.type == 'Z') {
      out.append(Message('S', Text("crdb_version") + Text(kVersion)));
      ready_ = true;
    }
    out.append(message.whole);
    return;
  }
  const auto found = rules_.find(answered_);
  const Rule rule = found == rules_.end() ? Rule{} : found->second;
  if (message.type == 'E') failed_ = true;
  if (message.type == 'C') {
    std::string_view tag = message.body;
    if (rule.rollback_is_40001 && TakeString(tag) == "ROLLBACK") {
      if (!failed_) out.append(RestartTransaction());
      return;
    }
    if (rule.drop_complete) return;
  }
  if (message.type == 'Z') {
    if (found != rules_.end()) rules_.erase(found);
    ++answered_;
    if (rule.drop_ready) return;
    failed_ = false;
  }
  out.append(message.whole);
}

}  // namespace dbos::testing
