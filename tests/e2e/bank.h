// Bank: a world whose app is bank_app, and the application's tables in it: the system database's own file or database,
// or a database beside it.
//
// Transfers, Entries: many workflows "transfer" or "entries", started from outside and awaited through any outage;
// Check compares what the callers saw, what is recorded, and what is in the tables.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <dbos/dbos.h>

#include "tests/e2e/world.h"

namespace dbos::sidecar {

enum class Place { kSqlite, kOneDatabase, kTwoDatabases };
std::vector<Place> Places();
std::string ToString(Place place);

class Bank {
 public:
  static constexpr int kAccounts = 6;
  static constexpr int kBalance = 1000;

  explicit Bank(Place place);
  // On a server of the test's own.
  Bank(Place place, const std::string& server_url);
  ~Bank();
  Bank(const Bank&) = delete;
  Bank& operator=(const Bank&) = delete;

  Place place() const { return place_; }
  World& world() { return world_; }
  // Before the sidecar starts: both databases are then behind the proxy. PostgreSQL only.
  dbos::testing::PgProxy& PutProxyBetween();
  // Sidecar and app. `strike`: of bank_app.
  void Open(const std::string& fault = "", const std::vector<std::string>& strike = {},
            const std::vector<std::string>& flags = {});
  // Of the application's database, past the proxy.
  const std::string& url() const { return url_; }
  // The first column of a statement there, on a connection of its own. Of none: empty.
  std::vector<std::string> Ask(const std::string& sql) const;
  // Whether the row of an account can be changed by another connection within `time`.
  bool CanUpdate(int account, absl::Duration time) const;

 private:
  void MakeTables();

  const Place place_;
  World world_;
  std::string url_;
};

// Workflows "<prefix><first>" ... and what they returned, as their caller saw it.
class Calls {
 public:
  ~Calls();
  Calls(const Calls&) = delete;
  Calls& operator=(const Calls&) = delete;

  bool started() const { return started_; }  // all of them
  bool ended() const { return ended_; }
  int results() const { return results_; }
  // Supervises the world until all have ended. A failure of the test if that takes longer than `limit`.
  void Finish(absl::Duration limit = absl::Seconds(60));

 protected:
  using Start = std::function<void(dbos::Client&, int n)>;
  // `start` starts workflow n, again if it was not told that it did.
  Calls(Bank& bank, std::string prefix, int first, int count, Start start);

  std::string IdOf(int n) const { return prefix_ + std::to_string(n); }
  Bank& bank_;
  const std::string prefix_;
  const int first_;
  std::vector<std::string> seen_;

 private:
  void CallAll(const Start& start);
  template <typename Call>
  void Repeat(int n, Call call);

  std::atomic<bool> started_ = false;
  std::atomic<bool> ended_ = false;
  std::atomic<bool> given_up_ = false;
  std::atomic<int> results_ = 0;
  std::thread caller_;
};

class Transfers : public Calls {
 public:
  // Workflow ids "t<first>", ...; every third fails in "keep".
  Transfers(Bank& bank, int count, int first = 0);
  // After Finish. Nothing but these transfers, and `others`, must have been done with the bank.
  void Check(int others = 0) const;

 private:
  static bool Fails(int n) { return n % 3 == 0; }
  void CheckOne(int n, const std::string& seen) const;
};

// Transactions of one statement, `kEach` in a workflow.
class Entries : public Calls {
 public:
  static constexpr int kEach = 5;

  Entries(Bank& bank, int count);
  // After Finish. Nothing else must have been done with the bank.
  void Check() const;
};

// One transfer "t<number>" to its end, and its check.
void TransferOnce(Bank& bank, int number);

// A fault that never struck proves nothing.
void ExpectStruck(Bank& bank);

}  // namespace dbos::sidecar
