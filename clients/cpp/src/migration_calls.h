// Migrations over AdminService: directories are read here and streamed to the sidecar.
//
// Threads, blocking, errors: as <dbos/migrations.h> says.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <dbos/migrations.h>

#include "dbos/v1/admin.pb.h"
#include "grpcpp/channel.h"

namespace dbos::runtime {

std::vector<MigrationInfo> CallMigrations(const std::shared_ptr<grpc::Channel>& channel,
                                          const std::vector<std::string>& directories, const MigrationOptions& options,
                                          v1::MigrationAction action);

}  // namespace dbos::runtime
