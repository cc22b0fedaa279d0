#include "sidecar/rpc/one_callback_thread.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include <grpc/support/cpu.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "sidecar/base/logging.h"

namespace dbos::sidecar {
namespace {

constexpr absl::Duration kStartTime = absl::Seconds(1);

// As many as gRPC 1.51 starts on this machine.
std::size_t CallbackThreadsExpected() {
  return std::clamp<std::size_t>(gpr_cpu_num_cores() / 2, 2, 16);
}

// By their name, which each takes when it starts to run.
std::size_t CallbackThreadsFound() {
  std::size_t found = 0;
  std::error_code ignored;  // a thread that ends meanwhile
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", ignored)) {
    std::string name;
    std::ifstream(task.path() / "comm") >> name;
    if (name == "nexting_thread") ++found;
  }
  return found;
}

// None if the two numbers do not agree: then this is another gRPC, and putting its last thread to sleep would be fatal.
std::size_t CountCallbackThreads() {
  const std::size_t expected = CallbackThreadsExpected();
  const absl::Time give_up = absl::Now() + kStartTime;
  while (CallbackThreadsFound() != expected) {
    if (absl::Now() > give_up) return 0;
    absl::SleepFor(absl::Milliseconds(1));  // paces the look at threads that are about to start
  }
  return expected;
}

}  // namespace

std::shared_ptr<OneCallbackThread> OneCallbackThread::Hold() {
  static Mutex mu;
  static std::weak_ptr<OneCallbackThread> shared;
  MutexLock lock(mu);
  std::shared_ptr<OneCallbackThread> held = shared.lock();
  if (held == nullptr) shared = held = std::make_shared<OneCallbackThread>();
  return held;
}

// A thread is caught with a callback of our own. A channel without credentials needs no server: its calls fail at once.
OneCallbackThread::OneCallbackThread() : channel_(grpc::CreateChannel("", nullptr)), stub_(channel_) {
  const std::size_t threads = CountCallbackThreads();
  if (threads == 0) {
    Log(LogLevel::kWarning, "gRPC has other threads than expected: it keeps all of them", {});
    return;
  }
  {
    MutexLock lock(mu_);
    sleepers_ = threads - 1;
  }
  for (std::size_t n = 1; n < threads; ++n) {
    Call& call = calls_.emplace_back();
    stub_.UnaryCall(&call.context, "/none", {}, &call.request, &call.response,
                    [this](const grpc::Status& /*failed*/) { Sleep(); });
  }
}

OneCallbackThread::~OneCallbackThread() {
  MutexLock lock(mu_);
  over_ = true;
  changed_.NotifyAll();
  while (sleepers_ > 0) changed_.Wait(mu_);
}

void OneCallbackThread::Sleep() {
  MutexLock lock(mu_);
  while (!over_) changed_.Wait(mu_);
  --sleepers_;
  changed_.NotifyAll();
}

}  // namespace dbos::sidecar
