// What every service of one sidecar shares.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sidecar/engine/loop.h"
#include "sidecar/engine/transaction_pool.h"
#include "sidecar/rpc/migration_runner.h"
#include "sidecar/rpc/process_identity.h"

namespace dbos::sidecar {

// What the sidecar tells about itself.
struct SidecarInfo {
  std::string version;
  std::string boot_id;
  std::string executor_id;
  std::string application_name;
  std::string database;  // kind and place, never credentials
  std::uint32_t schema_version = 0;
  absl::Duration ping_interval;
  absl::Duration ping_timeout;
};

// Told which processes are attached; the server keeps them in a file for the next sidecar.
// Threads: any. Blocking: at most one small file, once a session; never for the disk or another process.
class Attachments {
 public:
  virtual ~Attachments() = default;
  virtual void Attached(SessionId session, const std::string& incarnation,
                        const std::optional<ProcessIdentity>& process) = 0;
  virtual void Detached(SessionId session) = 0;
};

struct RpcContext {
  EngineLoop& loop;
  SidecarInfo info;
  Attachments& attachments;
  MigrationRunner& migrations;
  TransactionPool* transactions = nullptr;  // null: there is no application database
};

// Session ids are never reused.
SessionId NextSessionId();

}  // namespace dbos::sidecar
