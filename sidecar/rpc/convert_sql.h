// Between the messages of transactions and the model's records.
//
// Check... says what is wrong with a message; Take... empties one that passed. Sql's own rules (does the text parse,
// does each parameter occur in it) are checked where the database is.
//
// Threads: any. Blocking: never.
#pragma once

#include "dbos/v1/transactions.pb.h"

#include "sidecar/engine/transaction.h"
#include "sidecar/model/error.h"

namespace dbos::sidecar {

Error Check(const v1::TransactRequest& request);
Error Check(const v1::ExecuteRequest& request);

TransactionRequest TakeTransaction(v1::TransactRequest& from);
TransactionRequest TakeTransaction(v1::ExecuteRequest& from);

// About what an answer adds to a message, and a request to memory.
std::size_t WireBytes(const TransactionAnswer& answer);

void Put(TransactionAnswer from, v1::TransactResponse* to);
// What an ExecuteResponse can hold; else the error to refuse the call with.
Error Put(TransactionAnswer from, v1::ExecuteResponse* to);

}  // namespace dbos::sidecar
