#include "tests/sidecar/store/store_fixture.h"

#include "absl/strings/str_cat.h"

namespace dbos::sidecar {

StartOp StoreTest::Start(const std::string& id, const std::string& token) {
  StartOp op;
  op.workflow_id = id;
  op.name = "checkout";
  op.input.data = R"({"positionalArgs":[1]})";
  op.creator_token = token;
  op.application_version = "shop-1";
  return op;
}

StartOp StoreTest::Child(const std::string& id, const ExecutionRef& parent, std::int32_t step_id) {
  StartOp op = Start(id, absl::StrCat("token-of-", id));
  op.name = "charge";
  op.parent = StartOp::Parent{parent, step_id, 1000, 1001};
  return op;
}

StartOp StoreTest::Enqueued(const std::string& id) {
  StartOp op = Start(id, absl::StrCat("creator-of-", id));
  op.run = StartOp::Run::kEnqueue;
  op.queue_name = kInternalQueue;
  return op;
}

StepOp StoreTest::Step(const ExecutionRef& execution, std::int32_t step_id, const std::string& name,
                       const std::string& value) {
  StepOp op;
  op.execution = execution;
  op.step.step_id = step_id;
  op.step.name = name;
  op.step.outcome = Outcome{Outcome::Kind::kValue, {value}};
  op.step.started_at_ms = 2000;
  op.step.completed_at_ms = 2001;
  return op;
}

CompletionOp StoreTest::Completion(const ExecutionRef& execution, const std::string& value) {
  CompletionOp op;
  op.execution = execution;
  op.outcome = {Outcome::Kind::kValue, {value}};
  return op;
}

TakeOverOp StoreTest::TakeOver(const ExecutionRef& execution, const std::string& new_token) {
  TakeOverOp op;
  op.execution = execution;
  op.new_token = new_token;
  return op;
}

HandBackOp StoreTest::HandBack(const ExecutionRef& execution, bool count_attempt) {
  HandBackOp op;
  op.execution = execution;
  op.count_attempt = count_attempt;
  return op;
}

DeadLetterOp StoreTest::DeadLetter(const ExecutionRef& execution) {
  DeadLetterOp op;
  op.execution = execution;
  return op;
}

RegisterVersionOp StoreTest::Version(const std::string& name) {
  RegisterVersionOp op;
  op.version_name = name;
  return op;
}

std::unique_ptr<Storage> StoreTest::OpenAs(const std::string& executor, const std::string& application,
                                           StorageRole role) {
  const absl::StatusOr<StorageFactory> factory = OpenStorage({database_->url(), "dbos", executor, application});
  EXPECT_TRUE(factory.ok()) << factory.status();
  return (*factory)(role);
}

void StoreTest::Commit(Batch& batch) {
  const absl::Status committed = writer_->Commit(batch);
  ASSERT_TRUE(committed.ok()) << committed;
}

ExecutionRef StoreTest::Begin(const std::string& id, const std::string& token) {
  const StartOp op = CommitOne(&Batch::starts, Start(id, token));
  EXPECT_TRUE(op.created) << op.error.message;
  return {id, token};
}

std::vector<std::string> StoreTest::Select(const std::string& columns, const std::string& table,
                                           const std::string& id) {
  return database_->Query(absl::StrCat("SELECT ", columns, " FROM ", database_->Table(table),
                                       " WHERE workflow_uuid = '", id, "' ORDER BY 1"));
}

std::string StoreTest::Row(const std::string& id) {
  const auto rows = Select("status, owner_xid, recovery_attempts", "workflow_status", id);
  return rows.empty() ? "" : rows[0];
}

std::vector<std::string> StoreTest::StepRows(const std::string& id) {
  return Select("function_id, function_name, output, error, completed_at_epoch_ms", "operation_outputs", id);
}

std::vector<std::string> StoreTest::OutcomeRows(const std::string& id) {
  return Select("output, error", "workflow_output", id);
}

void StoreTest::RefuseStepsNamed(const std::string& name) {
  const std::string table = database_->Table("operation_outputs");
  if (GetParam() == DatabaseKind::kSqlite) {
    database_->Run(absl::StrCat("CREATE TRIGGER refuse BEFORE INSERT ON ", table, " WHEN NEW.function_name = '", name,
                                "' BEGIN SELECT RAISE(ABORT, 'poison'); END"));
  } else {
    database_->Run(absl::StrCat("ALTER TABLE ", table, " ADD CONSTRAINT refuse CHECK (function_name <> '", name, "')"));
  }
}

void StoreTest::DeleteInput(const std::string& id) {
  database_->Run(absl::StrCat("DELETE FROM ", database_->Table("workflow_input"), " WHERE workflow_uuid = '", id, "'"));
}

void StoreTest::LoseStepsNamed(const std::string& name) {
  const std::string table = database_->Table("operation_outputs");
  const std::string when = absl::StrCat(" WHEN (NEW.function_name = '", name, "') ");
  if (GetParam() == DatabaseKind::kSqlite) {
    database_->Run(
        absl::StrCat("CREATE TRIGGER lose BEFORE INSERT ON ", table, when, "BEGIN SELECT RAISE(IGNORE); END"));
  } else {
    database_->Run("CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'");
    database_->Run(
        absl::StrCat("CREATE TRIGGER lose BEFORE INSERT ON ", table, " FOR EACH ROW", when, "EXECUTE FUNCTION lose()"));
  }
}

std::vector<Value> AnyValues(const char* list) {
  std::vector<Value> values;
  for (const Column& column : ParseColumns(list)) {
    switch (column.type) {
      case ColumnType::kText:
        values.emplace_back(std::string_view("text"));
        break;
      case ColumnType::kBigint:
      case ColumnType::kInt4:
        values.emplace_back(std::int64_t{1});
        break;
      case ColumnType::kBoolean:
        values.emplace_back(true);
        break;
    }
  }
  return values;
}

}  // namespace dbos::sidecar
