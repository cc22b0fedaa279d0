// A user's statement and its record as one statement, which one round trip runs and commits:
//
//   WITH dbos_rows(c1, c2) AS (<the user's>), dbos_result(result) AS (<EncodeRows of dbos_rows>),
//     dbos_same AS (<fails where the columns are others by now>), dbos_record AS (<the record>)
//   SELECT result FROM dbos_result WHERE <fails where the result is too large or the types are others by now>
//
// Threads: any. Blocking: never.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "sidecar/db/postgres/postgres_call.h"
#include "sidecar/db/postgres/postgres_catalog.h"

namespace dbos::sidecar {

// What json_build_array takes.
inline constexpr std::size_t kJoinedColumnsMax = 100;

// Whether it can be part of another one, as far as its words tell.
bool CanJoin(const NamedSql& sql);

struct JoinedParts {
  const NamedSql& sql;
  const std::vector<const SqlValue*>& values;
  const PostgresShape& shape;            // without columns: nothing is returned
  const PostgresQuery* query = nullptr;  // of `record`
  const Statement* record = nullptr;     // null: none
  std::size_t bytes_max = 0;             // of the result; above, 22012
};

struct JoinedStatement {
  PostgresCall call;
  std::size_t first;   // the number of the user's first parameter
  std::size_t offset;  // where the user's text is, in bytes
  std::size_t size;
};

// Returns the outcome as its only row's first column. Takes its values from `parts`, which must live as long.
JoinedStatement Join(const JoinedParts& parts);

// Whether an error may come of the joining, so that the two are better run one after the other.
bool MayComeOfJoining(const std::string& sqlstate);

}  // namespace dbos::sidecar
