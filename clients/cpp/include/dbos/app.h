// App: one process of an application. It registers workflows, runs what the sidecar dispatches, and starts workflows.
//
// Register everything, then launch(): interrupted workflows are continued from that moment on. Several processes of one
// application may be attached to one sidecar.
//
// Threads:  all methods may be called from any thread; register before launch().
// Lifetime: the destructor shuts down. Handles may outlive the app; result() then throws SidecarUnavailable.
// Errors:   launch() throws SidecarUnavailable when no sidecar answers in time, RequestRefused when it does not want
// us.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <dbos/context.h>
#include <dbos/detail/workflow_access.h>
#include <dbos/migrations.h>
#include <dbos/options.h>
#include <dbos/workflow_handle.h>

namespace dbos {

namespace detail {
class AppRuntime;
}

// A registered workflow: App::workflow returns it, start() starts one execution, run() waits for its result as well.
template <class R, class... Params>
class Workflow<R, std::tuple<Params...>> {
 public:
  Workflow(std::shared_ptr<detail::WorkflowAccess> access, std::string name)
      : access_(std::move(access)), name_(std::move(name)) {}

  const std::string& name() const { return name_; }

  // Durable when it returns. Throws ConflictingWorkflow if the id belongs to a workflow of another name.
  template <class... Args>
  WorkflowHandle<R> start(const StartOptions& options, const Args&... args) const {
    return WorkflowHandle<R>(access_, access_->Start(name_, options, Input(args...)));
  }

  // Starts it and waits for its result, however long; throws what start() and result() throw.
  template <class... Args>
  R run(const StartOptions& options, const Args&... args) const {
    return detail::DecodeResult<R>(access_->Run(name_, options, Input(args...)));
  }

  // The stored form of the arguments, converted to the function's parameter types first.
  template <class... Args>
  std::string Input(const Args&... args) const {
    static_assert(sizeof...(Args) <= sizeof...(Params), "more arguments than the workflow function has parameters");
    return InputFrom<Args...>(std::make_index_sequence<sizeof...(Args)>(), std::forward_as_tuple(args...));
  }

 private:
  using Parameters = std::tuple<Params...>;
  template <class... Args, std::size_t... I>
  static std::string InputFrom(std::index_sequence<I...>, const std::tuple<const Args&...>& args) {
    return detail::EncodeArguments(static_cast<const std::tuple_element_t<I, Parameters>&>(std::get<I>(args))...);
  }

  std::shared_ptr<detail::WorkflowAccess> access_;
  std::string name_;
};

template <class F>
using WorkflowOf = Workflow<typename detail::FunctionTraits<F>::Result, typename detail::FunctionTraits<F>::Arguments>;

class App {
 public:
  explicit App(AppOptions options);
  // Over a runtime that was made elsewhere: for tests of the runtime itself, with a transport of their own.
  explicit App(std::shared_ptr<detail::AppRuntime> runtime);
  ~App();
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  // Registers `function`, R(Context&, Args...), under a name that must never change for workflows in flight.
  template <class F>
  WorkflowOf<F> workflow(std::string name, F function, WorkflowOptions options = {}) {
    Register(name, options, Bind(std::move(function)));
    return WorkflowOf<F>(access(), std::move(name));
  }

  // Client::run_migrations, for a program that brings its own database up to date before launch().
  std::vector<MigrationInfo> run_migrations(const std::vector<std::string>& directories,
                                            const MigrationOptions& options = {});

  // SQL outside of a workflow: nothing is recorded; see transaction.h. Throws what `body` throws; SidecarUnavailable
  // when nothing was done, TransactionInDoubt when the commit may have happened.
  template <class F>
  detail::TransactionResult<F> transaction(F&& body) {
    return transaction(TransactionOptions{}, std::forward<F>(body));
  }
  template <class F>
  detail::TransactionResult<F> transaction(const TransactionOptions& options, F&& body) {
    return detail::RunOutside(sql_access(), options, body);
  }
  // One statement that is a whole transaction.
  Rows sql(std::string_view statement, const SqlParams& params = {}, const TransactionOptions& options = {}) {
    return sql_access().RunSql(statement, params, options);
  }

  // Connects and begins to run workflows.
  void launch();
  // Takes no more work, lets running workflows finish for AppOptions::drain_timeout, then hands back the rest. Waits
  // for step bodies that still run. Idempotent.
  void shutdown();

  // Starts by name, also workflows of other processes of the application.
  template <class R, class... Args>
  WorkflowHandle<R> start(std::string_view name, const StartOptions& options, const Args&... args) {
    return WorkflowHandle<R>(access(), access()->Start(name, options, detail::EncodeArguments(args...)));
  }
  template <class R>
  WorkflowHandle<R> handle(std::string workflow_id) {
    return WorkflowHandle<R>(access(), std::move(workflow_id));
  }

 private:
  template <class F>
  static detail::WorkflowBody Bind(F function) {
    using Traits = detail::FunctionTraits<F>;
    return [function = std::move(function)](Context& context, std::string_view input) mutable -> std::string {
      auto arguments = detail::DecodeArguments<typename Traits::Arguments>(input);
      auto call = [&](auto&... each) { return function(context, each...); };
      if constexpr (std::is_void_v<typename Traits::Result>) {
        std::apply(call, arguments);
        return "null";
      } else {
        return Encode<typename Traits::Result>(std::apply(call, arguments));
      }
    };
  }

  void Register(const std::string& name, const WorkflowOptions& options, detail::WorkflowBody body);
  std::shared_ptr<detail::WorkflowAccess> access() const;
  detail::SqlAccess& sql_access() const;

  std::shared_ptr<detail::AppRuntime> runtime_;
};

}  // namespace dbos
