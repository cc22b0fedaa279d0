// `dbos-sidecar reset` and `dbos-sidecar rename-application`: what is done to a whole system database, by hand.
#include <cstdio>
#include <memory>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

#include "sidecar/base/status.h"
#include "sidecar/db/migrator.h"
#include "sidecar/db/reset.h"
#include "sidecar/server/commands.h"
#include "sidecar/server/database.h"
#include "sidecar/server/exit_codes.h"
#include "sidecar/server/schema_version.h"
#include "sidecar/store/rename_store.h"

namespace dbos::sidecar {
namespace {

absl::Status AskFor(const Config& config, const SystemContents& contents) {
  return absl::FailedPreconditionError(
      absl::StrCat("this would delete all DBOS tables in ", DescribeDatabase(config.system_database_url), ", with ",
                   contents.workflows, " workflows (", contents.active, " of them not ended) and ", contents.steps,
                   " steps, of every application; add --yes if that is what you want"));
}

absl::Status Reset(const Database& database) {
  {
    const std::unique_ptr<Connection> connection = database.connect(ConnectionRole::kMigration);
    RETURN_IF_ERROR(CheckNobodyElse(database.dialect, *connection));
    RETURN_IF_ERROR(DropSystemTables(database.dialect, *connection));
  }
  return Migrate(database).status();
}

absl::Status CheckRenaming(const Renaming& renaming) {
  if (!renaming.from && !renaming.adopt_unowned) {
    return absl::InvalidArgumentError(
        "nothing to rename: give the old name with --from, or --adopt-unclaimed-rows, or both");
  }
  if (renaming.from && renaming.from->empty()) return absl::InvalidArgumentError("the old name, --from, is empty");
  if (renaming.from == renaming.to) {
    return absl::InvalidArgumentError(
        absl::StrCat("the application is called \"", renaming.to, "\" already: --from and --to are the same"));
  }
  return absl::OkStatus();
}

std::string Describe(const Renaming& renaming) {
  return absl::StrCat(renaming.from ? absl::StrCat("the rows of \"", *renaming.from, "\"") : "",
                      renaming.from && renaming.adopt_unowned ? " and " : "",
                      renaming.adopt_unowned ? "the rows that no application owns" : "", " to \"", renaming.to, "\"");
}

}  // namespace

int ResetCommand(const Config& config, Consent consent) {
  ConfigureLogging(config.log_format, config.log_level);
  const absl::StatusOr<Database> database = OpenSystemDatabase(config);
  if (!database.ok()) return Fail(kExitDatabase, database.status());
  const absl::StatusOr<int> version = InspectSchema(*database);
  if (!version.ok()) return Fail(kExitDatabase, version.status());
  if (consent == Consent::kMissing) {
    SystemContents contents;
    if (*version > 0) {
      const auto counted = CountContents(database->dialect, *database->connect(ConnectionRole::kInspection));
      if (!counted.ok()) return Fail(kExitDatabase, counted.status());
      contents = *counted;
    }
    return Fail(kExitUsage, AskFor(config, contents));
  }
  const auto lock = LockDatabase(config);
  if (!lock.ok()) return Fail(kExitDatabase, lock.status());
  if (absl::Status reset = Reset(*database); !reset.ok()) return Fail(kExitDatabase, reset);
  std::printf("%s is empty, at schema version %d\n", DescribeDatabase(config.system_database_url).c_str(),
              kSchemaVersion);
  return kExitOk;
}

int RenameCommand(const Config& config, Renaming renaming, Consent consent) {
  ConfigureLogging(config.log_format, config.log_level);
  renaming.to = config.name;
  if (absl::Status wrong = CheckRenaming(renaming); !wrong.ok()) return Fail(kExitUsage, wrong);
  if (consent == Consent::kMissing) {
    return Fail(kExitUsage, absl::FailedPreconditionError(absl::StrCat(
                                "this gives ", Describe(renaming), " in ", DescribeDatabase(config.system_database_url),
                                "; stop the application that is renamed, and add --yes")));
  }
  if (absl::Status status = RequireDatabase(config); !status.ok()) return Fail(kExitDatabase, status);
  const auto lock = LockDatabase(config);
  if (!lock.ok()) return Fail(kExitDatabase, lock.status());
  const absl::StatusOr<Database> database = OpenSystemDatabase(config);
  if (!database.ok()) return Fail(kExitDatabase, database.status());
  const auto rows = RenameApplication(*database->connect(ConnectionRole::kMigration), renaming);
  if (!rows.ok()) return Fail(kExitDatabase, rows.status());
  const nlohmann::ordered_json counts = {{"queues", rows->queues},
                                         {"schedules", rows->schedules},
                                         {"versions", rows->versions},
                                         {"workflows", rows->workflows},
                                         {"steps", rows->steps}};
  std::printf("%s\n", counts.dump(2).c_str());
  return kExitOk;
}

}  // namespace dbos::sidecar
