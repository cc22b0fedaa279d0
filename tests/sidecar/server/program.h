// Program: the real dbos-sidecar in a directory of the test, with what it prints.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "tests/sidecar/server/temporary_directory.h"

namespace dbos::sidecar {

class Program {
 public:
  // Runs in `directory`; standard output and error go to the file `name`.log there.
  Program(const TemporaryDirectory& directory, const std::string& name, const std::vector<std::string>& arguments);
  ~Program();  // kills it, if it still runs
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const { return pid_; }
  void Send(int signal) const;
  // Its exit code; 128 + signal if it was killed.
  int Wait();
  bool Ended();
  std::string Output() const;
  // False if the program ended, or 30 s passed, before it printed `text`.
  bool Prints(const std::string& text);

 private:
  const TemporaryDirectory& directory_;
  const std::string log_;
  pid_t pid_ = 0;
  bool ended_ = false;
  int code_ = 0;
};

}  // namespace dbos::sidecar
