// What makes the kernel notice a server that is gone without a word: the socket's own settings.
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "sidecar/db/open.h"

namespace dbos::sidecar {
namespace {

std::set<int> TcpSockets() {
  std::set<int> sockets;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    int protocol = 0;
    socklen_t size = sizeof(protocol);
    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 && protocol == IPPROTO_TCP) sockets.insert(fd);
  }
  return sockets;
}

class PostgresSocketsTest : public testing::Test {
 protected:
  // Connects with these parameters of the URL.
  void Connect(const std::string& parameters) {
    const char* server = std::getenv("DBOS_TEST_POSTGRES_TCP_URL");  // NOLINT(concurrency-mt-unsafe): one thread
    ASSERT_NE(server, nullptr) << "run by tests/run";
    connection_.reset();
    const std::set<int> before = TcpSockets();
    connection_ = OpenDatabase(server + parameters, "dbos")->connect(ConnectionRole::kWriter);
    ASSERT_TRUE(connection_->RunScript("SELECT 1").ok());
    std::set<int> opened = TcpSockets();
    for (const int fd : before) opened.erase(fd);
    ASSERT_EQ(opened.size(), 1U);
    socket_ = *opened.begin();
  }
  int Option(int level, int name) const {
    int value = -1;
    socklen_t size = sizeof(value);
    EXPECT_EQ(getsockopt(socket_, level, name, &value, &size), 0);
    return value;
  }

  std::unique_ptr<Connection> connection_;
  int socket_ = -1;
};

TEST_F(PostgresSocketsTest, ADeadServerIsNoticedWithinHalfAMinute) {
  ASSERT_NO_FATAL_FAILURE(Connect(""));
  EXPECT_EQ(Option(SOL_SOCKET, SO_KEEPALIVE), 1);
  const int waiting =
      Option(IPPROTO_TCP, TCP_KEEPIDLE) + Option(IPPROTO_TCP, TCP_KEEPINTVL) * Option(IPPROTO_TCP, TCP_KEEPCNT);
  EXPECT_GT(waiting, 0);
  EXPECT_LE(waiting, 30) << "seconds, for an answer that does not come";
  EXPECT_EQ(Option(IPPROTO_TCP, TCP_USER_TIMEOUT), 25'000) << "milliseconds, for what was sent and not received";
}

TEST_F(PostgresSocketsTest, TheUrlDecides) {
  ASSERT_NO_FATAL_FAILURE(Connect("?keepalives_idle=7&keepalives_interval=2&keepalives_count=4&tcp_user_timeout=9000"));
  EXPECT_EQ(Option(IPPROTO_TCP, TCP_KEEPIDLE), 7);
  EXPECT_EQ(Option(IPPROTO_TCP, TCP_KEEPINTVL), 2);
  EXPECT_EQ(Option(IPPROTO_TCP, TCP_KEEPCNT), 4);
  EXPECT_EQ(Option(IPPROTO_TCP, TCP_USER_TIMEOUT), 9'000);
  ASSERT_NO_FATAL_FAILURE(Connect("?keepalives=0"));
  EXPECT_EQ(Option(SOL_SOCKET, SO_KEEPALIVE), 0);
}

}  // namespace
}  // namespace dbos::sidecar
