#include "sidecar/server/password_source.h"

#include <array>
#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

#include "sidecar/base/status.h"
#include "sidecar/server/small_file.h"

namespace dbos::sidecar {
namespace {

constexpr std::size_t kOutputBytesMax = 64 << 10;

absl::Status NoPassword(const std::string& why) {
  return absl::UnavailableError(absl::StrCat("no password for the database: ", why));
}

// A shell in a process group of its own, so that what it starts can be ended with it.
class Shell {
 public:
  Shell(const std::string& command, int output) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    std::array<std::string, 3> words = {"sh", "-c", command};
    const std::array<char*, 4> arguments = {words[0].data(), words[1].data(), words[2].data(), nullptr};
    if (posix_spawn(&pid_, "/bin/sh", &actions, &attributes, arguments.data(), environ) != 0) pid_ = 0;
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
  }
  ~Shell() {
    if (pid_ == 0) return;
    kill(-pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;

  bool started() const { return pid_ != 0; }

  // 0: it ended well.
  int Wait() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    return status;
  }

 private:
  pid_t pid_ = 0;
};

// All that comes until the other side closes. Empty handed: the time is over, or it is too much.
absl::StatusOr<std::string> ReadOutput(int fd, absl::Duration within) {
  const absl::Time deadline = absl::Now() + within;
  std::string output;
  std::array<char, 4096> buffer{};
  while (true) {
    pollfd wait = {.fd = fd, .events = POLLIN, .revents = 0};
    const auto left = absl::ToInt64Milliseconds(deadline - absl::Now());
    const int ready = left <= 0 ? 0 : poll(&wait, 1, static_cast<int>(left));
    if (ready == 0) {
      return NoPassword(absl::StrCat("the password command did not end within ", absl::FormatDuration(within)));
    }
    if (ready < 0) continue;
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return output;
    output.append(buffer.data(), static_cast<std::size_t>(got));
    if (output.size() > kOutputBytesMax) return NoPassword("the password command printed more than 64 KiB");
  }
}

absl::StatusOr<std::string> RunPasswordCommand(const std::string& command, absl::Duration within) {
  std::array<int, 2> pipe_fds{};
  if (pipe2(pipe_fds.data(), O_CLOEXEC) != 0) return NoPassword("no pipe for the password command");
  Shell shell(command, pipe_fds[1]);
  close(pipe_fds[1]);
  absl::StatusOr<std::string> output =
      shell.started() ? ReadOutput(pipe_fds[0], within) : NoPassword("/bin/sh cannot be started");
  close(pipe_fds[0]);
  RETURN_IF_ERROR(output.status());
  const int status = shell.Wait();
  if (status != 0) {
    return NoPassword(absl::StrCat("the password command failed (",
                                   WIFEXITED(status) ? absl::StrCat("exit code ", WEXITSTATUS(status)) : "killed",
                                   ")"));
  }
  while (!output->empty() && (output->back() == '\n' || output->back() == '\r')) output->pop_back();
  return output->empty() ? NoPassword("the password command printed nothing") : output;
}

}  // namespace

PasswordSource PasswordSourceOf(const Config& config, absl::Duration command_max) {
  if (!config.password_file.empty()) {
    return [path = config.password_file]() -> absl::StatusOr<std::string> {
      absl::StatusOr<std::string> password = ReadSecretFile(path);
      if (!password.ok()) return NoPassword(Message(password.status()));
      return password->empty() ? NoPassword(absl::StrCat(path, " is empty")) : password;
    };
  }
  if (config.password_command.empty()) return {};
  return [command = config.password_command, command_max] { return RunPasswordCommand(command, command_max); };
}

}  // namespace dbos::sidecar
