// `dbos-sidecar dev -- app`: sidecar and application as one thing on a developer's machine.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>

#include "absl/time/clock.h"

#include "sidecar/base/status.h"
#include "sidecar/server/child_process.h"
#include "sidecar/server/commands.h"
#include "sidecar/server/database.h"
#include "sidecar/server/exit_codes.h"
#include "sidecar/server/sidecar.h"

namespace dbos::sidecar {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(200);
constexpr absl::Duration kLongestPause = absl::Seconds(10);
constexpr absl::Duration kHealthyRun = absl::Seconds(10);
constexpr int kSignalledExit = 128;

// The application, started again after a pause whenever it crashes.
class Application {
 public:
  Application(std::vector<std::string> command, ChildProcess::Variables variables)
      : command_(std::move(command)), variables_(std::move(variables)) {}

  absl::Status Start() {
    absl::StatusOr<ChildProcess> child = ChildProcess::Start(command_, variables_);
    if (!child.ok()) return child.status();
    child_ = *std::move(child);
    started_ = absl::Now();
    return absl::OkStatus();
  }

  // Its exit code once it ended for good: well, or because it was told to stop.
  std::optional<int> Look() {
    if (!child_) return stopping_ ? std::optional<int>(kExitOk) : std::nullopt;
    const std::optional<int> code = child_->Ended();
    if (!code) return std::nullopt;
    child_.reset();
    const bool told = stopping_ && (*code == kSignalledExit + SIGTERM || *code == kSignalledExit + SIGINT);
    if (*code == 0 || stopping_) return told ? kExitOk : *code;
    if (absl::Now() - started_ > kHealthyRun) pause_ = kFirstPause;
    RestartLater("the application ended with code " + std::to_string(*code));
    return std::nullopt;
  }

  // A program that cannot be run now is perhaps being built again.
  void RestartIfDue() {
    if (child_ || stopping_ || absl::Now() < restart_) return;
    if (const absl::Status status = Start(); !status.ok()) RestartLater(Message(status));
  }

  void Stop(const Signals::Received& signal) {
    stopping_ = true;
    if (child_ && !signal.from_terminal) child_->Send(signal.number);  // the terminal has told it already
  }

  void Kill() {
    if (child_) child_->Send(SIGKILL);
  }

  absl::Duration NextLook() const {
    if (child_ || stopping_) return absl::Seconds(1);
    return std::clamp(restart_ - absl::Now(), absl::Milliseconds(1), absl::Seconds(1));
  }

 private:
  void RestartLater(const std::string& why) {
    std::fprintf(stderr, "dbos-sidecar: %s; starting it again in %s\n", why.c_str(),
                 absl::FormatDuration(pause_).c_str());
    restart_ = absl::Now() + std::exchange(pause_, std::min(pause_ * 2, kLongestPause));
  }

  const std::vector<std::string> command_;
  const ChildProcess::Variables variables_;
  std::optional<ChildProcess> child_;
  absl::Time started_;
  absl::Time restart_;
  absl::Duration pause_ = kFirstPause;
  bool stopping_ = false;
};

void PrintBanner(const Config& config, const Sidecar& sidecar) {
  std::fprintf(stderr,
               "dbos-sidecar %s\n  application  %s (its version follows when it attaches)\n  socket       %s\n"
               "  database     %s, schema version %d\n\n"
               "Workflows: dbos-sidecar workflow list --name %s\nCtrl-C stops both.\n\n",
               kVersion, config.name.c_str(), sidecar.address().c_str(),
               DescribeDatabase(config.system_database_url).c_str(), sidecar.schema_version(), config.name.c_str());
}

int RunUntilEnd(Application& application, Sidecar& sidecar, Signals& signals, absl::Duration patience) {
  absl::Time kill_at = absl::InfiniteFuture();
  while (true) {
    const auto signal = signals.Wait(application.NextLook());
    if (signal && signal->number != SIGCHLD) {
      application.Stop(*signal);
      kill_at = std::min(kill_at, absl::Now() + patience);
    }
    if (const std::optional<int> code = application.Look()) return *code;
    if (absl::Now() > kill_at) application.Kill();
    application.RestartIfDue();
    sidecar.Supervise();
  }
}

}  // namespace

int DevCommand(Config config, const std::vector<std::string>& command) {
  if (config.name.empty()) config.name = SanitisedName(std::filesystem::current_path().filename().string());
  if (absl::Status status = CompleteConfig(config); !status.ok()) return Fail(kExitUsage, status);
  ConfigureLogging(config.log_format, config.log_level);
  Signals signals;
  Sidecar sidecar(config);
  if (auto error = sidecar.Start(signals)) {
    return absl::IsCancelled(error->status) ? kExitOk : Fail(error->code, error->status);
  }
  PrintBanner(config, sidecar);
  Application application(command, {{"DBOS_SIDECAR_ADDRESS", sidecar.address()}, {"DBOS_APP_NAME", config.name}});
  if (absl::Status status = application.Start(); !status.ok()) return Fail(kExitUsage, status);
  const int code = RunUntilEnd(application, sidecar, signals, config.drain_timeout);
  signals.Release();
  sidecar.Stop();
  return code;
}

}  // namespace dbos::sidecar
