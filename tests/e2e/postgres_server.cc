#include "tests/e2e/postgres_server.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sidecar/base/check.h"

namespace dbos::sidecar {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) std::fprintf(stderr, "%s is not set: run by tests/run\n", name);
  DBOS_CHECK(value != nullptr);
  return value;
}

std::string Program(const std::string& name) {
  return Environment("DBOS_TEST_POSTGRES_BINARIES") + "/" + name;
}

}  // namespace

std::vector<std::string> AsPostgresUser(const std::vector<std::string>& command) {
  std::vector<std::string> all = {"/usr/bin/env", "setpriv", "--pdeathsig", "INT"};
  if (geteuid() == 0) {
    const std::string user = Environment("DBOS_TEST_POSTGRES_USER");
    const passwd* known = getpwnam(user.c_str());
    DBOS_CHECK(known != nullptr);
    all.insert(all.end(), {"--reuid", user, "--regid", std::to_string(known->pw_gid), "--clear-groups"});
  }
  all.insert(all.end(), command.begin(), command.end());
  return all;
}

void GiveToPostgresUser(const std::string& path) {
  if (geteuid() != 0) return;
  const passwd* known = getpwnam(Environment("DBOS_TEST_POSTGRES_USER").c_str());
  DBOS_CHECK(known != nullptr && chown(path.c_str(), known->pw_uid, known->pw_gid) == 0);
}

std::uint16_t FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = static_cast<sockaddr*>(static_cast<void*>(&address));
  DBOS_CHECK(bind(fd, generic, size) == 0 && getsockname(fd, generic, &size) == 0);
  close(fd);
  return ntohs(address.sin_port);
}

PostgresServer::PostgresServer(const std::vector<std::string>& settings) : settings_(settings) {
  MakeDirectory();
  RunProgram({"/bin/cp", "-r", "--preserve=mode", Environment("DBOS_TEST_POSTGRES_PRISTINE"), Data()});
}

PostgresServer::PostgresServer(const PostgresServer& primary, const std::vector<std::string>& settings)
    : settings_(settings) {
  MakeDirectory();
  RunProgram({Program("pg_basebackup"), "-d", primary.Url(), "-D", Data(), "--write-recovery-conf", "--no-sync",
              "--checkpoint=fast"});
}

PostgresServer::~PostgresServer() {
  if (process_ != nullptr) Stop(Mode::kImmediate);
  std::filesystem::remove_all(directory_);
}

void PostgresServer::MakeDirectory() {
  char path[] = "/tmp/dbos-server-XXXXXX";
  DBOS_CHECK(mkdtemp(path) != nullptr);
  directory_ = path;
  GiveToPostgresUser(directory_);
}

void PostgresServer::RunProgram(const std::vector<std::string>& command) const {
  Process process(AsPostgresUser(command), {{}, directory_ + "/log", directory_});
  if (process.Wait(kPatience) != 0) Fail(command.front() + " failed");
}

// Another process may take the port of a server that was never started, and what a killed one left behind may keep the
// next from starting: both are tried again.
void PostgresServer::Start() {
  const absl::Duration end = SinceBoot() + kPatience;
  const bool had_port = port_ != 0;
  while (SinceBoot() < end) {
    if (!had_port) port_ = FreePort();
    std::vector<std::string> command = {Program("postgres"), "-D", Data()};
    for (const std::string& setting : {"port=" + std::to_string(port_), std::string("listen_addresses=127.0.0.1,::1"),
                                       "unix_socket_directories=" + directory_, std::string("fsync=off")}) {
      command.insert(command.end(), {"-c", setting});
    }
    for (const std::string& setting : settings_) command.insert(command.end(), {"-c", setting});
    process_ =
        std::make_unique<Process>(AsPostgresUser(command), Process::Options{{}, directory_ + "/log", directory_});
    while (process_->Running() && SinceBoot() < end) {
      if (PQping(Url().c_str()) == PQPING_OK) return;
      Pause(absl::Milliseconds(20));
    }
  }
  Fail("the server does not start");
}

void PostgresServer::Stop(Mode mode) {
  DBOS_CHECK(process_ != nullptr);
  if (process_->Running()) kill(process_->pid(), mode == Mode::kFast ? SIGINT : SIGQUIT);
  if (process_->Wait(kPatience) < 0) Fail("the server does not stop");
  process_.reset();
}

void PostgresServer::Kill() {
  DBOS_CHECK(process_ != nullptr);
  process_->Kill();
  process_->Wait(kPatience);
  process_.reset();
}

std::string PostgresServer::Url(const std::string& database) const {
  return "postgresql://postgres@/" + database + "?host=" + directory_ + "&port=" + std::to_string(port_);
}

std::vector<std::string> PostgresServer::Query(const std::string& sql, const std::string& database) const {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(Url(database).c_str()), &PQfinish);
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection.get(), sql.c_str()), &PQclear);
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) Fail(PQerrorMessage(connection.get()));
  std::vector<std::string> values;
  for (int row = 0; row < PQntuples(result.get()); ++row) values.emplace_back(PQgetvalue(result.get(), row, 0));
  return values;
}

void PostgresServer::WriteFile(const std::string& name, const std::string& content) const {
  const std::string path = Data() + "/" + name;
  std::ofstream(path) << content;
  std::filesystem::permissions(path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  GiveToPostgresUser(path);
}

void PostgresServer::Fail(const std::string& why) const {
  std::ifstream log(directory_ + "/log");
  const std::string text{std::istreambuf_iterator<char>(log), std::istreambuf_iterator<char>()};
  std::fprintf(stderr, "%s\n%s\n", why.c_str(), text.c_str());
  std::abort();
}

}  // namespace dbos::sidecar
