#include <utility>

#include <dbos/app.h>
#include <dbos/client.h>

#include "app_runtime.h"
#include "channel.h"
#include "grpc_transport.h"
#include "sql_stream.h"
#include "unary_access.h"

namespace dbos {
namespace {

std::shared_ptr<detail::AppRuntime> MakeRuntime(AppOptions options) {
  if (options.name.empty()) throw InvalidArgument("AppOptions::name must not be empty");
  if (options.max_concurrent_workflows == 0) throw InvalidArgument("max_concurrent_workflows must be at least 1");
  if (options.max_threads < options.max_concurrent_workflows) {
    throw InvalidArgument("max_threads must not be less than max_concurrent_workflows");
  }
  options.sidecar_address = runtime::ResolveAddress(options.sidecar_address);
  const auto channel = runtime::OpenChannel(options.sidecar_address);
  auto unary = std::make_shared<detail::UnaryAccess>(channel, options.request_timeout);
  return std::make_shared<detail::AppRuntime>(std::move(options), std::make_unique<runtime::GrpcTransport>(channel),
                                              std::move(unary), std::make_shared<runtime::SqlStreams>(channel));
}

}  // namespace

App::App(AppOptions options) : runtime_(MakeRuntime(std::move(options))) {
}
App::App(std::shared_ptr<detail::AppRuntime> runtime) : runtime_(std::move(runtime)) {
}
App::~App() {
  runtime_->Shutdown();
}

std::vector<MigrationInfo> App::run_migrations(const std::vector<std::string>& directories,
                                               const MigrationOptions& options) {
  return Client({.sidecar_address = runtime_->sidecar_address()}).run_migrations(directories, options);
}
void App::launch() {
  runtime_->Launch();
}
void App::shutdown() {
  runtime_->Shutdown();
}

void App::Register(const std::string& name, const WorkflowOptions& options, detail::WorkflowBody body) {
  runtime_->Register(name, options, std::move(body));
}

std::shared_ptr<detail::WorkflowAccess> App::access() const {
  return runtime_;
}
detail::SqlAccess& App::sql_access() const {
  return runtime_->sql_access();
}

}  // namespace dbos
