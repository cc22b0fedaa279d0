#include "sidecar/rpc/admin_service.h"

#include "sidecar/base/logging.h"
#include "sidecar/rpc/errors.h"
#include "sidecar/rpc/migration_call.h"
#include "sidecar/rpc/validate.h"

namespace dbos::sidecar {

grpc::ServerUnaryReactor* AdminService::GetInfo(grpc::CallbackServerContext* call, const v1::GetInfoRequest*,
                                                v1::GetInfoResponse* response) {
  const SidecarInfo& info = context_.info;
  response->set_sidecar_version(info.version);
  response->set_protocol_min(kProtocolVersion);
  response->set_protocol_max(kProtocolVersion);
  response->set_boot_id(info.boot_id);
  response->set_executor_id(info.executor_id);
  response->set_application_name(info.application_name);
  response->set_database(info.database);
  response->set_schema_version(info.schema_version);
  const EngineStatus status = context_.loop.status();
  response->set_database_available(status.database_available);
  response->set_draining(status.draining);
  response->set_sessions(static_cast<std::uint32_t>(status.sessions));
  response->set_executions(static_cast<std::uint32_t>(status.executions));
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::Drain(grpc::CallbackServerContext* call, const v1::DrainRequest* request,
                                              v1::DrainResponse*) {
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  if (Error error = Check(*request); !error.ok()) {
    AddReasonTrailer(error.reason, call);
    reactor->Finish(ToGrpcStatus(error));
    return reactor;
  }
  const absl::Duration within = absl::Milliseconds(request->finish_within_ms());
  Log(LogLevel::kInfo, "drain asked for", {{"finish_within_ms", std::to_string(request->finish_within_ms())}});
  context_.loop.Post([within](Engine& engine) { engine.Drain(within); });
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerReadReactor<v1::RunMigrationsRequest>* AdminService::RunMigrations(grpc::CallbackServerContext* call,
                                                                               v1::RunMigrationsResponse* response) {
  return MigrationCall::Open(context_, call, response, migration_calls_);
}

}  // namespace dbos::sidecar
