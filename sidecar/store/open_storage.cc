#include "sidecar/store/open_storage.h"

#include <memory>

#include "sidecar/base/status.h"
#include "sidecar/store/database_storage.h"

namespace dbos::sidecar {

absl::StatusOr<SystemStorage> OpenStorage(const StorageOptions& options) {
  ConnectionOptions connection = options.connection;
  connection.through_pooler = !options.direct_database_url.empty();
  ASSIGN_OR_RETURN(const Database database, OpenDatabase(options.database_url, options.schema, connection));
  Database direct = database;
  if (connection.through_pooler) {
    ASSIGN_OR_RETURN(direct, OpenDatabase(options.direct_database_url, options.schema, options.connection));
  }
  const auto pool =
      ConnectionPool::Create("system", options.pool, [database] { return database.connect(ConnectionRole::kReader); });
  const Identity identity = {options.executor_id, options.application_name};
  const LegacyPayloads legacy = options.legacy_payloads;
  const absl::Duration patience = options.cut_off_patience;
  const auto connect = [database, direct, pool](StorageRole role) {
    switch (role) {
      case StorageRole::kWriter:
        return direct.connect(ConnectionRole::kWriter);
      case StorageRole::kReader:
        return database.connect(ConnectionRole::kReader);
      case StorageRole::kPooled:
        break;
    }
    return PooledConnection(pool);
  };
  SystemStorage storage;
  storage.pool = pool;
  storage.open = [connect, identity, legacy, patience](StorageRole role) -> std::unique_ptr<Storage> {
    return std::make_unique<DatabaseStorage>(connect(role), identity, legacy, patience);
  };
  return storage;
}

}  // namespace dbos::sidecar
