#include <csignal>
#include <cstdio>

#include "sidecar/base/status.h"
#include "sidecar/server/commands.h"
#include "sidecar/server/exit_codes.h"
#include "sidecar/server/sidecar.h"
#include "sidecar/server/signals.h"

namespace dbos::sidecar {

int Fail(int code, const absl::Status& status) {
  std::fprintf(stderr, "dbos-sidecar: %s\n", Message(status).c_str());
  return code;
}

int ServeCommand(const Config& config) {
  ConfigureLogging(config.log_format, config.log_level);
  Signals signals;
  Sidecar sidecar(config);
  if (auto error = sidecar.Start(signals)) {
    return absl::IsCancelled(error->status) ? kExitOk : Fail(error->code, error->status);
  }
  while (true) {
    const auto signal = signals.Wait(absl::Seconds(1));
    if (signal && signal->number != SIGCHLD) break;
    sidecar.Supervise();
  }
  signals.Release();
  sidecar.Stop();
  return kExitOk;
}

}  // namespace dbos::sidecar
