// What `dbos-sidecar <command>` does. Each returns the exit code of the process.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sidecar/model/migration_plan.h"
#include "sidecar/server/config.h"
#include "sidecar/store/rename_store.h"

namespace dbos::sidecar {

// Reports `status` on standard error the way people read it, and gives back `code`.
int Fail(int code, const absl::Status& status);

int ServeCommand(const Config& config);

// Runs the sidecar and `command` until the command ends well or somebody stops us.
int DevCommand(Config config, const std::vector<std::string>& command);

struct MigrateRequest {
  bool print = false;       // writes the SQL to standard output and changes nothing
  std::optional<int> from;  // with print: from this version, without looking at the database
  std::string sql_role;     // may record the transactions of the application; empty: nobody
  std::string app_role;     // gets the rights of a running sidecar; empty: nobody
};
int MigrateCommand(Config config, const MigrateRequest& request);

// Whether --yes was given.
enum class Consent { kMissing, kGiven };

// Drops the system tables and makes them again. Without consent it says what would be lost.
int ResetCommand(const Config& config, Consent consent);

// To `config.name`.
int RenameCommand(const Config& config, Renaming renaming, Consent consent);

// Prints every key with its effective value, without secrets, and where it comes from.
int ConfigCheckCommand(const Config& config, const Origins& origins);

enum class OutputFormat { kTable, kJson };

// The user's migrations, on the application database.
struct AppMigrateQuery {
  enum class Kind { kRun, kDryRun, kStatus };
  Kind kind = Kind::kRun;
  std::vector<std::string> directories;
  MigrationChoices choices;
  OutputFormat format = OutputFormat::kTable;
};
int AppMigrateCommand(const Config& config, const AppMigrateQuery& query);

struct WorkflowQuery {
  enum class Kind { kList, kGet, kSteps };
  Kind kind = Kind::kList;
  std::string workflow_id;          // kGet, kSteps
  std::vector<std::string> status;  // kList: names as in the database
  std::string name;                 // kList
  std::uint32_t limit = 100;        // kList
  OutputFormat format = OutputFormat::kTable;
};
// Reads the database itself: works whether or not a sidecar runs.
int WorkflowCommand(const Config& config, const WorkflowQuery& query);

}  // namespace dbos::sidecar
