// Opens TransactionStorage on the application database, and finds out whether that is the system database.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"

#include "sidecar/db/connection.h"
#include "sidecar/db/open.h"
#include "sidecar/store/batch_plan.h"
#include "sidecar/store/transaction_storage.h"

namespace dbos::sidecar {

// Whether both lead to one database, now. Never judged by URLs: the same server has many names.
// Blocking: a few round trips. Errors: those of the connections.
absl::StatusOr<bool> IsSameDatabase(Connection& one, Connection& other);

struct ApplicationTransactions {
  TransactionStorageFactory open;
  // Deletes the records of workflows that are gone, where they are in a database of their own. To be called about once
  // a minute, by one thread. Blocking: for as long as there is something to delete. An error where the application
  // database cannot be used.
  std::function<absl::Status()> sweep;
};

// The first storage that is opened looks whether both are the same, and makes transaction_outputs where they are not;
// until that has succeeded the factory fails. Threads: the factory may be called from any.
ApplicationTransactions OpenTransactions(const Database& system, const Database& application, const Identity& identity);

}  // namespace dbos::sidecar
