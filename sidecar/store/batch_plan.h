// BatchPlan: the statements of one transaction, each with what is to be done with its rows once the transaction has
// committed. BatchFacts: what those rows said, from which the verdicts are drawn.
//
// Lifetime: text in the statements is borrowed from the operations and from the identity; both outlive the plan.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "sidecar/db/query.h"
#include "sidecar/db/result.h"
#include "sidecar/model/workflow.h"

namespace dbos::sidecar {

// Who we are, in every row we write.
struct Identity {
  std::string executor_id;
  std::string application_name;
};

// Who owns a workflow: what the locking read saw before this transaction wrote anything, or, for an execution that it
// left out and that did not get its way, what was there afterwards. An owner that is gone never comes back, so both
// give the same answer.
struct FenceRow {
  WorkflowStatus status = WorkflowStatus::kUnknown;
  std::string owner_token;
};

// The step that is stored now, whoever recorded it; without its value.
struct StepKeyRow {
  std::string name;
  std::string child_workflow_id;
  std::int64_t completed_at_ms = 0;
};

// The workflow that is stored now, whoever started it.
struct StartRow {
  std::string name;
  WorkflowStatus status = WorkflowStatus::kUnknown;
  std::string creator_token;
  std::string owner_token;
  std::int64_t deadline_ms = 0;
};

using StepKey = std::pair<std::string, std::int32_t>;

struct BatchFacts {
  std::unordered_map<std::string, FenceRow> fence;
  std::unordered_map<std::string, StartRow> starts;
  std::map<StepKey, StepKeyRow> steps;  // only where the execution owned its workflow
  std::unordered_set<std::string> completed;
};

class BatchPlan {
 public:
  using Reader = std::function<void(const Result&)>;

  // A statement over no rows is left out.
  void Add(Statement statement, Reader reader = {}) {
    if (statement.query().rows[0] != '\0' && statement.row_count() == 0) return;
    statements_.push_back(std::move(statement));
    readers_.push_back(std::move(reader));
  }

  const std::vector<Statement>& statements() const { return statements_; }

  void Read(const std::vector<Result>& results) const {
    for (std::size_t n = 0; n < results.size(); ++n) {
      if (readers_[n]) readers_[n](results[n]);
    }
  }

 private:
  std::vector<Statement> statements_;
  std::vector<Reader> readers_;
};

}  // namespace dbos::sidecar
