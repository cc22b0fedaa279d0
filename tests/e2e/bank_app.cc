// The application of the tests of transactions.
//
//   bank_app DIRECTORY_OF_THE_TEST [kill|stop|wait POINT]     the process strikes itself at that point, once, and
//                                                             leaves a file "struck"; wait: that thread alone stands
//                                                             still, until there is a file "go"
//
// Workflow "transfer"(from, to, amount, fails) has four steps: "move" between accounts, with a line in the ledger that
// travels with the commit; one statement "audit"; "keep", which throws if `fails`; a read-only "list". Its result is
// what "move" returned: a nonce that no other run of the body has. Points: "read", "debit", "end" of the body of
// "move".
//
// Workflow "note"(locks, timeout_ms, idle_ms): one transaction, a line in the ledger. If `locks`, it also changes
// account 0; if not, it is READ COMMITTED and meets nobody. Points: "began", before any statement; "noted", after all
// of them.
//
// Workflow "entries"(count): as many transactions of one statement, each a line in the ledger. Its result are their
// nonces, which begin with the number of their step.
//
// Workflow "claims"(number): a line in the ledger with that nonce, which has to be the only one, and one in the audit.
// Its result is "claimed" or the SQLSTATE of what was against it.
//
// Workflow "plain": one step without SQL.
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>

#include <dbos/dbos.h>
#include <signal.h>
#include <unistd.h>

namespace {

class Strike {
 public:
  Strike(const std::string& action, std::string point)
      : signal_(action == "kill"   ? SIGKILL
                : action == "stop" ? SIGSTOP
                                   : 0),
        point_(std::move(point)) {}

  void At(const std::string& point) {
    if (point_ != point || struck_.exchange(true)) return;
    std::ofstream("struck") << point;  // the proof, for the test
    if (signal_ != 0) raise(signal_);
    while (signal_ == 0 && !std::filesystem::exists("go")) usleep(5'000);  // paces the look for the file
  }

 private:
  const int signal_;
  const std::string point_;
  std::atomic<bool> struck_{false};
};

std::string Nonce() {
  static std::atomic<int> count{0};
  return std::to_string(getpid()) + "." + std::to_string(++count);
}

std::int64_t BalanceOf(dbos::Transaction& tx, int account) {
  return tx.query("SELECT balance FROM accounts WHERE id = :id", {{"id", account}}).scalar<std::int64_t>();
}

// The new balance is computed here: an update that is lost, or done twice, shows in the sum.
void SetBalance(dbos::Transaction& tx, int account, std::int64_t balance) {
  if (tx.execute("UPDATE accounts SET balance = :balance WHERE id = :id", {{"balance", balance}, {"id", account}}) == 1)
    return;
  throw std::runtime_error("there is no account " + std::to_string(account));
}

class Bank {
 public:
  explicit Bank(Strike& strike) : strike_(strike) {}

  std::string Transfer(dbos::Context& ctx, int from, int to, int amount, bool fails) {
    const std::string& id = ctx.workflow_id();
    const auto nonce = ctx.transaction("move", [&](dbos::Transaction& tx) {
      const std::int64_t source = BalanceOf(tx, from);
      const std::int64_t target = BalanceOf(tx, to);
      strike_.At("read");
      SetBalance(tx, from, source - amount);
      strike_.At("debit");
      SetBalance(tx, to, target + amount);
      std::string fresh = Nonce();
      tx.defer("INSERT INTO ledger (workflow, nonce) VALUES (:id, :nonce)", {{"id", id}, {"nonce", fresh}});
      strike_.At("end");
      return fresh;
    });
    ctx.sql("audit", "INSERT INTO audit (workflow, nonce) VALUES (:id, :nonce)", {{"id", id}, {"nonce", nonce}});
    try {
      ctx.transaction("keep", [&](dbos::Transaction& tx) {
        tx.execute("INSERT INTO kept (workflow) VALUES (:id)", {{"id", id}});
        if (fails) throw std::runtime_error("refused");
      });
    } catch (const dbos::StepError& error) {
      if (!fails) throw;
    }
    ctx.transaction("list", {.read_only = true}, [&](dbos::Transaction& tx) {
      return tx.query("SELECT nonce FROM ledger WHERE workflow = :id", {{"id", id}}).scalar<std::string>() + " by " +
             Nonce();
    });
    return nonce;
  }

  std::string Note(dbos::Context& ctx, bool locks, int timeout_ms, int idle_ms) {
    const dbos::TransactionOptions options = {
        .isolation = locks ? dbos::Isolation::kSerializable : dbos::Isolation::kReadCommitted,
        .timeout = std::chrono::milliseconds(timeout_ms),
        .idle_timeout = std::chrono::milliseconds(idle_ms)};
    return ctx.transaction("note", options, [&](dbos::Transaction& tx) {
      strike_.At("began");
      std::string nonce = Nonce();
      tx.execute("INSERT INTO ledger (workflow, nonce) VALUES (:id, :nonce)",
                 {{"id", ctx.workflow_id()}, {"nonce", nonce}});
      if (locks) SetBalance(tx, 0, BalanceOf(tx, 0));
      strike_.At("noted");
      return nonce;
    });
  }

  static std::string Entries(dbos::Context& ctx, int count) {
    std::string nonces;
    for (int n = 0; n < count; ++n) {
      const auto rows = ctx.sql("entry", "INSERT INTO ledger (workflow, nonce) VALUES (:id, :nonce) RETURNING nonce",
                                {{"id", ctx.workflow_id()}, {"nonce", std::to_string(n) + ":" + Nonce()}});
      nonces += (n == 0 ? "" : " ") + rows.scalar<std::string>();
    }
    return nonces;
  }

  static std::string Claim(dbos::Context& ctx, int number) {
    std::string result = "claimed";
    try {
      ctx.sql("claim", "INSERT INTO ledger (workflow, nonce) VALUES (:id, :nonce)",
              {{"id", ctx.workflow_id()}, {"nonce", std::to_string(number)}});
    } catch (const dbos::SqlError& error) {
      result = error.sqlstate();
    }
    ctx.sql("audit", "INSERT INTO audit (workflow, nonce) VALUES (:id, :nonce)",
            {{"id", ctx.workflow_id()}, {"nonce", result}});
    return result;
  }

 private:
  Strike& strike_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 4) {
    std::cerr << "usage: bank_app DIRECTORY [kill|stop|wait POINT]\n";
    return 2;
  }
  Strike strike(argc == 4 ? argv[2] : "", argc == 4 ? argv[3] : "");
  Bank bank(strike);
  dbos::App app({.name = "crash-test", .version = "bank-1"});
  app.workflow("transfer", [&](dbos::Context& ctx, int from, int to, int amount, bool fails) {
    return bank.Transfer(ctx, from, to, amount, fails);
  });
  app.workflow("note", [&](dbos::Context& ctx, bool locks, int timeout_ms, int idle_ms) {
    return bank.Note(ctx, locks, timeout_ms, idle_ms);
  });
  app.workflow("entries", Bank::Entries);
  app.workflow("claims", Bank::Claim);
  app.workflow("plain", [&](dbos::Context& ctx) { return ctx.step("only", [] { return 1; }); });
  app.launch();
  std::cout << "ready" << std::endl;
  while (true) pause();
}
