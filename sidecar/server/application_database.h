// The application database as the server sees it: where it is, and its migrations.
//
// Blocking: yes, up to the configured wait for a database that is not there, and as long as migrations take.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "sidecar/db/application_migrator.h"
#include "sidecar/server/config.h"
#include "sidecar/server/signals.h"
#include "sidecar/store/open_transactions.h"

namespace dbos::sidecar {

// `config` is complete. FailedPrecondition, naming the key, when there is no application database.
absl::StatusOr<std::string> ApplicationDatabaseUrl(const Config& config);
absl::StatusOr<Database> OpenApplicationDatabase(const Config& config);

// How transactions open it. Connects to nothing. There has to be one.
absl::StatusOr<ApplicationTransactions> OpenApplicationTransactions(const Config& config,
                                                                    const std::string& executor_id);

// RunMigrations, again and again for `config.database_wait` while the database cannot be reached. A signal to stop ends
// it with Cancelled, after at most half a second: what runs then may be left behind on a thread, and the process is to
// end, which undoes it.
absl::StatusOr<std::vector<MigrationEntry>> MigrateApplication(const Config& config,
                                                               const std::vector<MigrationFile>& files,
                                                               const MigrationChoices& choices, Signals& signals);

// What the configuration says is to run before the sidecar listens; nothing, if it says nothing.
absl::Status RunConfiguredMigrations(const Config& config, Signals& signals);

}  // namespace dbos::sidecar
