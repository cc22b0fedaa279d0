#include "tests/sidecar/server/program.h"

#include <chrono>
#include <csignal>
#include <thread>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace dbos::sidecar {
namespace {

constexpr std::chrono::seconds kPatience{30};

int CodeOf(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Program::Program(const TemporaryDirectory& directory, const std::string& name,
                 const std::vector<std::string>& arguments)
    : directory_(directory), log_(name + ".log") {
  std::vector<std::string> texts = {DBOS_SIDECAR_BINARY};
  texts.insert(texts.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  // Emptied before the program runs: what the one before it wrote must not be taken for its own.
  const int out = open((directory / log_).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  pid_ = fork();
  if (pid_ != 0) {
    close(out);
    return;
  }
  if (chdir(directory.path().c_str()) == 0 && dup2(out, STDOUT_FILENO) >= 0 && dup2(out, STDERR_FILENO) >= 0) {
    execv(DBOS_SIDECAR_BINARY, pointers.data());
  }
  _exit(127);
}

Program::~Program() {
  if (ended_) return;
  Send(SIGKILL);
  Wait();
}

void Program::Send(int signal) const {
  kill(pid_, signal);
}

int Program::Wait() {
  if (!ended_) {
    int status = 0;
    DBOS_CHECK(waitpid(pid_, &status, 0) == pid_);
    ended_ = true;
    code_ = CodeOf(status);
  }
  return code_;
}

bool Program::Ended() {
  int status = 0;
  if (!ended_ && waitpid(pid_, &status, WNOHANG) == pid_) {
    ended_ = true;
    code_ = CodeOf(status);
  }
  return ended_;
}

std::string Program::Output() const {
  return directory_.Read(log_);
}

bool Program::Prints(const std::string& text) {
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < give_up) {
    if (Output().find(text) != std::string::npos) return true;
    if (Ended()) return Output().find(text) != std::string::npos;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // paces the look at the log file
  }
  return false;
}

}  // namespace dbos::sidecar
