// FaultyStorage: a Storage that ends or pauses its own process at a named point of the n-th commit of a kind.
//
// DBOS_TEST_FAULT is "<before|during|after|behind>:<kind>:<n>:<kill|stop>", for example "after:step:3:kill": the third
// commit that holds a step is durable and nobody has been told. During: PostgreSQL has been sent everything and goes on
// with it; SQLite has not begun. Behind: PostgreSQL has been sent everything, while the batch before it is not known to
// be committed; only such batches count. It leaves a file "struck" in its directory. Kinds: start, step, completion,
// claim, take_over, hand_back, adopt, recover, version; those of transactions are in faulty_transactions.h.
//
// "blind" instead: the look once a second finds no work on the queue, ever.
#pragma once

#include <memory>
#include <string>

#include "sidecar/store/storage.h"

namespace dbos::sidecar {

struct Fault {
  std::string moment;  // empty: none
  std::string kind;
  int n = 0;
  int signal = 0;
};

// Signals the process, with the proof that it did, and goes no further.
void Strike(const Fault& fault);

// Ends the process when the text is malformed: a fault that never strikes would prove nothing.
Fault ParseFault(const char* text);

// Writers that do as `fault` says, readers as they are; or blind readers.
StorageFactory WithFault(StorageFactory factory, Fault fault);

}  // namespace dbos::sidecar
