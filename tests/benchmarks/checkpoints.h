// bench.checkpoints: a table for the records of steps, where neither the SDK nor we keep them.
#pragma once

#include <array>
#include <cinttypes>
#include <cstdio>
#include <random>
#include <string>

#include "libpq.h"

namespace dbos::benchmarks {

// Columns, key and indexes of dbos.operation_outputs.
constexpr char kCheckpoints[] = R"(
SET client_min_messages = warning;
DROP TABLE IF EXISTS bench.checkpoints;
CREATE TABLE bench.checkpoints (
  workflow_uuid TEXT NOT NULL, function_id INT4 NOT NULL, function_name TEXT NOT NULL DEFAULT '', output TEXT,
  error TEXT, child_workflow_id TEXT, started_at_epoch_ms BIGINT, completed_at_epoch_ms BIGINT, serialization TEXT,
  application_name TEXT,
  retention_timestamp BIGINT NOT NULL DEFAULT (CAST(EXTRACT(epoch FROM now()) * 1000.0 AS BIGINT)),
  PRIMARY KEY (workflow_uuid, function_id));
CREATE INDEX ON bench.checkpoints (completed_at_epoch_ms, function_name) INCLUDE (application_name);
CREATE INDEX ON bench.checkpoints (retention_timestamp);
CHECKPOINT)";

inline void MakeCheckpoints(const std::string& url) {
  const Connection connection = Connect(url);
  Expect(connection.get(), PQexec(connection.get(), kCheckpoints));
}

// Random, as real ones are: their place in the index is anywhere.
inline std::string MakeWorkflowId() {
  static std::mt19937_64 random(std::random_device{}());
  const std::uint64_t high = random();
  const std::uint64_t low = random();
  std::array<char, 37> text{};
  std::snprintf(text.data(), text.size(), "%08" PRIx64 "-%04" PRIx64 "-4%03" PRIx64 "-8%03" PRIx64 "-%012" PRIx64,
                high >> 32, high >> 16 & 0xffff, high & 0xfff, low >> 52, low & 0xffffffffffff);
  return text.data();
}

}  // namespace dbos::benchmarks
