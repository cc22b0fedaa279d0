// OneCallbackThread: of the threads that gRPC runs its callbacks on, all but one are put to sleep.
//
// gRPC 1.51 has at least two of them in a process. While one handles an event, another is woken to watch the sockets,
// at every event: on few processors that costs more than what they do (decision record 10). Our callbacks never block,
// so one is enough. It gets a callback from time to time, because after an idle second each of them sleeps for 100 ms,
// and then there is no other to notice that something has come.
//
// Threads:  any. Blocking: Hold, until gRPC's threads have started, at most a second; the end waits for the sleepers.
// Lifetime: one in a process, shared by its servers; it ends before the last of them.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include "sidecar/base/mutex.h"

namespace dbos::sidecar {

class OneCallbackThread {
 public:
  // While a server runs that has callbacks: gRPC starts its threads with the first one.
  static std::shared_ptr<OneCallbackThread> Hold();

  OneCallbackThread();
  ~OneCallbackThread();
  OneCallbackThread(const OneCallbackThread&) = delete;
  OneCallbackThread& operator=(const OneCallbackThread&) = delete;

 private:
  struct Call {
    Call() : request(&nothing, 1) {}

    grpc::ClientContext context;
    grpc::Slice nothing;
    grpc::ByteBuffer request;
    grpc::ByteBuffer response;
  };

  // `work` on one of gRPC's threads, soon.
  void Post(Call& call, std::function<void()> work);
  void Sleep();
  void KeepAwake();
  bool AwaitTick();

  grpc::GenericStub stub_;
  std::deque<Call> calls_;
  std::optional<Call> tick_;  // the keeper's
  Mutex mu_;
  CondVar changed_;
  bool over_ ABSL_GUARDED_BY(mu_) = false;
  std::size_t posted_ ABSL_GUARDED_BY(mu_) = 0;  // and not ended
  std::thread keeper_;                           // last: it uses the others
};

}  // namespace dbos::sidecar
