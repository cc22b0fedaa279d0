// PostgresServer: a PostgreSQL server that a test has for itself, to be stopped, killed and started again on the same
// directory, socket and port. deploy/ci/postgres.sh says where its programs are, and from what it is copied.
//
// Threads:  one. Blocking: Start until it accepts connections, the others until it has ended; 30 s at most.
// Lifetime: the destructor kills it and removes its directory.
// Errors:   CHECKs, after printing its log.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/process.h"

namespace dbos::sidecar {

// The command, run as the user that PostgreSQL's programs want: they refuse root.
std::vector<std::string> AsPostgresUser(const std::vector<std::string>& command);
void GiveToPostgresUser(const std::string& path);
// Of 127.0.0.1; another process may take it before it is used.
std::uint16_t FreePort();

class PostgresServer {
 public:
  // Listens on the socket in its directory, and on a free port of 127.0.0.1 and ::1. `settings`: "name=value".
  explicit PostgresServer(const std::vector<std::string>& settings = {});
  // A standby of `primary`, which must have been started.
  PostgresServer(const PostgresServer& primary, const std::vector<std::string>& settings);
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  void Start();
  enum class Mode { kFast, kImmediate };
  void Stop(Mode mode);
  void Kill();  // SIGKILL: its backends notice by themselves

  // Of a superuser, over the socket.
  std::string Url(const std::string& database = "postgres") const;
  std::string directory() const { return directory_; }
  std::uint16_t port() const { return port_; }
  // The first column. CHECKs that the statement succeeds.
  std::vector<std::string> Query(const std::string& sql, const std::string& database = "postgres") const;
  // Writes a file of the data directory, such as pg_hba.conf or a key: mode 0600, the server's.
  void WriteFile(const std::string& name, const std::string& content) const;

 private:
  void MakeDirectory();
  void RunProgram(const std::vector<std::string>& command) const;  // to its end, as the server's user
  std::string Data() const { return directory_ + "/data"; }
  [[noreturn]] void Fail(const std::string& why) const;

  const std::vector<std::string> settings_;
  std::string directory_;
  std::uint16_t port_ = 0;
  std::unique_ptr<Process> process_;
};

}  // namespace dbos::sidecar
