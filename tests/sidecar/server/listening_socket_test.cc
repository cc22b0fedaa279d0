#include "sidecar/server/listening_socket.h"

#include <cstring>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sidecar/base/status.h"
#include "tests/sidecar/server/temporary_directory.h"

namespace dbos::sidecar {
namespace {

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// A socket that some other program made.
int ForeignSocket(const std::string& path, int type = SOCK_STREAM) {
  const int fd = socket(AF_UNIX, type, 0);
  const sockaddr_un address = AddressOf(path);
  EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  return fd;
}

bool Connects(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  const sockaddr_un address = AddressOf(path);
  const bool connected = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return connected;
}

mode_t ModeOf(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(lstat(path.c_str(), &info), 0);
  return info.st_mode & 0777;
}

TEST(SocketPathTest, UnderstandsTheFormsOfGrpc) {
  EXPECT_EQ(*SocketPath("unix:./.dbos/sidecar.sock"), "./.dbos/sidecar.sock");
  EXPECT_EQ(*SocketPath("unix:/run/dbos/sidecar.sock"), "/run/dbos/sidecar.sock");
  EXPECT_EQ(*SocketPath("unix:///run/dbos/sidecar.sock"), "/run/dbos/sidecar.sock");
  EXPECT_EQ(*SocketPath("sidecar.sock"), "sidecar.sock");
}

TEST(SocketPathTest, RefusesWhatIsNotAUnixSocketAndSaysWhatIs) {
  for (const char* address : {"tcp://localhost:1", "http://x", "unix-abstract:dbos", "unix:", "unix://host/path",
                              "localhost:50051", "tcp:1.2.3.4:1"}) {
    const auto path = SocketPath(address);
    ASSERT_FALSE(path.ok()) << address;
    EXPECT_NE(Message(path.status()).find("unix:///absolute/path"), std::string::npos);
  }
}

TEST(SocketPathTest, NamesTheSystemsLimit) {
  EXPECT_TRUE(SocketPath("unix:" + std::string(107, 'x')).ok());
  const auto path = SocketPath("unix:" + std::string(108, 'x'));
  ASSERT_FALSE(path.ok());
  EXPECT_NE(Message(path.status()).find("108 bytes, the system's limit is 107"), std::string::npos);
}

TEST(ListeningSocketTest, MakesAPrivateDirectoryAndSocket) {
  const TemporaryDirectory directory;
  const std::string path = directory / "run/sidecar.sock";
  const auto socket = ListeningSocket::Reserve(path, kPrivateSocketMode);
  ASSERT_TRUE(socket.ok()) << Message(socket.status());
  ASSERT_TRUE((*socket)->Listen().ok());
  EXPECT_EQ(ModeOf(directory / "run"), 0700U);
  EXPECT_EQ(ModeOf(path), 0600U);
  EXPECT_TRUE(Connects(path));
}

TEST(ListeningSocketTest, OpensItToEveryoneWhenAskedWhateverTheUmask) {
  const TemporaryDirectory directory;
  const mode_t before = umask(077);
  const auto socket = ListeningSocket::Reserve(directory / "s", 0666);
  ASSERT_TRUE(socket.ok());
  ASSERT_TRUE((*socket)->Listen().ok());
  umask(before);
  EXPECT_EQ(ModeOf(directory / "s"), 0666U);
}

TEST(ListeningSocketTest, ReplacesAStaleSocket) {
  const TemporaryDirectory directory;
  close(ForeignSocket(directory / "s"));
  ASSERT_FALSE(Connects(directory / "s"));
  const auto socket = ListeningSocket::Reserve(directory / "s", kPrivateSocketMode);
  ASSERT_TRUE(socket.ok()) << Message(socket.status());
  ASSERT_TRUE((*socket)->Listen().ok());
  EXPECT_TRUE(Connects(directory / "s"));
}

TEST(ListeningSocketTest, NeverTakesALiveSidecarsSocketAndNamesItsPid) {
  const TemporaryDirectory directory;
  const auto first = ListeningSocket::Reserve(directory / "s", kPrivateSocketMode);
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE((*first)->Listen().ok());
  const auto second = ListeningSocket::Reserve(directory / "s", kPrivateSocketMode);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_NE(Message(second.status()).find("process " + std::to_string(getpid())), std::string::npos);
  EXPECT_TRUE(Connects(directory / "s"));
}

TEST(ListeningSocketTest, NeverTakesAnotherProgramsLiveSocket) {
  const TemporaryDirectory directory;
  const int foreign = ForeignSocket(directory / "s");
  ASSERT_EQ(listen(foreign, 1), 0);
  const auto socket = ListeningSocket::Reserve(directory / "s", kPrivateSocketMode);
  EXPECT_EQ(socket.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(Connects(directory / "s"));
  close(foreign);
}

TEST(ListeningSocketTest, NeverTakesALiveSocketThatIsNoStream) {
  const TemporaryDirectory directory;
  const int foreign = ForeignSocket(directory / "s", SOCK_DGRAM);
  const auto socket = ListeningSocket::Reserve(directory / "s", kPrivateSocketMode);
  EXPECT_EQ(socket.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(std::filesystem::exists(directory / "s"));
  close(foreign);
}

TEST(ListeningSocketTest, DoesNotRemoveAFileThatIsNotASocket) {
  const TemporaryDirectory directory;
  directory.Write("s", "precious");
  const auto socket = ListeningSocket::Reserve(directory / "s", kPrivateSocketMode);
  ASSERT_FALSE(socket.ok());
  EXPECT_NE(Message(socket.status()).find("is not a socket"), std::string::npos);
  EXPECT_EQ(directory.Read("s"), "precious");
}

TEST(ListeningSocketTest, RefusesADirectoryInWhichAnyoneCouldReplaceIt) {
  const TemporaryDirectory directory;
  ASSERT_EQ(chmod(directory.path().c_str(), 0777), 0);
  const auto refused = ListeningSocket::Reserve(directory / "s", kPrivateSocketMode);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(Message(refused.status()).find("chmod o-w"), std::string::npos);
  EXPECT_TRUE(ListeningSocket::Reserve(directory / "s", 0666).ok()) << "on a shared volume the mount is the boundary";
  ASSERT_EQ(chmod(directory.path().c_str(), 01777), 0);
  EXPECT_TRUE(ListeningSocket::Reserve(directory / "t", kPrivateSocketMode).ok()) << "sticky, like /tmp";
}

TEST(ListeningSocketTest, RemovesOnlyItsOwnSocket) {
  const TemporaryDirectory directory;
  {
    const auto socket = ListeningSocket::Reserve(directory / "s", kPrivateSocketMode);
    ASSERT_TRUE((*socket)->Listen().ok());
  }
  EXPECT_FALSE(std::filesystem::exists(directory / "s"));
  int replacement = -1;
  {
    const auto socket = ListeningSocket::Reserve(directory / "s", kPrivateSocketMode);
    ASSERT_TRUE((*socket)->Listen().ok());
    std::filesystem::rename(directory / "s", directory / "old");
    replacement = ForeignSocket(directory / "s");
  }
  EXPECT_TRUE(std::filesystem::exists(directory / "s"));
  close(replacement);
}

}  // namespace
}  // namespace dbos::sidecar
