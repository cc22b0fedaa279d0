// Client: the caller's half, for processes that run no workflows themselves. Unary calls, nothing is registered.
//
// Threads:  all methods may be called from any thread.
// Errors:   SidecarUnavailable after ClientOptions::request_timeout; repeating a start with the same workflow id is
// safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dbos/detail/arguments.h>
#include <dbos/detail/workflow_access.h>
#include <dbos/migrations.h>
#include <dbos/options.h>
#include <dbos/transaction.h>
#include <dbos/workflow_handle.h>
#include <dbos/workflow_info.h>

namespace dbos {

namespace detail {
class UnaryAccess;
}

class Client {
 public:
  explicit Client(const ClientOptions& options = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Starts a workflow by name; a process of the application that registered it will run it.
  template <class R, class... Args>
  WorkflowHandle<R> start(std::string_view name, const StartOptions& options, const Args&... args) {
    return WorkflowHandle<R>(access(), access()->Start(name, options, detail::EncodeArguments(args...)));
  }
  template <class R>
  WorkflowHandle<R> handle(std::string workflow_id) {
    return WorkflowHandle<R>(access(), std::move(workflow_id));
  }

  // Newest first unless asked otherwise; one page.
  std::vector<WorkflowInfo> list(const ListOptions& options = {});
  // The recorded steps of a workflow, in step order.
  std::vector<StepInfo> steps(const std::string& workflow_id);
  // Cancels unless the workflow has ended. Unknown ids are ignored, as in DBOS.
  void cancel(const std::string& workflow_id);

  // SQL outside of a workflow, as App::transaction and App::sql.
  template <class F>
  detail::TransactionResult<F> transaction(F&& body) {
    return transaction(TransactionOptions{}, std::forward<F>(body));
  }
  template <class F>
  detail::TransactionResult<F> transaction(const TransactionOptions& options, F&& body) {
    return detail::RunOutside(*sql_, options, body);
  }
  Rows sql(std::string_view statement, const SqlParams& params = {}, const TransactionOptions& options = {}) {
    return sql_->RunSql(statement, params, options);
  }

  // Runs the .sql files of these directories on the application database, and returns the state of each; see
  // migrations.h, also for what it throws. Before the processes that need the tables begin to work.
  std::vector<MigrationInfo> run_migrations(const std::vector<std::string>& directories,
                                            const MigrationOptions& options = {});
  // The state of each file. Changes nothing.
  std::vector<MigrationInfo> migration_status(const std::vector<std::string>& directories,
                                              const MigrationOptions& options = {});

 private:
  std::shared_ptr<detail::WorkflowAccess> access() const;

  const std::string address_;
  std::shared_ptr<detail::UnaryAccess> unary_;
  std::shared_ptr<detail::SqlAccess> sql_;
};

}  // namespace dbos
