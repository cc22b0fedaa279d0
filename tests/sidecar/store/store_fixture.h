// StoreTest: a writer's and a reader's Storage on a fresh database, and short ways to build operations.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "sidecar/db/dialect.h"
#include "sidecar/store/open_storage.h"
#include "tests/testing/test_database.h"

namespace dbos::sidecar {

inline constexpr char kExecutor[] = "executor-1";
inline constexpr char kApplication[] = "shop";

// One value of the right type for each entry of a query's parameter list.
std::vector<Value> AnyValues(const char* list);

class StoreTest : public OverDatabases {
 protected:
  static StartOp Start(const std::string& id, const std::string& token);
  static StartOp Child(const std::string& id, const ExecutionRef& parent, std::int32_t step_id);
  static StartOp Enqueued(const std::string& id);
  static StepOp Step(const ExecutionRef& execution, std::int32_t step_id, const std::string& name,
                     const std::string& value);
  static CompletionOp Completion(const ExecutionRef& execution, const std::string& value);

  static TakeOverOp TakeOver(const ExecutionRef& execution, const std::string& new_token);
  static HandBackOp HandBack(const ExecutionRef& execution, bool count_attempt);
  static DeadLetterOp DeadLetter(const ExecutionRef& execution);
  static RegisterVersionOp Version(const std::string& name);

  std::unique_ptr<Storage> OpenAs(const std::string& executor, const std::string& application, StorageRole role);

  // Commits and expects it to go well.
  void Commit(Batch& batch);
  template <typename Op>
  Op CommitOne(std::vector<Op> Batch::*member, Op op) {
    Batch batch;
    (batch.*member).push_back(std::move(op));
    Commit(batch);
    return (batch.*member)[0];
  }

  // Started and owned by `token`.
  ExecutionRef Begin(const std::string& id, const std::string& token = "token-1");

  // "status,owner,attempts" of a workflow; "-" for null.
  std::string Row(const std::string& id);
  std::vector<std::string> StepRows(const std::string& id);     // "id,name,output,error,completed"
  std::vector<std::string> OutcomeRows(const std::string& id);  // "output,error"
  std::vector<std::string> Select(const std::string& columns, const std::string& table, const std::string& id);

  void DeleteInput(const std::string& id);
  // Refuses steps of this name, as a database does that finds the data itself impossible.
  void RefuseStepsNamed(const std::string& name);
  // Lets steps of this name vanish without an error.
  void LoseStepsNamed(const std::string& name);

  std::unique_ptr<Storage> writer_ = OpenAs(kExecutor, kApplication, StorageRole::kWriter);
  std::unique_ptr<Storage> reader_ = OpenAs(kExecutor, kApplication, StorageRole::kReader);
};

}  // namespace dbos::sidecar
