#include "tests/e2e/bank.h"

#include <cstdlib>
#include <filesystem>

#include <SQLiteCpp/SQLiteCpp.h>
#include <absl/strings/str_join.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>

#include "sidecar/base/check.h"

namespace dbos::sidecar {
namespace {

using Strings = std::vector<std::string>;
using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using PgResult = std::unique_ptr<PGresult, decltype(&PQclear)>;

Strings AskSqlite(const std::string& url, const std::string& sql) {
  SQLite::Database database(url.substr(std::string("sqlite:///").size()), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  database.setBusyTimeout(20'000);
  Strings values;
  SQLite::Statement statement(database, sql);
  while (statement.executeStep()) values.push_back(statement.getColumn(0).getString());
  return values;
}

Strings AskPostgres(const std::string& url, const std::string& sql) {
  const Connection connection(PQconnectdb(url.c_str()), &PQfinish);
  const PgResult result(PQexec(connection.get(), sql.c_str()), &PQclear);
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) ADD_FAILURE() << PQerrorMessage(connection.get()) << sql;
  Strings values;
  for (int row = 0; row < PQntuples(result.get()); ++row) values.emplace_back(PQgetvalue(result.get(), row, 0));
  return values;
}

// The same URL with another database.
std::string Beside(const std::string& url, const std::string& suffix) {
  const std::size_t query = std::min(url.find('?'), url.size());
  return url.substr(0, query) + suffix + url.substr(query);
}

std::string NameIn(const std::string& url) {
  const std::size_t query = std::min(url.find('?'), url.size());
  const std::size_t slash = url.rfind('/', query);
  return url.substr(slash + 1, query - slash - 1);
}

DatabaseKind KindOf(Place place) {
  return place == Place::kSqlite ? DatabaseKind::kSqlite : DatabaseKind::kPostgres;
}

std::string Quoted(const std::string& text) {
  return "\"" + text + "\"";
}

}  // namespace

std::vector<Place> Places() {
  if (std::getenv("DBOS_TEST_POSTGRES_URL") == nullptr) return {Place::kSqlite};
  return {Place::kSqlite, Place::kOneDatabase, Place::kTwoDatabases};
}

std::string ToString(Place place) {
  return place == Place::kSqlite ? "sqlite" : place == Place::kOneDatabase ? "one_database" : "two_databases";
}

Bank::Bank(Place place) : place_(place), world_(KindOf(place)) {
  MakeTables();
}

Bank::Bank(Place place, const std::string& server_url) : place_(place), world_(server_url) {
  MakeTables();
}

Bank::~Bank() {
  if (place_ != Place::kTwoDatabases) return;
  world_.EndAll();
  AskPostgres(world_.database_url(), "DROP DATABASE " + NameIn(url_) + " WITH (FORCE)");
}

void Bank::MakeTables() {
  url_ = world_.database_url();
  if (place_ == Place::kTwoDatabases) {
    url_ = Beside(url_, "_app");
    AskPostgres(world_.database_url(), "CREATE DATABASE " + NameIn(url_));
  }
  if (place_ != Place::kSqlite) {  // of transfers in both directions
    Ask("ALTER DATABASE " + NameIn(url_) + " SET deadlock_timeout = '50ms'");
  }
  Ask("CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance BIGINT NOT NULL)");
  Ask("CREATE TABLE ledger (workflow TEXT NOT NULL, nonce TEXT NOT NULL)");  // no key: what is there twice is seen
  Ask("CREATE TABLE audit (workflow TEXT PRIMARY KEY, nonce TEXT NOT NULL)");
  Ask("CREATE TABLE kept (workflow TEXT PRIMARY KEY)");
  Ask("CREATE INDEX ledger_workflow ON ledger (workflow)");
  for (int account = 0; account < kAccounts; ++account) {
    Ask("INSERT INTO accounts VALUES (" + std::to_string(account) + ", " + std::to_string(kBalance) + ")");
  }
  world_.UseApp(DBOS_BANK_APP);
  world_.SetEnvironment("DBOS_APPLICATION_DATABASE_URL", url_);
}

dbos::testing::PgProxy& Bank::PutProxyBetween() {
  dbos::testing::PgProxy& proxy = world_.PutProxyBetween();
  const std::string proxied = world_.proxy_url();
  world_.SetEnvironment("DBOS_APPLICATION_DATABASE_URL",
                        place_ == Place::kTwoDatabases ? Beside(proxied, "_app") : proxied);
  return proxy;
}

void Bank::Open(const std::string& fault, const std::vector<std::string>& strike,
                const std::vector<std::string>& flags) {
  world_.StartSidecar(fault, flags);
  world_.StartApp(strike);
}

std::vector<std::string> Bank::Ask(const std::string& sql) const {
  return place_ == Place::kSqlite ? AskSqlite(url_, sql) : AskPostgres(url_, sql);
}

bool Bank::CanUpdate(int account, absl::Duration time) const {
  const std::string update = "UPDATE accounts SET balance = balance WHERE id = " + std::to_string(account);
  if (place_ == Place::kSqlite) {
    SQLite::Database database(url_.substr(std::string("sqlite:///").size()), SQLite::OPEN_READWRITE);
    database.setBusyTimeout(static_cast<int>(absl::ToInt64Milliseconds(time)));
    try {
      database.exec(update);
    } catch (const SQLite::Exception&) {
      return false;
    }
    return true;
  }
  const Connection connection(PQconnectdb(url_.c_str()), &PQfinish);
  const std::string limit = "SET lock_timeout = " + std::to_string(absl::ToInt64Milliseconds(time));
  const PgResult limited(PQexec(connection.get(), limit.c_str()), &PQclear);
  const PgResult result(PQexec(connection.get(), update.c_str()), &PQclear);
  return PQresultStatus(result.get()) == PGRES_COMMAND_OK;
}

// ---------------------------------------------------------------- calls

Calls::Calls(Bank& bank, std::string prefix, int first, int count, Start start)
    : bank_(bank),
      prefix_(std::move(prefix)),
      first_(first),
      seen_(static_cast<std::size_t>(count)),
      caller_([this, start = std::move(start)] { CallAll(start); }) {
}

Calls::~Calls() {
  given_up_ = true;
  if (caller_.joinable()) caller_.join();
}

template <typename Call>
void Calls::Repeat(int n, Call call) {
  dbos::Client client({.sidecar_address = bank_.world().address(), .request_timeout = std::chrono::seconds(5)});
  while (!given_up_) {
    try {
      return call(client);
    } catch (const dbos::SidecarUnavailable&) {
      Pause(absl::Milliseconds(20));
    } catch (const dbos::TimeoutError&) {
      continue;
    } catch (const dbos::Error& error) {
      ADD_FAILURE() << IdOf(n) << ": " << error.what();
      return;
    }
  }
}

void Calls::CallAll(const Start& start) {
  const int end = first_ + static_cast<int>(seen_.size());
  for (int n = first_; n < end; ++n) {
    Repeat(n, [&start, n](dbos::Client& client) { start(client, n); });
  }
  started_ = true;
  for (int n = first_; n < end; ++n) {
    Repeat(n, [this, n](dbos::Client& client) {
      seen_[static_cast<std::size_t>(n - first_)] =
          client.handle<std::string>(IdOf(n)).result(std::chrono::milliseconds(2000));
    });
    ++results_;
  }
  ended_ = true;
}

void Calls::Finish(absl::Duration limit) {
  const absl::Duration end = SinceBoot() + limit;
  while (!ended() && SinceBoot() < end) bank_.world().Supervise(absl::Milliseconds(20));
  EXPECT_TRUE(ended()) << bank_.world().Logs();
  given_up_ = true;
  caller_.join();
}

// ---------------------------------------------------------------- transfers

Transfers::Transfers(Bank& bank, int count, int first)
    : Calls(bank, "t", first, count, [](dbos::Client& client, int n) {
        client.start<std::string>("transfer", {.workflow_id = "t" + std::to_string(n)}, n % Bank::kAccounts,
                                  (n + 1 + n / Bank::kAccounts % (Bank::kAccounts - 1)) % Bank::kAccounts, n % 5 + 1,
                                  Fails(n));
      }) {
}

void Transfers::CheckOne(int n, const std::string& seen) const {
  const std::string id = IdOf(n);
  const std::string where = " WHERE workflow = '" + id + "'";
  EXPECT_EQ(bank_.Ask("SELECT nonce FROM ledger" + where), Strings{seen}) << id;
  EXPECT_EQ(bank_.Ask("SELECT nonce FROM audit" + where), Strings{seen}) << id;
  EXPECT_EQ(bank_.Ask("SELECT workflow FROM kept" + where), Fails(n) ? Strings{} : Strings{id}) << id;
  dbos::Client client({.sidecar_address = bank_.world().address()});
  const std::vector<dbos::StepInfo> steps = client.steps(id);
  ASSERT_EQ(steps.size(), 4U) << id;
  EXPECT_EQ(steps[0].name + steps[0].output.value_or(""), "move" + Quoted(seen)) << id;
  EXPECT_EQ(steps[1].name, "audit") << id;
  EXPECT_EQ(steps[2].name + steps[2].output.value_or("-"), Fails(n) ? "keep-" : "keepnull") << id;
  EXPECT_EQ(steps[2].error ? steps[2].error->message : "", Fails(n) ? "refused" : "") << id;
  EXPECT_TRUE(steps[3].output.value_or("").starts_with("\"" + seen + " by ")) << id;
}

void Transfers::Check(int others) const {
  const std::string count = std::to_string(static_cast<int>(seen_.size()) + others);
  EXPECT_EQ(bank_.Ask("SELECT sum(balance) FROM accounts"), Strings{std::to_string(Bank::kAccounts * Bank::kBalance)});
  EXPECT_EQ(bank_.Ask("SELECT count(*) FROM ledger"), Strings{count});
  EXPECT_EQ(bank_.Ask("SELECT count(*) FROM audit"), Strings{count});
  for (std::size_t index = 0; index < seen_.size(); ++index) {
    ASSERT_NO_FATAL_FAILURE(CheckOne(first_ + static_cast<int>(index), seen_[index])) << bank_.world().Logs();
  }
  if (bank_.place() == Place::kTwoDatabases) {
    EXPECT_EQ(bank_.Ask("SELECT count(*) FROM dbos.transaction_outputs AS t JOIN ledger AS l ON l.workflow ="
                        " t.workflow_uuid AND t.output = '\"' || l.nonce || '\"' WHERE t.function_name = 'move'"),
              Strings{count});
  }
  if (::testing::Test::HasFailure()) ADD_FAILURE() << bank_.world().Logs();
}

// ---------------------------------------------------------------- entries

Entries::Entries(Bank& bank, int count)
    : Calls(bank, "e", 0, count, [](dbos::Client& client, int n) {
        client.start<std::string>("entries", {.workflow_id = "e" + std::to_string(n)}, kEach);
      }) {
}

void Entries::Check() const {
  const std::string count = std::to_string(seen_.size() * kEach);
  EXPECT_EQ(bank_.Ask("SELECT count(*) FROM ledger"), Strings{count});
  dbos::Client client({.sidecar_address = bank_.world().address()});
  for (std::size_t n = 0; n < seen_.size(); ++n) {
    const std::string id = IdOf(static_cast<int>(n));
    const Strings nonces = bank_.Ask("SELECT nonce FROM ledger WHERE workflow = '" + id + "' ORDER BY nonce");
    EXPECT_EQ(absl::StrJoin(nonces, " "), seen_[n]) << id;
    const std::vector<dbos::StepInfo> steps = client.steps(id);
    ASSERT_EQ(steps.size(), nonces.size()) << id;
    for (std::size_t step = 0; step < steps.size(); ++step) {
      EXPECT_NE(steps[step].output.value_or("").find("[[" + Quoted(nonces[step]) + "]]"), std::string::npos) << id;
    }
  }
  if (::testing::Test::HasFailure()) ADD_FAILURE() << bank_.world().Logs();
}

void TransferOnce(Bank& bank, int number) {
  Transfers transfer(bank, 1, number);
  transfer.Finish();
  transfer.Check();
}

void ExpectStruck(Bank& bank) {
  EXPECT_TRUE(std::filesystem::exists(bank.world().directory() + "/struck")) << bank.world().Logs();
}

}  // namespace dbos::sidecar
