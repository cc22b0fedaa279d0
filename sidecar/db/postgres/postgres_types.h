// The short names of PostgreSQL's types.
//
// Threads: any. Blocking: never.
#pragma once

namespace dbos::sidecar {

// Null for a type that is not built in, or is rare: the server knows its name.
const char* BuiltInTypeName(unsigned int oid);

// Whether CAST(x AS text) gives what the server shows of it; not for boolean, char(n) and inet.
bool CastsToWhatItShows(unsigned int oid);

}  // namespace dbos::sidecar
