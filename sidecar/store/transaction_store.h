// Records of transactions: rows of operation_outputs where the application database is the system database, and rows of
// transaction_outputs, as the DBOS SDK for Python has them, where it is another.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "sidecar/db/connection.h"
#include "sidecar/db/open.h"
#include "sidecar/db/sql_session.h"
#include "sidecar/model/error.h"
#include "sidecar/model/step.h"
#include "sidecar/model/transaction.h"
#include "sidecar/store/batch_plan.h"

namespace dbos::sidecar {

// Where, and by what means.
enum class RecordTable {
  kOperationOutputs,
  kOperationOutputsByFunction,  // the role may not see the system tables; TransactionGrantStatements made a function
  kTransactionOutputs,
};

// Records the step, or fails: 23505 when it has a record, 23502 when the execution does not own its workflow (only in
// operation_outputs). Lifetime: text is borrowed from all arguments.
Statement RecordStatement(RecordTable table, const Identity& identity, const TransactionStep& step,
                          const StepRecord& record);
// The same with {result} in the place of the value.
Statement RecordResultStatement(RecordTable table, const Identity& identity, const TransactionStep& step,
                                const StepRecord& record);

// What lets `role`, which has no rights in the system tables, record its transactions there: a function that writes one
// row, and only for who has the owner token of the workflow. PostgreSQL and CockroachDB only.
std::vector<std::string> TransactionGrantStatements(const Dialect& dialect, const std::string& role);
// Runs them; errors and blocking as GrantRunTimeRole.
absl::Status GrantTransactions(const Database& database, const std::string& role);

// Whether RecordStatement failed for this reason.
bool IsRecordedAlready(const SqlFailure& failure);
bool IsNotOwned(const SqlFailure& failure);

absl::StatusOr<std::optional<StepRecord>> ReadRecord(SqlSession& session, RecordTable table,
                                                     const TransactionStep& step);

// Who owns the workflow instead; ok, if the execution does.
absl::StatusOr<Error> WhyNotOwned(SqlSession& session, const ExecutionRef& execution);

// transaction_outputs, unless it is there. Its schema too.
absl::Status CreateTransactionOutputs(SqlSession& session, const Dialect& dialect);

// Deletes the rows of transaction_outputs whose workflow the system database has no more: up to 1000 workflows from
// `after` on that wrote none for `age`. Returns the last one it looked at; empty at the end of the table.
absl::StatusOr<std::string> SweepTransactionOutputs(Connection& system, Connection& application,
                                                    const std::string& after, absl::Duration age);

std::span<const Query* const> TransactionQueries();

}  // namespace dbos::sidecar
