// FaultyTransactions: a TransactionStorage that ends or pauses its own process at a named point of a user's
// transaction: the faults of faulty_storage.h with before, during and after of the kinds tx_statement, tx_commit (of a
// step) and tx_execute, and tx_group of several that share a commit. During: PostgreSQL has been sent everything and
// goes on with it; SQLite never strikes.
#pragma once

#include "sidecar/store/transaction_storage.h"
#include "tests/e2e/faulty_storage.h"

namespace dbos::sidecar {

// Whether the fault is one of these.
bool StrikesTransactions(const Fault& fault);

TransactionStorageFactory WithTransactionFault(TransactionStorageFactory factory, const Fault& fault);

}  // namespace dbos::sidecar
