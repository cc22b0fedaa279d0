#include "sidecar/db/application_migrator.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

#include "sidecar/base/logging.h"
#include "sidecar/base/status.h"
#include "sidecar/db/application_ledger.h"
#include "sidecar/db/error_offset.h"

namespace dbos::sidecar {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(100);

// A number of our own. Polled for, as the system migrator does: a session that waits inside a statement would hold a
// snapshot, on which a concurrent index build of the other migrator waits in turn.
constexpr char kTryLock[] = "SELECT pg_try_advisory_lock(7234309766871114497)";

std::int64_t MillisecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count();
}

absl::StatusOr<std::vector<SqlStatement>> StatementsOf(const MigrationFile& file, SqlSyntax syntax) {
  absl::StatusOr<std::vector<SqlStatement>> statements = MigrationStatements(file.sql, syntax);
  if (statements.ok()) return statements;
  return absl::InvalidArgumentError(absl::StrCat(file.path(), ": ", Message(statements.status())));
}

// The same error with file, line and what to do.
absl::Status Located(const MigrationFile& file, const SqlStatement& statement, const absl::Status& error) {
  const std::size_t end = std::min(ErrorOffset(error).value_or(0), statement.text.size());
  const auto line = statement.line +
                    std::count(statement.text.begin(), statement.text.begin() + static_cast<std::ptrdiff_t>(end), '\n');
  std::string message = absl::StrCat(file.path(), ": line ", line, ": ", Message(error));
  const bool no_transaction =
      absl::StrContains(message, "inside a transaction") || absl::StrContains(message, "within a transaction");
  if (file.transactional && no_transaction) {
    absl::StrAppend(&message, ": put it into a file with the first line \"-- dbos: no-transaction\"");
  }
  if (file.transactional) absl::StrAppend(&message, "; nothing of this file stays");
  const bool passes = absl::IsUnavailable(error) || absl::IsAborted(error) || absl::IsResourceExhausted(error);
  return absl::Status(passes ? error.code() : absl::StatusCode::kFailedPrecondition, message);
}

class ApplicationMigrator {
 public:
  ApplicationMigrator(const Database& database, std::unique_ptr<Connection> own,
                      const std::vector<MigrationFile>& files, const MigrationRun& run)
      : database_(database), files_(files), run_(run), own_(std::move(own)), ledger_(database_.dialect, *own_) {}

  absl::StatusOr<std::vector<MigrationEntry>> Run() {
    RETURN_IF_ERROR(TakeTurn());
    RETURN_IF_ERROR(Patiently([this] { return ledger_.Create(); }));
    RETURN_IF_ERROR(Compare());
    RETURN_IF_ERROR(CheckMigrations(database_, files_, entries_, run_.choices));
    RETURN_IF_ERROR(Decide());
    for (std::size_t n = 0; n < entries_.size();) {
      const MigrationState state = entries_[n].state;
      const bool pending = state == MigrationState::kPending || state == MigrationState::kOutOfOrder;
      if (pending && run_.stopping && run_.stopping()) {
        return WithProgress(absl::UnavailableError("the sidecar is stopping"));
      }
      const absl::Status applied = pending ? Apply(entries_[n]) : absl::OkStatus();
      if (absl::IsAlreadyExists(applied)) {  // another migrator was faster
        RETURN_IF_ERROR(Compare());
        RETURN_IF_ERROR(CheckMigrationPlan(entries_, {.allow_out_of_order = true}));
        n = 0;
        continue;
      }
      if (!applied.ok()) return WithProgress(applied);
      ++n;
    }
    return entries_;
  }

 private:
  // Where the database has no lock to poll for, migrators meet at the keys of the ledger.
  absl::Status TakeTurn() {
    if (database_.dialect.migration_lock != Dialect::MigrationLock::kAdvisory) return absl::OkStatus();
    return Patiently([this]() -> absl::Status {
      ASSIGN_OR_RETURN(const Result locked, own_->RunScript(kTryLock));
      return locked[0].Bool(0) ? absl::OkStatus() : absl::AbortedError("another process migrates it");
    });
  }

  // Tries again what another transaction stood in the way of, which is none of the caller's fault.
  template <typename Attempt>
  absl::Status Patiently(Attempt attempt) {
    const absl::Time give_up = absl::Now() + run_.lock_wait;
    while (true) {
      absl::Status status = attempt();
      if (!absl::IsAborted(status)) return status;
      if (absl::Now() > give_up) {
        return absl::UnavailableError(absl::StrCat("the application database has been locked for ",
                                                   absl::FormatDuration(run_.lock_wait), " (", Message(status),
                                                   "): wait for the other migrator or transaction, then try again"));
      }
      absl::SleepFor(kPoll);  // paces the tries
    }
  }

  absl::Status Compare() {
    ASSIGN_OR_RETURN(const std::vector<AppliedMigration> rows, ledger_.Read());
    entries_ = CompareMigrations(files_, rows);
    for (MigrationEntry& entry : entries_) entry.applied_now = entry.file && applied_now_.count(*entry.file) > 0;
    return absl::OkStatus();
  }

  // What the user has decided about files that stand in the way.
  absl::Status Decide() {
    for (const MigrationFile& file : files_) {
      if (IsChosen(run_.choices.rerun, file)) RETURN_IF_ERROR(ledger_.Remove(file));
      if (!IsChosen(run_.choices.mark_applied, file)) continue;
      RETURN_IF_ERROR(ledger_.Remove(file));
      RETURN_IF_ERROR(ApplicationLedger::Add(*own_, file, MigrationState::kApplied));
    }
    return Compare();
  }

  static bool IsChosen(const std::vector<std::string>& names, const MigrationFile& file) {
    return std::find(names.begin(), names.end(), file.name) != names.end();
  }

  // AlreadyExists: it has a row by now.
  absl::Status Apply(MigrationEntry& entry);
  absl::Status ApplyInTransaction(const MigrationFile& file);
  absl::Status ApplyWithoutTransaction(const MigrationFile& file);
  absl::Status RunStatements(const MigrationFile& file, Connection& session);
  absl::Status WithProgress(const absl::Status& error) const;

  const Database& database_;
  const std::vector<MigrationFile>& files_;
  const MigrationRun& run_;
  const std::unique_ptr<Connection> own_;  // holds the lock; none of the user's statements run here
  ApplicationLedger ledger_;
  std::vector<MigrationEntry> entries_;
  std::set<std::size_t> applied_now_;  // indexes of files
};

absl::Status ApplicationMigrator::Apply(MigrationEntry& entry) {
  const MigrationFile& file = files_[*entry.file];
  const auto start = std::chrono::steady_clock::now();
  if (file.transactional) {
    RETURN_IF_ERROR(Patiently([&] { return ApplyInTransaction(file); }));
  } else {
    RETURN_IF_ERROR(ApplyWithoutTransaction(file));
  }
  entry.state = MigrationState::kApplied;
  entry.applied_now = true;
  entry.applied_at_ms = absl::ToUnixMillis(absl::Now());
  entry.duration_ms = MillisecondsSince(start);
  applied_now_.insert(*entry.file);
  Log(LogLevel::kInfo, "migration applied", {{"file", file.path()}, {"duration_ms", absl::StrCat(entry.duration_ms)}});
  absl::Status noted = ledger_.Finish(file, MigrationState::kApplied, entry.duration_ms, "");
  if (!absl::IsUnavailable(noted)) return noted;
  return ledger_.Finish(file, MigrationState::kApplied, entry.duration_ms, "");  // by a new connection
}

absl::Status ApplicationMigrator::ApplyInTransaction(const MigrationFile& file) {
  const std::unique_ptr<Connection> session = database_.connect(ConnectionRole::kMigration);
  RETURN_IF_ERROR(session->RunScript(database_.dialect.script_settings).status());
  RETURN_IF_ERROR(session->RunScript(database_.dialect.begin).status());
  RETURN_IF_ERROR(ApplicationLedger::Add(*session, file, MigrationState::kApplied));
  RETURN_IF_ERROR(RunStatements(file, *session));
  absl::Status committed = session->RunScript("COMMIT").status();
  if (committed.ok() || absl::IsUnavailable(committed) || absl::IsAborted(committed)) return committed;
  return absl::FailedPreconditionError(absl::StrCat(
      file.path(), ": at its end, when the transaction commits: ", Message(committed), "; nothing of this file stays"));
}

absl::Status ApplicationMigrator::ApplyWithoutTransaction(const MigrationFile& file) {
  RETURN_IF_ERROR(ApplicationLedger::Add(*own_, file, MigrationState::kInterrupted));
  const std::unique_ptr<Connection> session = database_.connect(ConnectionRole::kMigration);
  absl::Status done = session->RunScript(database_.dialect.script_settings).status();
  if (done.ok()) done = RunStatements(file, *session);
  if (done.ok()) return done;
  // Where this cannot be written, the row says that the file was interrupted, which is as good.
  absl::Status noted = ledger_.Finish(file, MigrationState::kFailed, 0, Message(done));
  if (!noted.ok()) Log(LogLevel::kWarning, "cannot record that a migration failed", {{"error", Message(noted)}});
  return absl::FailedPreconditionError(
      absl::StrCat(Message(done),
                   "; the file has no transaction, so its statements before that stay: undo them and use "
                   "--rerun ",
                   file.name, ", or finish it by hand and use --mark-applied ", file.name));
}

absl::Status ApplicationMigrator::RunStatements(const MigrationFile& file, Connection& session) {
  ASSIGN_OR_RETURN(const std::vector<SqlStatement> statements, StatementsOf(file, database_.dialect.syntax));
  for (const SqlStatement& statement : statements) {
    const absl::Status done = session.RunScript(std::string(statement.text)).status();
    if (!done.ok()) return Located(file, statement, done);
  }
  return absl::OkStatus();
}

absl::Status ApplicationMigrator::WithProgress(const absl::Status& error) const {
  if (applied_now_.empty()) return error;
  return absl::Status(error.code(), absl::StrCat(Message(error), "; applied before it: ", applied_now_.size(),
                                                 applied_now_.size() == 1 ? " file" : " files"));
}

}  // namespace

absl::StatusOr<std::vector<MigrationEntry>> RunMigrations(const Database& database,
                                                          const std::vector<MigrationFile>& files,
                                                          const MigrationRun& run) {
  RETURN_IF_ERROR(database.create_if_missing());
  std::unique_ptr<Connection> own = database.connect(ConnectionRole::kMigration);
  Database reached = database;  // the URL does not tell PostgreSQL from CockroachDB
  ASSIGN_OR_RETURN(reached.dialect, own->ServerDialect());
  return ApplicationMigrator(reached, std::move(own), files, run).Run();
}

absl::StatusOr<std::vector<MigrationEntry>> InspectMigrations(const Database& database,
                                                              const std::vector<MigrationFile>& files) {
  std::error_code error;
  const bool no_file = !database.sqlite_path.empty() && !std::filesystem::exists(database.sqlite_path, error);
  if (no_file) return CompareMigrations(files, {});
  const std::unique_ptr<Connection> connection = database.connect(ConnectionRole::kInspection);
  ApplicationLedger ledger(database.dialect, *connection);
  ASSIGN_OR_RETURN(const bool exists, ledger.Exists());
  if (!exists) return CompareMigrations(files, {});
  ASSIGN_OR_RETURN(const std::vector<AppliedMigration> rows, ledger.Read());
  return CompareMigrations(files, rows);
}

absl::Status CheckMigrations(const Database& database, const std::vector<MigrationFile>& files,
                             const std::vector<MigrationEntry>& entries, const MigrationChoices& choices) {
  RETURN_IF_ERROR(CheckMigrationPlan(entries, choices));
  for (const MigrationEntry& entry : entries) {
    if (entry.state == MigrationState::kMissing || entry.state == MigrationState::kApplied) continue;
    RETURN_IF_ERROR(StatementsOf(files[*entry.file], database.dialect.syntax).status());
  }
  return absl::OkStatus();
}

}  // namespace dbos::sidecar
