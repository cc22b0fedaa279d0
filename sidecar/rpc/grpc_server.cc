#include "sidecar/rpc/grpc_server.h"

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include <grpc/grpc.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include "sidecar/rpc/admin_service.h"
#include "sidecar/rpc/one_callback_thread.h"
#include "sidecar/rpc/step_service.h"
#include "sidecar/rpc/transaction_service.h"
#include "sidecar/rpc/validate.h"
#include "sidecar/rpc/workflow_service.h"

namespace dbos::sidecar {

class GrpcServer::Services {
 public:
  explicit Services(RpcContext with)
      : context(std::move(with)), steps(context), workflows(context), transactions(context), admin(context) {}

  RpcContext context;
  StepService steps;
  WorkflowService workflows;
  TransactionService transactions;
  AdminService admin;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor;
  std::unique_ptr<grpc::Server> server;           // its end waits for calls into the services
  std::shared_ptr<OneCallbackThread> one_thread;  // last: it ends first
};

namespace {

void SetArguments(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(kMessageBytesMax));
  builder.SetMaxSendMessageSize(static_cast<int>(kMessageBytesMax) * 2);
  // A fixed window instead of bandwidth probing: the other end is on this machine.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 1 << 20);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, 1 << 20);
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
  // Reflection is a synchronous service: one idle thread is enough for it.
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
}

// The reflection library adds itself to every server of a process that it is linked to. This takes it out again.
class WithoutReflection : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments* /*arguments*/) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    std::erase_if(*plugins, [](const auto& plugin) {
      return dynamic_cast<grpc::reflection::ProtoServerReflectionPlugin*>(plugin.get()) != nullptr;
    });
  }
};

}  // namespace

std::unique_ptr<GrpcServer> GrpcServer::Start(RpcContext context, Reflection reflection) {
  // Never given back: gRPC's own end, after the last server, can wait 10 s for a poller that nobody needs any more.
  static const bool kept = (grpc_init(), true);
  (void)kept;
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();  // does nothing the second time
  auto services = std::make_unique<Services>(std::move(context));
  grpc::ServerBuilder builder;
  SetArguments(builder);
  if (reflection == Reflection::kOff) builder.SetOption(std::make_unique<WithoutReflection>());
  services->acceptor = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, grpc::InsecureServerCredentials());
  builder.RegisterService(&services->steps);
  builder.RegisterService(&services->workflows);
  builder.RegisterService(&services->transactions);
  builder.RegisterService(&services->admin);
  services->server = builder.BuildAndStart();
  if (services->server == nullptr) return nullptr;
  services->one_thread = OneCallbackThread::Hold();
  auto self = std::unique_ptr<GrpcServer>(new GrpcServer(std::move(services)));
  self->SetHealth({});
  return self;
}

GrpcServer::GrpcServer(std::unique_ptr<Services> services) : services_(std::move(services)) {
}

GrpcServer::~GrpcServer() {
  Shutdown(absl::ZeroDuration());
}

void GrpcServer::HandleConnection(int fd) {
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
  parameters.fd = fd;
  services_->acceptor->HandleNewConnection(&parameters);
}

void GrpcServer::SetHealth(const Health& health) {
  grpc::HealthCheckServiceInterface* service = services_->server->GetHealthCheckService();
  service->SetServingStatus("", true);
  service->SetServingStatus("dbos.v1", health.database_reachable);
  service->SetServingStatus("dbos.v1.StepService", health.accepting_sessions);
}

void GrpcServer::Shutdown(absl::Duration grace) {
  services_->server->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(grace));
}

}  // namespace dbos::sidecar
