#include "sidecar/store/open_transactions.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

#include "sidecar/base/logging.h"
#include "sidecar/base/mutex.h"
#include "sidecar/base/status.h"
#include "sidecar/store/database_transactions.h"

namespace dbos::sidecar {
namespace {

// A workflow whose last transaction is younger may be in the middle of something.
constexpr absl::Duration kSweptAfter = absl::Minutes(10);
constexpr absl::Duration kComplaintPause = absl::Seconds(30);

std::int64_t RandomNumber() {
  std::random_device random;
  return static_cast<std::int64_t>((std::uint64_t{random()} << 32U) | random());
}

constexpr Query kLock = {
    .name = "tx_lock",
    .args = "number bigint",
    .rows = "",
    .sql = "SELECT pg_advisory_xact_lock($1)",
};
constexpr Query kTryLock = {
    .name = "tx_try_lock",
    .args = "number bigint",
    .rows = "",
    .sql = "SELECT pg_try_advisory_xact_lock($1)",
};

// A lock under a number that nobody else can have thought of.
absl::StatusOr<bool> LockIsShared(Connection& one, Connection& other) {
  const std::int64_t number = RandomNumber();
  RETURN_IF_ERROR(one.RunScript("BEGIN").status());
  RETURN_IF_ERROR(one.Execute(Statement(kLock, {number})).status());
  const absl::StatusOr<Result> taken = other.Execute(Statement(kTryLock, {number}));
  RETURN_IF_ERROR(one.RunScript("ROLLBACK").status());
  RETURN_IF_ERROR(taken.status());
  return taken->size() == 1 && !(*taken)[0].Bool(0);
}

constexpr Query kMayWrite = {
    .name = "tx_may_write",
    .args = "schema_name text",
    .rows = "",
    .sql =
        "SELECT current_user, has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'INSERT')"
        " FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE n.nspname = $1 AND c.relname = 'operation_outputs'",
};
constexpr Query kMayCall = {
    .name = "tx_may_call",
    .args = "schema_name text",
    .rows = "",
    .sql =
        "SELECT 1 FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace"
        " WHERE n.nspname = $1 AND p.proname = 'record_transaction' AND has_schema_privilege(n.oid, 'USAGE')"
        " AND has_function_privilege(p.oid, 'EXECUTE')",
};

// The role of the application may be one that has no rights in the system tables.
absl::StatusOr<RecordTable> WayToRecord(const Dialect& dialect, Connection& application) {
  if (dialect.schema_name.empty()) return RecordTable::kOperationOutputs;
  const std::string& schema = dialect.schema_name;
  ASSIGN_OR_RETURN(const Result may, application.Execute(Statement(kMayWrite, {std::string_view(schema)})));
  if (may.size() == 0) return absl::FailedPreconditionError("there are no system tables in schema " + schema);
  if (may[0].Bool(1)) return RecordTable::kOperationOutputs;
  const std::string functions = schema + "_sidecar";
  ASSIGN_OR_RETURN(const Result call, application.Execute(Statement(kMayCall, {std::string_view(functions)})));
  if (call.size() > 0) return RecordTable::kOperationOutputsByFunction;
  return absl::FailedPreconditionError("the role " + may[0].Text(0) +
                                       " of application_database_url may not record its transactions: run "
                                       "dbos-sidecar migrate --sql-role " +
                                       may[0].Text(0) + " once, as the role that owns the system tables");
}

// What all storages of one factory share.
class Opening {
 public:
  Opening(const Database& system, const Database& application, const Identity& identity)
      : system_(system), application_(application), identity_(identity) {}

  absl::StatusOr<std::unique_ptr<TransactionStorage>> Open() {
    std::unique_ptr<SqlSession> session = application_.open_session();
    const absl::StatusOr<RecordTable> known = Table(*session);
    if (!known.ok()) {
      Complain(known.status());
      return known.status();
    }
    const RecordTable table = *known;
    return std::make_unique<DatabaseTransactions>(std::move(session), table, identity_, system_.open_session);
  }

  // Also where there was no transaction yet, so that a database that cannot be used is complained of before.
  absl::Status Sweep() {
    ASSIGN_OR_RETURN(const RecordTable table, Table(*application_.open_session()));
    if (table != RecordTable::kTransactionOutputs) return absl::OkStatus();
    const auto system = system_.connect(ConnectionRole::kReader);
    const auto application = application_.connect(ConnectionRole::kReader);
    std::string after;
    do {
      ASSIGN_OR_RETURN(after, SweepTransactionOutputs(*system, *application, after, kSweptAfter));
    } while (!after.empty());
    return absl::OkStatus();
  }

 private:
  // Once in a while, as long as it lasts.
  void Complain(const absl::Status& why) {
    MutexLock lock(mu_);
    if (absl::Now() - complained_ < kComplaintPause) return;
    complained_ = absl::Now();
    Log(LogLevel::kWarning, "the application database cannot be used: transactions wait until it can",
        {{"error", Message(why)}});
  }

  absl::StatusOr<RecordTable> Table(SqlSession& session) {
    MutexLock lock(mu_);
    if (table_) return *table_;
    const auto one = system_.connect(ConnectionRole::kReader);
    const auto other = application_.connect(ConnectionRole::kReader);
    ASSIGN_OR_RETURN(const bool same, IsSameDatabase(*one, *other));
    ASSIGN_OR_RETURN(const Dialect dialect, other->ServerDialect());
    if (same) {
      ASSIGN_OR_RETURN(table_, WayToRecord(dialect, *other));
    } else {
      const absl::Status created = CreateTransactionOutputs(session, dialect);
      if (absl::IsPermissionDenied(created)) {
        return absl::FailedPreconditionError(
            absl::StrCat("the role of application_database_url may not create the table ", dialect.schema,
                         "transaction_outputs there: grant it CREATE on the database, or run a transaction once with a "
                         "role that has it: ",
                         Message(created)));
      }
      RETURN_IF_ERROR(created);
      table_ = RecordTable::kTransactionOutputs;
    }
    Log(LogLevel::kInfo, "transactions are ready",
        {{"application_database", same ? "the system database: one commit" : "its own: transaction_outputs decides"}});
    return *table_;
  }

  const Database system_;
  const Database application_;
  const Identity identity_;
  Mutex mu_;
  std::optional<RecordTable> table_ ABSL_GUARDED_BY(mu_);
  absl::Time complained_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
};

}  // namespace

absl::StatusOr<bool> IsSameDatabase(Connection& one, Connection& other) {
  ASSIGN_OR_RETURN(const Dialect dialect, one.ServerDialect());
  ASSIGN_OR_RETURN(const Dialect of_other, other.ServerDialect());
  if (dialect.database_identity != of_other.database_identity) return false;
  if (dialect.database_identity.empty()) return LockIsShared(one, other);
  ASSIGN_OR_RETURN(const Result here, one.RunScript(dialect.database_identity));
  ASSIGN_OR_RETURN(const Result there, other.RunScript(dialect.database_identity));
  return here.size() == 1 && there.size() == 1 && here[0].View(0) == there[0].View(0);
}

ApplicationTransactions OpenTransactions(const Database& system, const Database& application,
                                         const Identity& identity) {
  const auto opening = std::make_shared<Opening>(system, application, identity);
  return {[opening] { return opening->Open(); }, [opening] { return opening->Sweep(); }};
}

}  // namespace dbos::sidecar
