// Opens Storage on a database URL: the only door to this layer for the server.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

#include "sidecar/db/connection_pool.h"
#include "sidecar/db/open.h"
#include "sidecar/store/legacy_payloads.h"
#include "sidecar/store/storage.h"

namespace dbos::sidecar {

struct StorageOptions {
  std::string database_url;
  std::string schema = "dbos";
  std::string executor_id;
  std::string application_name;
  LegacyPayloads legacy_payloads = LegacyPayloads::kOff;
  std::string direct_database_url = {};  // past a pooler, for the writer; empty: the same
  ConnectionOptions connection = {};
  PoolOptions pool = {};  // of StorageRole::kPooled
};

// A way to open storages, and the pool that those of StorageRole::kPooled share.
struct SystemStorage {
  StorageFactory open;
  std::shared_ptr<const ConnectionPool> pool;

  std::unique_ptr<Storage> operator()(StorageRole role) const { return open(role); }
};

// Each thread opens a Storage of its own, which connects with its first use.
// InvalidArgument: the URL is not understood. Connects to nothing: a database that is away is an outage.
absl::StatusOr<SystemStorage> OpenStorage(const StorageOptions& options);

}  // namespace dbos::sidecar
