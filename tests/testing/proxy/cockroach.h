// Makes PostgreSQL behind the proxy look like CockroachDB: it announces `crdb_version`, refuses what CockroachDB lacks
// (cockroach_sql.h), and answers commits with 40001 now and then, of transactions that are really rolled back.
//
// What it is not: CockroachDB. Planner, types, catalogs and DDL stay PostgreSQL's.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"

#include "sidecar/base/mutex.h"
#include "tests/testing/proxy/wire.h"

namespace dbos::testing {

struct CockroachOptions {
  int abort_one_in = 0;  // of the transactions, on average; 0: none
  std::uint64_t seed = 1;
};

// What all links of a proxy share. Threads: any.
class CockroachProfile {
 public:
  explicit CockroachProfile(const CockroachOptions& options) : options_(options), random_(options.seed) {}

  bool DecideToAbort();
  void Record(std::string_view sql);
  // Every text that clients prepared or ran, each once.
  std::vector<std::string> statements() const;
  std::int64_t aborts() const;
  std::int64_t refusals() const;
  void CountRefusal();

 private:
  const CockroachOptions options_;
  mutable sidecar::Mutex mu_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mu_);
  std::set<std::string> statements_ ABSL_GUARDED_BY(mu_);
  std::int64_t aborts_ ABSL_GUARDED_BY(mu_) = 0;
  std::int64_t refusals_ ABSL_GUARDED_BY(mu_) = 0;
};

// One connection. Both calls append what goes on instead of `message`. Threads: the proxy's.
class CockroachLink {
 public:
  explicit CockroachLink(CockroachProfile& profile) : profile_(profile) {}

  // Returns how many ReadyForQuery will answer what was appended.
  int ToServer(const WireMessage& message, std::string& out);
  void ToClient(const WireMessage& message, std::string& out);

 private:
  enum class Doomed { kNo, kCommit, kImplicit };

  // What becomes of the answers up to one ReadyForQuery. Segments without a rule pass.
  struct Rule {
    bool drop_complete = false;      // CommandComplete
    bool drop_ready = false;         // ReadyForQuery
    bool rollback_is_40001 = false;  // the answer to our ROLLBACK
  };

  void Parse(const WireMessage& message, std::string& out);
  int Query(const WireMessage& message, std::string& out);
  int Bind(const WireMessage& message, std::string& out);
  int Sync(const WireMessage& message, std::string& out);
  void Executed(std::string_view sql);
  int Ask(const std::string& sql, const Rule& rule, std::string& out);

  CockroachProfile& profile_;
  std::map<std::string, std::string, std::less<>> prepared_;
  std::string bound_;
  bool in_block_ = false;
  bool begun_ = false;  // something was prepared or run since the last Sync
  Doomed doomed_ = Doomed::kNo;
  std::map<std::int64_t, Rule> rules_;  // by segment
  std::int64_t asked_ = 0;
  std::int64_t answered_ = 0;
  bool ready_ = false;   // the first ReadyForQuery has been seen
  bool failed_ = false;  // the client has been told an error that its next ReadyForQuery ends
};

}  // namespace dbos::testing
