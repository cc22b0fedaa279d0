#include "sidecar/store/open_storage.h"

#include <memory>

#include "sidecar/base/status.h"
#include "sidecar/store/database_storage.h"

namespace dbos::sidecar {

absl::StatusOr<StorageFactory> OpenStorage(const StorageOptions& options) {
  ASSIGN_OR_RETURN(const Database database, OpenDatabase(options.database_url, options.schema));
  const Identity identity = {options.executor_id, options.application_name};
  const LegacyPayloads legacy = options.legacy_payloads;
  const absl::Duration patience = options.cut_off_patience;
  return StorageFactory([database, identity, legacy, patience](StorageRole role) -> std::unique_ptr<Storage> {
    const ConnectionRole connection = role == StorageRole::kWriter ? ConnectionRole::kWriter : ConnectionRole::kReader;
    return std::make_unique<DatabaseStorage>(database.connect(connection), identity, legacy, patience);
  });
}

}  // namespace dbos::sidecar
