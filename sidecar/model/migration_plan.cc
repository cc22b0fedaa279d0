#include "sidecar/model/migration_plan.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "absl/strings/str_cat.h"

#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

bool Holds(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string ChangedProblem(const MigrationFile& file, const AppliedMigration& applied) {
  if (file.name != applied.name) {
    return absl::StrCat("the number ", file.number, " was applied as ", applied.name, " (SHA-256 ", applied.checksum,
                        "), this file has the SHA-256 ", file.checksum,
                        ": give the file its old name back, or give this one the next free number");
  }
  return absl::StrCat("was applied with the SHA-256 ", applied.checksum, " and now has ", file.checksum,
                      ": restore its text and put the change into a new file, or accept it with --mark-applied ",
                      file.name);
}

std::string UnfinishedProblem(const AppliedMigration& applied) {
  const std::string fix = absl::StrCat(": undo what it left, then use --rerun ", applied.name,
                                       ", or finish it by hand and use --mark-applied ", applied.name);
  if (applied.state == MigrationState::kFailed) {
    return absl::StrCat("failed outside of a transaction, and its earlier statements stay (", applied.error, ")", fix);
  }
  return absl::StrCat("is running outside of a transaction in another process, or was interrupted there; if none runs",
                      fix);
}

MigrationEntry EntryOf(const MigrationFile& file, const AppliedMigration* applied, bool below_newest) {
  MigrationEntry entry{.directory = file.directory, .name = file.name};
  if (applied == nullptr) {
    entry.state = below_newest ? MigrationState::kOutOfOrder : MigrationState::kPending;
    if (below_newest) {
      entry.problem =
          "is new, but its number is below one that was applied already: give it the next free number, or use "
          "--allow-out-of-order";
    }
    return entry;
  }
  entry.applied_at_ms = applied->applied_at_ms;
  entry.duration_ms = applied->duration_ms;
  entry.state = applied->state;
  if (file.name != applied->name ||
      (applied->state == MigrationState::kApplied && file.checksum != applied->checksum)) {
    entry.state = MigrationState::kChanged;
    entry.problem = ChangedProblem(file, *applied);
  } else if (applied->state != MigrationState::kApplied) {
    entry.problem = UnfinishedProblem(*applied);
  }
  return entry;
}

const MigrationEntry* Find(const std::vector<MigrationEntry>& entries, const std::string& name) {
  const auto found =
      std::find_if(entries.begin(), entries.end(), [&](const MigrationEntry& entry) { return entry.name == name; });
  return found == entries.end() ? nullptr : &*found;
}

bool IsUnfinished(const MigrationEntry& entry) {
  return entry.state == MigrationState::kInterrupted || entry.state == MigrationState::kFailed;
}

absl::Status CheckChoices(const std::vector<MigrationEntry>& entries, const MigrationChoices& choices) {
  for (const std::string& name : choices.rerun) {
    const MigrationEntry* entry = Find(entries, name);
    if (entry != nullptr && IsUnfinished(*entry)) continue;
    return absl::InvalidArgumentError(absl::StrCat("--rerun ", name, ": ",
                                                   entry == nullptr ? "there is no such file" : ToString(entry->state),
                                                   "; only a file that failed or was interrupted can run again"));
  }
  for (const std::string& name : choices.mark_applied) {
    const MigrationEntry* entry = Find(entries, name);
    if (entry != nullptr && entry->state != MigrationState::kMissing) continue;
    return absl::InvalidArgumentError(absl::StrCat("--mark-applied ", name, ": there is no such file"));
  }
  return absl::OkStatus();
}

}  // namespace

const char* ToString(MigrationState state) {
  switch (state) {
    case MigrationState::kPending:
      return "pending";
    case MigrationState::kApplied:
      return "applied";
    case MigrationState::kChanged:
      return "changed";
    case MigrationState::kOutOfOrder:
      return "out of order";
    case MigrationState::kInterrupted:
      return "interrupted";
    case MigrationState::kFailed:
      return "failed";
    case MigrationState::kMissing:
      return "missing";
  }
  return "";
}

std::vector<MigrationEntry> CompareMigrations(const std::vector<MigrationFile>& files,
                                              const std::vector<AppliedMigration>& ledger) {
  const auto lower = [](const std::string& left, const std::string& right) { return IsLowerNumber(left, right); };
  std::map<std::string, const AppliedMigration*, decltype(lower)> rows(lower);
  for (const AppliedMigration& row : ledger) rows[row.number] = &row;
  std::vector<MigrationEntry> entries;
  const auto add_missing = [&](const AppliedMigration& row) {
    MigrationEntry entry{.name = row.name, .state = MigrationState::kMissing};
    entry.applied_at_ms = row.applied_at_ms;
    entry.duration_ms = row.duration_ms;
    entries.push_back(entry);
  };
  const std::string newest = rows.empty() ? "" : rows.rbegin()->first;
  for (std::size_t n = 0; n < files.size(); ++n) {
    const MigrationFile& file = files[n];
    while (!rows.empty() && IsLowerNumber(rows.begin()->first, file.number)) {
      add_missing(*rows.begin()->second);
      rows.erase(rows.begin());
    }
    const bool known = !rows.empty() && rows.begin()->first == file.number;
    entries.push_back(EntryOf(file, known ? rows.begin()->second : nullptr, IsLowerNumber(file.number, newest)));
    entries.back().file = n;
    if (known) rows.erase(rows.begin());
  }
  for (const auto& [number, row] : rows) add_missing(*row);
  return entries;
}

absl::Status CheckMigrationPlan(const std::vector<MigrationEntry>& entries, const MigrationChoices& choices) {
  RETURN_IF_ERROR(CheckChoices(entries, choices));
  for (const MigrationEntry& entry : entries) {
    if (entry.problem.empty() || Holds(choices.mark_applied, entry.name) || Holds(choices.rerun, entry.name)) continue;
    if (entry.state == MigrationState::kOutOfOrder && choices.allow_out_of_order) continue;
    const std::string path = entry.directory.empty() ? entry.name : entry.directory + "/" + entry.name;
    return absl::FailedPreconditionError(absl::StrCat(path, " ", entry.problem));
  }
  return absl::OkStatus();
}

}  // namespace dbos::sidecar
