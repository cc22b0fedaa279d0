// Statements, values and rows, to and from the wire.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <dbos/options.h>
#include <dbos/rows.h>
#include <dbos/sql_value.h>

#include "dbos/v1/transactions.pb.h"

namespace dbos::runtime {

// Throws InvalidArgument, naming the parameter, for what cannot be sent.
void EncodeStatement(std::string_view sql, const SqlParams& params, std::uint32_t page_rows, v1::SqlStatement& to);

// Throws InvalidArgument for options that make no sense. `what`: for its message.
void CheckTransactionOptions(const std::string& what, const TransactionOptions& options);
// Without `timeout_ms`.
v1::BeginTransaction EncodeBegin(const TransactionOptions& options);

// Takes the cells out of it. Throws Error when the sidecar sent what are no rows.
detail::RowSet DecodeRowSet(v1::SqlRows& rows);

// What is asked for beside the deferred statements, if there are any.
const v1::TransactRequest& AskedBy(const v1::TransactRequest& request);

// As it is thrown and recorded. The sidecar makes the same record of a statement that it runs alone. `deferred`: the
// text of the statement, if it is a deferred one.
SqlError ToSqlError(const v1::SqlError& error, std::string_view step, std::string_view deferred = {});

}  // namespace dbos::runtime
