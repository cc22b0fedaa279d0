// The right to record transactions without any in the system tables, for the role that runs the users' SQL: one
// function that writes one row, and only for who has the owner token of the workflow. PostgreSQL and CockroachDB only.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

#include "sidecar/db/open.h"

namespace dbos::sidecar {

// What makes the function and lets `role` call it. It does the same as the query tx_record_step of the store.
std::vector<std::string> TransactionGrantStatements(const Dialect& dialect, const std::string& role);

// Runs them; errors and blocking as GrantRunTimeRole.
absl::Status GrantTransactions(const Database& database, const std::string& role);

}  // namespace dbos::sidecar
