#include "tests/e2e/process.h"

#include <chrono>
#include <cstdlib>
#include <thread>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sidecar/base/check.h"

namespace dbos::sidecar {

void Pause(absl::Duration duration) {
  std::this_thread::sleep_for(absl::ToChronoNanoseconds(duration));
}

absl::Duration SinceBoot() {
  return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

Process::Process(const std::vector<std::string>& command, const Options& options) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_ = fork();
  DBOS_CHECK(pid_ >= 0);
  if (pid_ > 0) return;
  for (const auto& [name, value] : options.environment) setenv(name.c_str(), value.c_str(), 1);
  if (!options.directory.empty() && chdir(options.directory.c_str()) != 0) _exit(126);
  if (!options.output.empty()) {
    const int file = open(options.output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (file < 0 || dup2(file, STDOUT_FILENO) < 0 || dup2(file, STDERR_FILENO) < 0) _exit(126);
  }
  execv(arguments[0], arguments.data());
  _exit(127);
}

Process::~Process() {
  if (!Running()) return;
  Kill();
  Wait(absl::Seconds(10));
}

void Process::Signal(int signal) {
  if (!ended_) kill(pid_, signal);
}

void Process::Stop() {
  Signal(SIGSTOP);
  DBOS_CHECK(WaitStopped(absl::Seconds(10)));
}

void Process::Continue() {
  Signal(SIGCONT);
}
void Process::Terminate() {
  Signal(SIGTERM);
}

int Process::Wait(absl::Duration timeout) {
  Eventually(timeout, [this] { return !Running(); });
  return exit_code_;
}

bool Process::Running() {
  if (ended_) return false;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return true;
  ended_ = true;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return false;
}

bool Process::WaitStopped(absl::Duration timeout) {
  const std::string path = "/proc/" + std::to_string(pid_) + "/stat";
  return Eventually(timeout, [&] {
    FILE* file = std::fopen(path.c_str(), "r");
    if (file == nullptr) return false;
    char state = '?';
    const int fields = std::fscanf(file, "%*d %*[^)]) %c", &state);
    std::fclose(file);
    return fields == 1 && state == 'T';
  });
}

}  // namespace dbos::sidecar
