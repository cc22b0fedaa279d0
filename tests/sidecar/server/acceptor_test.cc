#include "sidecar/server/acceptor.h"

#include <cstring>
#include <future>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sidecar/server/temporary_directory.h"

namespace dbos::sidecar {
namespace {

constexpr uid_t kNobody = 65534;

// Connects and waits for the other end: 'g' if it greets, 'c' if it closes.
char ConnectAndRead(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return 'x';
  char greeting = 'c';
  if (read(fd, &greeting, 1) != 1) greeting = 'c';
  close(fd);
  return greeting;
}

class AcceptorTest : public testing::Test {
 protected:
  AcceptorTest() {
    EXPECT_EQ(chmod(directory_.path().c_str(), 0755), 0);
    socket_ = *ListeningSocket::Reserve(path_, 0666);
    EXPECT_TRUE(socket_->Listen().ok());
  }

  static void Greet(int fd) {
    EXPECT_NE(fcntl(fd, F_GETFL) & O_NONBLOCK, 0) << "gRPC does not set it";
    EXPECT_NE(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0) << "children of dev mode must not keep it";
    EXPECT_EQ(write(fd, "g", 1), 1);
    close(fd);
  }

  // What a process of this user gets to see.
  char AskAs(uid_t uid) const {
    const pid_t child = fork();
    if (child == 0) {
      if (setuid(uid) != 0) _exit('s');
      _exit(ConnectAndRead(path_));
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return static_cast<char>(WEXITSTATUS(status));
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_ / "s";
  std::unique_ptr<ListeningSocket> socket_;
};

TEST_F(AcceptorTest, HandsOverConnectionsOfAllowedUsers) {
  const Acceptor acceptor(*socket_, {.any = false, .uids = {getuid()}}, Greet);
  EXPECT_EQ(ConnectAndRead(path_), 'g');
  EXPECT_EQ(ConnectAndRead(path_), 'g');
}

TEST_F(AcceptorTest, ClosesConnectionsOfOtherUsers) {
  ASSERT_EQ(getuid(), 0U) << "needs root to act as two users";
  const Acceptor acceptor(*socket_, {.any = false, .uids = {getuid()}}, Greet);
  EXPECT_EQ(AskAs(kNobody), 'c');
  EXPECT_EQ(AskAs(0), 'g');
}

TEST_F(AcceptorTest, AnyMeansAny) {
  ASSERT_EQ(getuid(), 0U) << "needs root to act as two users";
  const Acceptor acceptor(*socket_, {.any = true, .uids = {}}, Greet);
  EXPECT_EQ(AskAs(kNobody), 'g');
}

TEST_F(AcceptorTest, StopsWhileNobodyConnects) {
  auto acceptor = std::make_unique<Acceptor>(*socket_, AllowedPeers{.any = true, .uids = {}}, Greet);
  auto stopped = std::async(std::launch::async, [&] { acceptor.reset(); });
  EXPECT_EQ(stopped.wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

}  // namespace
}  // namespace dbos::sidecar
