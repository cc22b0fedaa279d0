#include "sidecar/server/child_process.h"

#include <csignal>
#include <system_error>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/match.h"

namespace dbos::sidecar {
namespace {

// What we block and ignore ourselves is not for the child to inherit.
class SpawnAttributes {
 public:
  SpawnAttributes() {
    sigset_t none;
    sigset_t defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_init(&attributes_);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &defaults);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnAttributes() { posix_spawnattr_destroy(&attributes_); }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;

  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

std::vector<std::string> EnvironmentWith(const ChildProcess::Variables& variables) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    bool replaced = false;
    for (const auto& [name, value] : variables) replaced = replaced || absl::StartsWith(*entry, name + "=");
    if (!replaced) all.emplace_back(*entry);
  }
  for (const auto& [name, value] : variables) all.push_back(name + "=" + value);
  return all;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

absl::StatusOr<ChildProcess> ChildProcess::Start(const std::vector<std::string>& command, const Variables& variables) {
  std::vector<std::string> arguments = command;
  std::vector<std::string> environment = EnvironmentWith(variables);
  const SpawnAttributes attributes;
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, command.front().c_str(), nullptr, attributes.get(), Pointers(arguments).data(),
                                 Pointers(environment).data());
  if (error == 0) return ChildProcess(pid);
  return absl::NotFoundError("cannot run " + command.front() + ": " + std::generic_category().message(error));
}

void ChildProcess::Send(int signal) const {
  kill(pid_, signal);
}

std::optional<int> ChildProcess::Ended() {
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace dbos::sidecar
