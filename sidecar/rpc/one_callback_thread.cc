#include "sidecar/rpc/one_callback_thread.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>

#include <grpc/support/cpu.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "sidecar/base/logging.h"

namespace dbos::sidecar {
namespace {

constexpr absl::Duration kStartTime = absl::Seconds(1);
constexpr absl::Duration kTick = absl::Milliseconds(400);  // less than the second after which gRPC's threads nap

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
OneCallbackThread::OneCallbackThread() : stub_(grpc::CreateChannel("", nullptr)) {
  const std::size_t threads = CountCallbackThreads();
  if (threads == 0) {
    Log(LogLevel::kWarning, "gRPC has other threads than expected: it keeps all of them", {});
    return;
  }
  for (std::size_t n = 1; n < threads; ++n) Post(calls_.emplace_back(), [this] { Sleep(); });
  keeper_ = std::thread([this] { KeepAwake(); });
}

OneCallbackThread::~OneCallbackThread() {
  {
    MutexLock lock(mu_);
    over_ = true;
    changed_.NotifyAll();
  }
  if (keeper_.joinable()) keeper_.join();
  MutexLock lock(mu_);
  while (posted_ > 0) changed_.Wait(mu_);
}

void OneCallbackThread::Post(Call& call, std::function<void()> work) {
  {
    MutexLock lock(mu_);
    ++posted_;
  }
  stub_.UnaryCall(&call.context, "/none", {}, &call.request, &call.response,
                  [this, work = std::move(work)](const grpc::Status& /*failed*/) {
                    work();
                    MutexLock lock(mu_);
                    --posted_;
                    changed_.NotifyAll();
                  });
}

void OneCallbackThread::Sleep() {
  MutexLock lock(mu_);
  while (!over_) changed_.Wait(mu_);
}

// A tick's call is given up by this thread, not by gRPC's, on which the channel must not end.
void OneCallbackThread::KeepAwake() {
  while (AwaitTick()) Post(tick_.emplace(), [] {});
}

// False: it is over. The tick before has ended.
bool OneCallbackThread::AwaitTick() {
  MutexLock lock(mu_);
  const absl::Time next = absl::Now() + kTick;
  while (!over_ && absl::Now() < next) changed_.WaitFor(mu_, next - absl::Now());
  while (!over_ && posted_ > calls_.size()) changed_.Wait(mu_);
  return !over_;
}

}  // namespace dbos::sidecar
