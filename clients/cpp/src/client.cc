#include <dbos/client.h>

#include "channel.h"
#include "migration_calls.h"
#include "outside_sql.h"
#include "sql_stream.h"
#include "unary_access.h"

namespace dbos {

Client::Client(const ClientOptions& options) : address_(runtime::ResolveAddress(options.sidecar_address)) {
  const auto channel = runtime::OpenChannel(address_);
  unary_ = std::make_shared<detail::UnaryAccess>(channel, options.request_timeout);
  sql_ = std::make_shared<detail::OutsideSql>(std::make_shared<runtime::SqlStreams>(channel));
}
Client::~Client() = default;

std::vector<WorkflowInfo> Client::list(const ListOptions& options) {
  return unary_->List(options);
}
std::vector<StepInfo> Client::steps(const std::string& workflow_id) {
  return unary_->Steps(workflow_id);
}
void Client::cancel(const std::string& workflow_id) {
  unary_->Cancel(workflow_id);
}

std::vector<MigrationInfo> Client::run_migrations(const std::vector<std::string>& directories,
                                                  const MigrationOptions& options) {
  const auto action = options.dry_run ? v1::MIGRATION_ACTION_DRY_RUN : v1::MIGRATION_ACTION_RUN;
  return runtime::CallMigrations(runtime::OpenChannel(address_), directories, options, action);
}
std::vector<MigrationInfo> Client::migration_status(const std::vector<std::string>& directories,
                                                    const MigrationOptions& options) {
  return runtime::CallMigrations(runtime::OpenChannel(address_), directories, options, v1::MIGRATION_ACTION_STATUS);
}

std::shared_ptr<detail::WorkflowAccess> Client::access() const {
  return unary_;
}

}  // namespace dbos
