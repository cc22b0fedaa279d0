// AdminService.RunMigrations: what reaches the runner, what is refused, how it answers.
#include <future>
#include <string>

#include <grpcpp/grpcpp.h>

#include "gmock/gmock.h"

#include "sidecar/rpc/migration_call.h"
#include "tests/sidecar/rpc/door_fixture.h"

namespace dbos::sidecar {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class MigrationsTest : public DoorFixture {
 protected:
  static v1::RunMigrationsRequest Message(const std::vector<std::string>& names, bool complete = true) {
    v1::RunMigrationsRequest message;
    for (const std::string& name : names) {
      v1::MigrationFile* file = message.add_files();
      file->set_directory("db");
      file->set_name(name);
      file->set_sql("SELECT 1");
    }
    message.set_complete(complete);
    return message;
  }

  // Sends all of them and ends the client's side.
  grpc::Status Call(const std::vector<v1::RunMigrationsRequest>& messages) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    response_.Clear();
    const auto writer = admin_->RunMigrations(&context, &response_);
    for (const auto& message : messages) {
      if (!writer->Write(message)) break;
    }
    writer->WritesDone();
    const grpc::Status status = writer->Finish();
    const auto reason = context.GetServerTrailingMetadata().find("x-dbos-reason");
    reason_ = reason == context.GetServerTrailingMetadata().end()
                  ? ""
                  : std::string(reason->second.data(), reason->second.size());
    return status;
  }

  v1::RunMigrationsResponse response_;
  std::string reason_;
};

TEST_F(MigrationsTest, FilesAndOptionsReachTheRunnerAndStatesComeBack) {
  MigrationRequest seen;
  migrations_.answer = [&](const MigrationRequest& request) -> absl::StatusOr<std::vector<MigrationEntry>> {
    seen = request;
    MigrationEntry applied{.name = "1_a.sql", .state = MigrationState::kApplied, .applied_now = true};
    applied.applied_at_ms = 17;
    applied.duration_ms = 4;
    return std::vector<MigrationEntry>{applied,
                                       {.name = "2_b.sql", .state = MigrationState::kChanged, .problem = "why"}};
  };
  v1::RunMigrationsRequest first = Message({"1_a.sql"}, false);
  first.mutable_options()->set_action(v1::MIGRATION_ACTION_DRY_RUN);
  first.mutable_options()->set_allow_out_of_order(true);
  first.mutable_options()->add_rerun("x.sql");
  first.mutable_options()->add_mark_applied("y.sql");
  const grpc::Status status = Call({first, Message({"2_b.sql", "3_c.sql"})});
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(seen.action, MigrationRequest::Action::kDryRun);
  EXPECT_TRUE(seen.choices.allow_out_of_order);
  EXPECT_THAT(seen.choices.rerun, ElementsAre("x.sql"));
  EXPECT_THAT(seen.choices.mark_applied, ElementsAre("y.sql"));
  ASSERT_EQ(seen.files.size(), 3U);
  EXPECT_EQ(seen.files[2].name, "3_c.sql");
  EXPECT_EQ(seen.files[2].directory, "db");
  EXPECT_EQ(seen.files[2].content, "SELECT 1");
  ASSERT_EQ(response_.migrations_size(), 2);
  EXPECT_EQ(response_.migrations(0).state(), v1::MIGRATION_STATE_APPLIED);
  EXPECT_TRUE(response_.migrations(0).applied_now());
  EXPECT_EQ(response_.migrations(0).applied_at_ms(), 17);
  EXPECT_EQ(response_.migrations(0).duration_ms(), 4);
  EXPECT_EQ(response_.migrations(1).problem(), "why");
}

TEST_F(MigrationsTest, FilesThatBreakOffAreNotRun) {
  const grpc::Status status = Call({Message({"1_a.sql"}, false)});
  EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("nothing was run"));
  EXPECT_EQ(Call({}).error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(migrations_.posted(), 0U);
}

TEST_F(MigrationsTest, BadRequestsAreRefusedWithTheFix) {
  v1::RunMigrationsRequest options = Message({});
  options.mutable_options()->set_action(static_cast<v1::MigrationAction>(9));
  EXPECT_THAT(Call({options}).error_message(), HasSubstr("options.action is 9; it must be between 0 and 3"));
  options.mutable_options()->set_action(v1::MIGRATION_ACTION_RUN);
  EXPECT_THAT(Call({Message({}, false), options}).error_message(),
              HasSubstr("options come with the first message only"));
  EXPECT_THAT(Call({Message({}), Message({})}).error_message(), HasSubstr("nothing comes after the message"));
  EXPECT_THAT(Call({Message({std::string("\0", 1)})}).error_message(), HasSubstr("files.name must be UTF-8"));
  EXPECT_THAT(Call({Message({""})}).error_message(), HasSubstr("files.name is missing"));
  EXPECT_EQ(reason_, "REASON_INVALID_REQUEST");
  v1::RunMigrationsRequest large = Message({"1_a.sql"}, false);
  large.mutable_files(0)->set_sql(std::string(7 << 20, ' '));
  EXPECT_THAT(Call(std::vector<v1::RunMigrationsRequest>(10, large)).error_message(),
              HasSubstr("67108864 bytes together"));
  std::vector<std::string> names(kMigrationFilesMax + 1, "1_a.sql");
  EXPECT_THAT(Call({Message(names)}).error_message(), HasSubstr("10000 files"));
  EXPECT_EQ(migrations_.posted(), 0U);
}

TEST_F(MigrationsTest, ErrorsHaveTheirReason) {
  const std::vector<std::pair<absl::Status, std::string>> errors = {
      {absl::InvalidArgumentError("file"), "REASON_INVALID_REQUEST"},
      {absl::FailedPreconditionError("db/1_a.sql: line 3: no"), "REASON_MIGRATION_FAILED"},
      {absl::UnavailableError("gone"), "REASON_DATABASE_UNAVAILABLE"},
      {absl::InternalError("what"), "REASON_DATABASE_ERROR"}};
  std::size_t next = 0;
  migrations_.answer = [&](const MigrationRequest&) { return errors[next].first; };
  for (; next < errors.size(); ++next) {
    EXPECT_EQ(Call({Message({})}).error_message(), std::string(errors[next].first.message()));
    EXPECT_EQ(reason_, errors[next].second);
  }
}

TEST_F(MigrationsTest, OnlyAFewRunAndWaitAtATime) {
  std::promise<void> go;
  const std::shared_future<void> gone = go.get_future().share();
  migrations_.answer = [gone](const MigrationRequest&) -> absl::StatusOr<std::vector<MigrationEntry>> {
    gone.wait();
    return std::vector<MigrationEntry>();
  };
  std::vector<std::future<grpc::Status>> calls;
  for (int n = 0; n < MigrationCall::kMigrationCallsMax; ++n) {
    calls.push_back(std::async(std::launch::async, [this] {
      grpc::ClientContext context;
      v1::RunMigrationsResponse response;
      const auto writer = admin_->RunMigrations(&context, &response);
      writer->Write(Message({}));
      writer->WritesDone();
      return writer->Finish();
    }));
  }
  while (migrations_.posted() < calls.size()) std::this_thread::yield();
  EXPECT_EQ(Call({Message({})}).error_code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(reason_, "REASON_INFLIGHT_LIMIT");
  go.set_value();
  for (auto& call : calls) EXPECT_TRUE(call.get().ok());
  // A call makes room when gRPC is done with it, a moment after its answer.
  while (Call({Message({})}).error_code() == grpc::RESOURCE_EXHAUSTED) std::this_thread::yield();
}

TEST_F(MigrationsTest, ACallerMayGiveUpAndTheAnswerIsDropped) {
  std::promise<void> go;
  const std::shared_future<void> gone = go.get_future().share();  // the answer may come after this test
  migrations_.answer = [gone](const MigrationRequest&) -> absl::StatusOr<std::vector<MigrationEntry>> {
    gone.wait();
    return std::vector<MigrationEntry>();
  };
  grpc::ClientContext context;
  const auto writer = admin_->RunMigrations(&context, &response_);
  writer->Write(Message({}));
  writer->WritesDone();
  while (migrations_.posted() == 0) std::this_thread::yield();
  context.TryCancel();
  EXPECT_EQ(writer->Finish().error_code(), grpc::CANCELLED);
  go.set_value();
}

TEST_F(MigrationsTest, OneWhoGivesUpWhileSendingRunsNothing) {
  {
    grpc::ClientContext context;
    const auto writer = admin_->RunMigrations(&context, &response_);
    writer->Write(Message({"1_a.sql"}, false));
    context.TryCancel();
    EXPECT_FALSE(writer->Finish().ok());
  }
  EXPECT_EQ(Call({Message({}, false)}).error_code(), grpc::INVALID_ARGUMENT);  // the server goes on
  EXPECT_EQ(migrations_.posted(), 0U);
}

}  // namespace
}  // namespace dbos::sidecar
