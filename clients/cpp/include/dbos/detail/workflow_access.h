// WorkflowAccess: what handles and starters need from outside a workflow. Implemented by App and by Client.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <dbos/options.h>
#include <dbos/workflow_info.h>

namespace dbos {
class Context;
}

namespace dbos::detail {

class WorkflowAccess {
 public:
  WorkflowAccess() = default;
  virtual ~WorkflowAccess() = default;
  WorkflowAccess(const WorkflowAccess&) = delete;
  WorkflowAccess& operator=(const WorkflowAccess&) = delete;

  // Returns the workflow's id when the start is durable.
  virtual std::string Start(std::string_view name, const StartOptions& options, std::string input) = 0;
  // The result's text, or throws what the workflow ended with. No time: waits as long as it takes.
  virtual std::string Await(const std::string& workflow_id, std::optional<std::chrono::milliseconds> timeout) = 0;
  // Start, and Await for as long as it takes.
  virtual std::string Run(std::string_view name, const StartOptions& options, std::string input) {
    return Await(Start(name, options, std::move(input)), std::nullopt);
  }
  virtual WorkflowInfo Describe(const std::string& workflow_id) = 0;
  virtual WorkflowStatus Status(const std::string& workflow_id) = 0;
};

// Takes the stored input, returns the encoded result; what it throws is the workflow's failure.
using WorkflowBody = std::function<std::string(Context&, std::string_view input)>;

}  // namespace dbos::detail
