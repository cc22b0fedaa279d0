#include "tests/e2e/program.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include <stdlib.h>
#include <unistd.h>

#include "sidecar/base/check.h"
#include "tests/e2e/process.h"

namespace dbos::sidecar {

Ended RunProgram(const std::vector<std::string>& command) {
  char path[] = "/tmp/dbos-program-XXXXXX";
  const int file = mkstemp(path);
  DBOS_CHECK(file >= 0);
  close(file);
  std::vector<std::string> found = {"/usr/bin/env"};
  found.insert(found.end(), command.begin(), command.end());
  Ended ended;
  ended.code = Process(found, {{}, path, "/tmp"}).Wait(absl::Seconds(60));
  std::ifstream in(path);
  ended.output.assign(std::istreambuf_iterator<char>(in), {});
  std::filesystem::remove(path);
  return ended;
}

Ended RunSidecarCommand(std::vector<std::string> command, const std::string& database_url) {
  command.insert(command.begin(), DBOS_SIDECAR_BINARY);
  command.insert(command.end(), {"--name", "crash-test", "--database", database_url});
  return RunProgram(command);
}

}  // namespace dbos::sidecar
