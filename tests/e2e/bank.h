// Bank: a world whose app is bank_app, and the application's tables in it: the system database's own file or database,
// or a database beside it.
//
// Transfers: many workflows "transfer", started from outside and awaited through any outage; Check compares what the
// callers saw, what is recorded, and what is in the tables.
#pragma once

#include <atomic>
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

class Transfers {
 public:
  // Workflow ids "t<first>", ...; every third fails in "keep".
  Transfers(Bank& bank, int count, int first = 0);
  ~Transfers();
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;

  bool ended() const { return ended_; }
  int results() const { return results_; }
  // Supervises the world until all have ended. A failure of the test if that takes longer than `limit`.
  void Finish(absl::Duration limit = absl::Seconds(60));
  // After Finish. Nothing but these transfers, and `others`, must have been done with the bank.
  void Check(int others = 0) const;

 private:
  static bool Fails(int n) { return n % 3 == 0; }
  static std::string IdOf(int n) { return "t" + std::to_string(n); }
  void CallAll();
  template <typename Call>
  void Repeat(int n, Call call);
  void CheckOne(int n, const std::string& seen) const;

  Bank& bank_;
  const int first_;
  std::vector<std::string> seen_;
  std::atomic<bool> ended_ = false;
  std::atomic<bool> given_up_ = false;
  std::atomic<int> results_ = 0;
  std::thread caller_;
};

// One transfer "t<number>" to its end, and its check.
void TransferOnce(Bank& bank, int number);

// A fault that never struck proves nothing.
void ExpectStruck(Bank& bank);

}  // namespace dbos::sidecar
