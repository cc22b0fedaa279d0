#include <sqlite3.h>

#include "gtest/gtest.h"

#include "sidecar/db/connection.h"
#include "sidecar/db/postgres/postgres_errors.h"
#include "sidecar/db/sqlite/sqlite_errors.h"

namespace dbos::sidecar {
namespace {

using absl::StatusCode;

TEST(PostgresErrorsTest, EveryKindOfErrorHasItsMeaning) {
  const std::pair<const char*, StatusCode> expected[] = {
      {"", StatusCode::kUnavailable},           {"08006", StatusCode::kUnavailable},
      {"57P01", StatusCode::kUnavailable},      {"57P03", StatusCode::kUnavailable},
      {"25006", StatusCode::kUnavailable},      {"25P03", StatusCode::kUnavailable},
      {"40003", StatusCode::kUnavailable},      {"53300", StatusCode::kUnavailable},
      {"40001", StatusCode::kAborted},          {"40P01", StatusCode::kAborted},
      {"55P03", StatusCode::kAborted},          {"0A000", StatusCode::kAborted},
      {"26000", StatusCode::kAborted},          {"53100", StatusCode::kResourceExhausted},
      {"57014", StatusCode::kDeadlineExceeded}, {"23505", StatusCode::kAlreadyExists},
      {"22021", StatusCode::kInvalidArgument},  {"23514", StatusCode::kInvalidArgument},
      {"54000", StatusCode::kInvalidArgument},  {"28P01", StatusCode::kPermissionDenied},
      {"42501", StatusCode::kPermissionDenied}, {"42P01", StatusCode::kFailedPrecondition},
      {"3D000", StatusCode::kNotFound},         {"42601", StatusCode::kInternal}};
  for (const auto& [sqlstate, code] : expected) EXPECT_EQ(ClassifySqlState(sqlstate), code) << sqlstate;
}

TEST(PostgresErrorsTest, SessionsThatCannotGoOnAreThrownAway) {
  for (const char* sqlstate : {"", "57P01", "25006", "26000", "0A000"}) EXPECT_TRUE(NeedsReconnect(sqlstate));
  for (const char* sqlstate : {"40001", "22021", "23505", "57014"}) EXPECT_FALSE(NeedsReconnect(sqlstate)) << sqlstate;
}

TEST(PostgresErrorsTest, OnlyWhatCannotPassEndsAStart) {
  const std::string refused = "server at \"a\" failed: FATAL:  password authentication failed for user \"shop\"";
  EXPECT_TRUE(absl::IsFailedPrecondition(ConnectError(refused)));
  EXPECT_TRUE(absl::IsFailedPrecondition(ConnectError("server certificate for \"a\" does not match host name \"b\"")));
  EXPECT_TRUE(absl::IsUnavailable(ConnectError(refused + "\nserver at \"b\" failed: Connection refused")));
  EXPECT_TRUE(
      absl::IsUnavailable(ConnectError("FATAL:  la base de donn\xC3\xA9"
                                       "es n'existe pas")));
}

TEST(SqliteErrorsTest, EveryKindOfErrorHasItsMeaning) {
  const std::pair<int, StatusCode> expected[] = {{SQLITE_BUSY, StatusCode::kAborted},
                                                 {SQLITE_BUSY_SNAPSHOT, StatusCode::kAborted},
                                                 {SQLITE_FULL, StatusCode::kResourceExhausted},
                                                 {SQLITE_READONLY, StatusCode::kFailedPrecondition},
                                                 {SQLITE_READONLY_DBMOVED, StatusCode::kFailedPrecondition},
                                                 {SQLITE_IOERR_WRITE, StatusCode::kUnavailable},
                                                 {SQLITE_CANTOPEN, StatusCode::kUnavailable},
                                                 {SQLITE_CONSTRAINT_PRIMARYKEY, StatusCode::kAlreadyExists},
                                                 {SQLITE_CONSTRAINT_TRIGGER, StatusCode::kInvalidArgument},
                                                 {SQLITE_TOOBIG, StatusCode::kInvalidArgument},
                                                 {SQLITE_CORRUPT, StatusCode::kDataLoss},
                                                 {SQLITE_ERROR, StatusCode::kInternal}};
  for (const auto& [code, status] : expected) EXPECT_EQ(ClassifySqliteCode(code), status) << code;
}

TEST(ErrorsTest, OnlyErrorsOfTheDataLetTheRestOfABatchGoOn) {
  EXPECT_TRUE(IsRefusedData(PostgresError("22021", "bad bytes")));
  EXPECT_TRUE(IsRefusedData(PostgresError("23505", "twice")));
  for (const char* sqlstate : {"", "40001", "53100", "25006", "42P01", "42601"}) {
    EXPECT_FALSE(IsRefusedData(PostgresError(sqlstate, "fault"))) << sqlstate;
  }
}

}  // namespace
}  // namespace dbos::sidecar
