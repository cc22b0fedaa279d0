// AppRuntime: what is behind an App. Holds the registered workflows and the live executions, and runs dispatches.
//
// Threads:  Register before Launch; everything else from any thread. gRPC threads only look things up and submit jobs.
// Lifetime: shared by the App and its handles. After Shutdown every call throws SidecarUnavailable.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <dbos/detail/workflow_access.h>

#include "execution.h"
#include "holds.h"
#include "mutex.h"
#include "outside_sql.h"
#include "session.h"
#include "session_sql.h"
#include "timers.h"
#include "transport.h"
#include "worker_pool.h"

namespace dbos::detail {

class AppRuntime final : public WorkflowAccess, private runtime::SessionDelegate {
 public:
  // What needs no session: `unary` answers it, and `sql` leads to the application database. `workflow_sql` does so for
  // workflows; null: the session.
  AppRuntime(AppOptions options, std::unique_ptr<runtime::Transport> transport, std::shared_ptr<WorkflowAccess> unary,
             std::shared_ptr<runtime::SqlDoor> sql, std::shared_ptr<runtime::SqlDoor> workflow_sql = nullptr);
  AppRuntime(const AppRuntime&) = delete;
  AppRuntime& operator=(const AppRuntime&) = delete;
  ~AppRuntime() override;

  void Register(const std::string& name, const WorkflowOptions& options, WorkflowBody body);
  void Launch();
  void Shutdown();
  const std::string& sidecar_address() const { return options_.sidecar_address; }
  SqlAccess& sql_access() { return outside_sql_; }

  std::string Start(std::string_view name, const StartOptions& options, std::string input) override;
  std::string Run(std::string_view name, const StartOptions& options, std::string input) override;
  std::string Await(const std::string& workflow_id, std::optional<std::chrono::milliseconds> timeout) override;
  WorkflowInfo Describe(const std::string& workflow_id) override;
  WorkflowStatus Status(const std::string& workflow_id) override;

 private:
  using ExecutionPtr = std::shared_ptr<runtime::Execution>;
  struct Registered {
    WorkflowOptions options;
    WorkflowBody body;
  };
  enum class Phase { kRegistering, kRunning, kShutDown };

  v1::Hello MakeHello() override;
  void OnWelcome(const v1::Welcome& welcome) override;
  void OnDispatch(v1::Execution& dispatched) override;
  void OnReplay(v1::ReplayPage& page) override;
  void OnCancel(const v1::CancelExecution& cancel) override;
  void OnEvict(const v1::EvictExecution& evict) override;
  void OnFatal(const v1::ErrorDetail& error) override;
  void Log(const std::string& line) override;

  void AddResumed(v1::Hello& hello);
  void RequireRunning();
  // Sends a start and waits until `reply` is answered.
  std::string Accepted(std::string_view name, const StartOptions& options, std::string input,
                       const std::shared_ptr<runtime::Reply>& reply);
  void Submit(const ExecutionPtr& execution);
  void Release(const ExecutionPtr& execution, const std::string& reason);
  ExecutionPtr FindLive(const std::string& workflow_id);
  ExecutionPtr FindLive(const v1::ExecutionRef& ref);
  void Forget(const std::string& workflow_id, const std::string& owner_token);
  std::vector<ExecutionPtr> Live();
  void Drain();

  const AppOptions options_;
  const std::string incarnation_;
  const std::unique_ptr<runtime::Transport> transport_;
  const std::shared_ptr<WorkflowAccess> unary_;
  OutsideSql outside_sql_;
  std::unordered_map<std::string, Registered> workflows_;  // constant after Launch

  runtime::Timers timers_;
  runtime::Holds holds_;
  runtime::WorkerPool pool_;
  runtime::Session session_;
  runtime::SessionSql session_sql_;
  const std::shared_ptr<runtime::SqlDoor> workflow_sql_;  // null: session_sql_

  runtime::Mutex mu_;
  runtime::CondVar changed_;
  Phase phase_ ABSL_GUARDED_BY(mu_) = Phase::kRegistering;
  std::unordered_map<std::string, ExecutionPtr> live_ ABSL_GUARDED_BY(mu_);
};

}  // namespace dbos::detail
