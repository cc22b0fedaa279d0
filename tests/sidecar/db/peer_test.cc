// Our system database beside the one that the official SDK makes.

#include <cstdlib>

#include <libpq-fe.h>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"

#include "tests/sidecar/db/catalog.h"

namespace dbos::sidecar {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Starts the SDK named by DBOS_TEST_PEER_DIR on this database, and stops it.
void LaunchSdk(const TestDatabase& database) {
  const std::string command = absl::StrCat("node '", DBOS_PEER_DIR, "/launch.mjs' '", database.url(), "' >&2");
  ASSERT_EQ(std::system(command.c_str()), 0) << command;  // NOLINT(concurrency-mt-unsafe)
}

TEST(PeerTest, SdkOnOurDatabaseChangesNoSchema) {
  const auto ours = TestDatabase::CreateMigrated(DatabaseKind::kPostgres);
  // Notes every DDL command, even one that changes nothing in the end.
  ours->Run(R"(
CREATE TABLE public.ddl (tag TEXT);
CREATE FUNCTION public.note() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.ddl VALUES (tg_tag); END';
CREATE EVENT TRIGGER note ON ddl_command_start EXECUTE FUNCTION public.note())");
  LaunchSdk(*ours);
  EXPECT_THAT(ours->Query("SELECT tag FROM public.ddl"), IsEmpty());
  EXPECT_THAT(ours->Query("SELECT version FROM dbos.dbos_migrations"), ElementsAre("123"));
}

class FunctionsTest : public testing::Test {
 protected:
  std::string ErrorOf(const std::string& sql) {
    const auto done = database_->Open().connect(ConnectionRole::kMigration)->RunScript(sql);
    return done.ok() ? "" : std::string(done.status().message());
  }
  std::unique_ptr<TestDatabase> database_ = TestDatabase::CreateMigrated(DatabaseKind::kPostgres);
};

TEST_F(FunctionsTest, EnqueueWorkflowWritesTheRowAndItsInput) {
  EXPECT_THAT(database_->Query(R"(SELECT dbos.enqueue_workflow('w', 'q', ARRAY[CAST('1' AS JSON), CAST('"a"' AS JSON)],
      CAST('{"k": 2}' AS JSON), workflow_id => 'id-1', priority => 3, application_name => 'shop'))"),
              ElementsAre("id-1"));
  EXPECT_THAT(database_->Query("SELECT status, name, queue_name, priority, recovery_attempts, serialization, "
                               "owner_xid IS NOT NULL, creator_xid, executor_id, application_name, "
                               "created_at = updated_at FROM dbos.workflow_status"),
              ElementsAre("ENQUEUED,w,q,3,0,portable_json,t,-,-,shop,t"));
  EXPECT_THAT(database_->Query("SELECT inputs FROM dbos.workflow_input"),
              ElementsAre(R"({"positionalArgs" : [1,"a"], "namedArgs" : {"k": 2}})"));
}

TEST_F(FunctionsTest, EnqueueWorkflowAgainKeepsTheRow) {
  database_->Run("SELECT dbos.enqueue_workflow('w', 'q', workflow_id => 'id-1')");
  database_->Run("SELECT dbos.enqueue_workflow('other', 'q2', workflow_id => 'id-1')");
  EXPECT_THAT(database_->Query("SELECT name, queue_name FROM dbos.workflow_status"), ElementsAre("w,q"));
  EXPECT_THAT(database_->Query("SELECT inputs FROM dbos.workflow_input"),
              ElementsAre(R"({"positionalArgs" : [], "namedArgs" : {}})"));
}

TEST_F(FunctionsTest, DelayedWorkflowsAreDelayed) {
  database_->Run("SELECT dbos.enqueue_workflow('w', 'q', delay_until_epoch_ms => 5)");
  EXPECT_THAT(database_->Query("SELECT status, delay_until_epoch_ms FROM dbos.workflow_status"),
              ElementsAre("DELAYED,5"));
}

TEST_F(FunctionsTest, BadArgumentsAreRefusedInTheSdksWords) {
  EXPECT_THAT(ErrorOf("SELECT dbos.enqueue_workflow('', 'q')"),
              testing::HasSubstr("Workflow name cannot be null or empty"));
  EXPECT_THAT(ErrorOf("SELECT dbos.enqueue_workflow('w', NULL)"),
              testing::HasSubstr("Queue name cannot be null or empty"));
  EXPECT_THAT(ErrorOf("SELECT dbos.enqueue_workflow('w', 'q', named_args => CAST('[]' AS JSON))"),
              testing::HasSubstr("Named args must be a JSON object"));
  EXPECT_THAT(ErrorOf("SELECT dbos.enqueue_workflow('w', 'q', workflow_id => '')"),
              testing::HasSubstr("Workflow ID cannot be an empty string if provided."));
  EXPECT_THAT(ErrorOf("SELECT dbos.enqueue_workflow('w', 'q', delay_until_epoch_ms => -1)"),
              testing::HasSubstr("delay_until_epoch_ms must be >= 0"));
}

TEST_F(FunctionsTest, TakenDeduplicationIdIsRefused) {
  database_->Run("SELECT dbos.enqueue_workflow('w', 'q', deduplication_id => 'd')");
  EXPECT_THAT(ErrorOf("SELECT dbos.enqueue_workflow('w', 'q', deduplication_id => 'd')"),
              testing::AllOf(testing::HasSubstr("DBOS queue duplicated"), testing::HasSubstr("23505")));
}

TEST_F(FunctionsTest, SendMessageStoresItOnceAndNotifies) {
  EXPECT_THAT(ErrorOf("SELECT dbos.send_message('nobody', CAST('1' AS JSON))"),
              testing::AllOf(testing::HasSubstr("DBOS non-existent workflow"), testing::HasSubstr("23503")));
  database_->Run("SELECT dbos.enqueue_workflow('w', 'q', workflow_id => 'id-1')");
  PGconn* listener = PQconnectdb(database_->url().c_str());
  PQclear(PQexec(listener, "LISTEN dbos_notifications_channel"));
  for (int times = 0; times < 2; ++times) {
    database_->Run("SELECT dbos.send_message('id-1', CAST('{\"a\": 1}' AS JSON), message_id => 'm')");
  }
  EXPECT_THAT(database_->Query("SELECT message_uuid, topic, message, serialization, consumed FROM dbos.notifications"),
              ElementsAre("m,__null__topic__,{\"a\": 1},portable_json,f"));
  PQclear(PQexec(listener, "SELECT 1"));
  PGnotify* notice = PQnotifies(listener);
  ASSERT_NE(notice, nullptr);
  EXPECT_STREQ(notice->extra, "id-1::__null__topic__");
  PQfreemem(notice);
  EXPECT_EQ(PQnotifies(listener), nullptr);
  PQfinish(listener);
}

}  // namespace
}  // namespace dbos::sidecar
