// SessionStream: one bidirectional stream of one application process.
//
// Reading: a message is checked and converted on gRPC's thread, and becomes one event for the engine. Writing: the
// engine's answers gather in the outbox; one write at a time carries all that has gathered.
//
// Threads:  gRPC's callbacks on its threads, sink methods with the engine's lock held; neither blocks.
// Lifetime: lives until gRPC is done with the stream and the engine has dropped its sink.
// Limits:   at most kInflightOperationsMax unanswered operations; no further message is read while more than
//           kPostedBytesMax wait for the engine. See Outbox for a client that does not read.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <google/protobuf/arena.h>
#include <grpcpp/support/server_callback.h>

#include "dbos/v1/steps.pb.h"

#include "sidecar/base/mutex.h"
#include "sidecar/rpc/context.h"
#include "sidecar/rpc/conversations.h"
#include "sidecar/rpc/outbox.h"
#include "sidecar/rpc/session_frames.h"

namespace dbos::sidecar {

class SessionStream final : public grpc::ServerBidiReactor<v1::SessionRequest, v1::SessionEvent>,
                            public SessionSink,
                            public std::enable_shared_from_this<SessionStream> {
 public:
  static constexpr std::size_t kPostedBytesMax = 8 << 20;

  // The reactor of a new stream. It keeps itself alive until the stream is over.
  static SessionStream* Open(RpcContext& context, grpc::CallbackServerContext* call);

  SessionStream(RpcContext& context, grpc::CallbackServerContext* call);

  // gRPC.
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  // SessionSink.
  void Acknowledged(std::uint64_t seq) override;
  void Refused(std::uint64_t seq, Error error) override;
  void Started(std::uint64_t seq, StartResult result) override;
  void Awaited(std::uint64_t seq, AwaitResult result) override;
  void Welcome(std::vector<Reattached> reattached) override;
  void Dispatched(Dispatch dispatch) override;
  void Replayed(ReplayPage page) override;
  void Cancelled(ExecutionRef execution, std::string reason) override;
  void Evicted(ExecutionRef execution, Error why) override;
  void Ping(std::uint64_t nonce) override;
  void Pong(std::uint64_t nonce) override;
  void Drain(std::int64_t finish_within_ms) override;
  void Fatal(Error error) override;
  std::size_t WaitingBytes() override { return outbox_.waiting_bytes(); }
  void Flush() override;

 private:
  // Frames, in the order of the proto.
  void Receive(v1::SessionRequest& message);
  bool Greet(v1::ClientFrame& frame);
  bool Greet(v1::Hello& hello);
  void Translate(v1::ClientFrame& frame);
  void SetCredit(const v1::Credit& credit);
  void RecordStep(v1::RecordStepFrame& frame);
  void Complete(v1::CompleteFrame& frame);
  void Start(v1::StartFrame& frame);
  void Await(v1::AwaitFrame& frame);
  void Release(v1::ReleaseFrame& frame);
  void Register(v1::Registrations& registrations);
  void Transact(v1::TransactFrame& frame);
  void Execute(v1::ExecuteFrame& frame);
  std::shared_ptr<void> Room();

  // Answers of transactions, on the pool's threads; Flush follows.
  void Transacted(std::uint64_t seq, TransactionAnswer answer);
  void Executed(std::uint64_t seq, TransactionAnswer answer);

  // Admission of an operation; false after it has been refused. The engine then refuses what follows of `execution`.
  bool Admit(std::uint64_t seq, Error fault, v1::ExecutionRef* execution = nullptr);
  bool TakeRoom(std::uint64_t seq);  // for one operation more in flight; false after it has been refused
  void RefuseFrame(std::uint64_t seq, const Error& error);
  void Answered(std::uint64_t seq);

  void Read();
  void Queue(EngineCall call, std::size_t bytes);
  void PostCalls();
  void Handled(std::size_t bytes);
  void StreamEnded();
  void End();
  template <typename Fill>
  void Append(std::size_t bytes, Fill fill);

  RpcContext& context_;
  grpc::CallbackServerContext* const call_;
  const SessionId id_ = NextSessionId();
  std::shared_ptr<SessionStream> self_;

  // Only touched by the one thread that handles the current read.
  std::array<char, 4096> read_block_;
  google::protobuf::Arena read_arena_;
  v1::SessionRequest* message_ = nullptr;
  std::vector<EngineCall> calls_;
  std::size_t call_bytes_ = 0;
  std::uint64_t last_seq_ = 0;
  absl::Time heard_ = absl::InfinitePast();  // when the engine was told of a message last
  std::optional<ProcessIdentity> process_;   // constant once open_

  std::atomic<bool> open_ = false;      // Hello was accepted
  std::atomic<bool> draining_ = false;  // the process has said that it leaves
  std::atomic<bool> ended_ = false;     // the engine has been told
  std::atomic<Reason> fatal_ = Reason::kNone;
  std::atomic<std::int64_t> inflight_ = 0;

  Mutex mu_;
  std::size_t posted_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  bool paused_ ABSL_GUARDED_BY(mu_) = false;    // the next read waits for the engine
  bool finished_ ABSL_GUARDED_BY(mu_) = false;  // Finish was called: no more reads

  Mutex awaits_mu_;
  std::set<std::uint64_t> awaits_ ABSL_GUARDED_BY(awaits_mu_);  // they may last for ever, and so are not counted

  Conversations transactions_;
  Outbox<v1::SessionEvent> outbox_;
};

}  // namespace dbos::sidecar
