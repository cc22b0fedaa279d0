// Records of transactions: rows of operation_outputs where the application database is the system database, and rows of
// transaction_outputs, as the DBOS SDK for Python has them, where it is another.
#pragma once

#include <optional>
#include <span>

#include "absl/status/statusor.h"

#include "sidecar/db/sql_session.h"
#include "sidecar/model/error.h"
#include "sidecar/model/step.h"
#include "sidecar/model/transaction.h"
#include "sidecar/store/batch_plan.h"

namespace dbos::sidecar {

enum class RecordTable { kOperationOutputs, kTransactionOutputs };

// Records the step, or fails: 23505 when it has a record, 23502 when the execution does not own its workflow (only in
// operation_outputs). Lifetime: text is borrowed from all arguments.
Statement RecordStatement(RecordTable table, const Identity& identity, const TransactionStep& step,
                          const StepRecord& record);
// The same with {result} in the place of the value.
Statement RecordResultStatement(RecordTable table, const Identity& identity, const TransactionStep& step,
                                const StepRecord& record);

// Whether RecordStatement failed for this reason.
bool IsRecordedAlready(const SqlFailure& failure);
bool IsNotOwned(const SqlFailure& failure);

absl::StatusOr<std::optional<StepRecord>> ReadRecord(SqlSession& session, RecordTable table,
                                                     const TransactionStep& step);

// Who owns the workflow instead; ok, if the execution does.
absl::StatusOr<Error> WhyNotOwned(SqlSession& session, const ExecutionRef& execution);

// transaction_outputs, unless it is there. Its schema too.
absl::Status CreateTransactionOutputs(SqlSession& session, const Dialect& dialect);

std::span<const Query* const> TransactionQueries();

}  // namespace dbos::sidecar
