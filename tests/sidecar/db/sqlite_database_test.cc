#include "sidecar/db/sqlite/sqlite_database.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "sidecar/db/open.h"

namespace dbos::sidecar {
namespace {

TEST(SqliteDatabaseTest, NetworkFileSystemsAreKnownByTheirNumbers) {
  EXPECT_STREQ(NetworkFileSystem(0x6969), "NFS");
  EXPECT_STREQ(NetworkFileSystem(0xFF534D42), "CIFS");
  EXPECT_STREQ(NetworkFileSystem(0xFE534D42), "SMB 2");
  for (const std::uint32_t local : {0xEF53U, 0x01021994U, 0x794C7630U, 0x58465342U, 0x9123683EU, 0x2FC12FC1U}) {
    EXPECT_EQ(NetworkFileSystem(local), nullptr) << std::hex << local;  // ext4, tmpfs, overlay, XFS, Btrfs, ZFS
  }
  for (const std::uint32_t either : {0x01021997U, 0x65735546U}) EXPECT_EQ(NetworkFileSystem(either), nullptr);
}

TEST(SqliteDatabaseTest, AllConnectionsShareTheDatabaseInMemory) {
  const auto database = OpenDatabase("sqlite:///:memory:", "dbos");
  ASSERT_TRUE(database.ok());
  EXPECT_TRUE(database->in_memory);
  EXPECT_EQ(database->sqlite_path, "");
  const auto rows = [&] {
    const auto reader = OpenDatabase("sqlite://", "dbos")->connect(ConnectionRole::kReader);
    const auto found = reader->RunScript("SELECT count(*) FROM shared");
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() ? (*found)[0].Int(0) : -1;
  };
  {
    const auto writer = database->connect(ConnectionRole::kWriter);
    ASSERT_TRUE(writer->RunScript("CREATE TABLE shared (x INTEGER PRIMARY KEY)").ok());
    ASSERT_TRUE(writer->RunScript("INSERT INTO shared VALUES (1)").ok());
    EXPECT_EQ(rows(), 1);
    ASSERT_TRUE(absl::IsAlreadyExists(
        writer->RunScript("BEGIN IMMEDIATE; INSERT INTO shared VALUES (2); INSERT INTO shared VALUES (1)").status()));
    EXPECT_EQ(rows(), 1) << "rolled back";
  }
  EXPECT_EQ(rows(), 1) << "although nobody had it open";
  ASSERT_TRUE(database->connect(ConnectionRole::kWriter)->RunScript("DROP TABLE shared").ok());
}

}  // namespace
}  // namespace dbos::sidecar
