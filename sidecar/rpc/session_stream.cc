#include "sidecar/rpc/session_stream.h"

#include <utility>

#include "absl/time/clock.h"

#include "sidecar/base/logging.h"
#include "sidecar/rpc/convert.h"
#include "sidecar/rpc/errors.h"
#include "sidecar/rpc/greeting.h"
#include "sidecar/rpc/validate.h"

namespace dbos::sidecar {
namespace {

constexpr std::size_t kFrameOverheadBytes = 256;  // of a converted frame in the engine's mailbox

constexpr absl::Duration kHeardPause = absl::Milliseconds(100);

// Marks a message that no bytes were parsed into.
constexpr std::uint64_t kUntouched = 0x7ea5'0f1e'5511'0e1c;

std::int64_t NowMs() {
  return absl::ToUnixMillis(absl::Now());
}

}  // namespace

// ---------------------------------------------------------------- life of the stream
SessionStream* SessionStream::Open(RpcContext& context, grpc::CallbackServerContext* call) {
  auto session = std::make_shared<SessionStream>(context, call);
  session->self_ = session;
  session->transactions_.set_flush([weak = session->weak_from_this()] {
    if (const auto self = weak.lock()) self->Flush();
  });
  session->Read();
  return session.get();
}

SessionStream::SessionStream(RpcContext& context, grpc::CallbackServerContext* call)
    : context_(context),
      call_(call),
      read_arena_(read_block_.data(), read_block_.size()),
      transactions_(context.transactions),
      outbox_({}) {
}

void SessionStream::Read() {
  read_arena_.Reset();
  message_ = google::protobuf::Arena::CreateMessage<v1::SessionRequest>(&read_arena_);
  message_->add_frames()->mutable_pong()->set_nonce(kUntouched);
  StartRead(message_);
}

void SessionStream::OnReadDone(bool ok) {
  if (!ok || ended_.load()) {
    // A read fails when the client has sent all, and also when what it sent could not be parsed.
    const bool untouched = message_->frames_size() == 1 && message_->frames(0).pong().nonce() == kUntouched;
    if (!ok && !untouched && !call_->IsCancelled()) {
      Fatal({Reason::kProtocolViolation, "a message of the session was no dbos.v1.SessionRequest: use the generated " +
                                             std::string("stubs of protos/dbos/v1")});
    }
    outbox_.End(grpc::Status::OK);
    StreamEnded();
    return;
  }
  Receive(*message_);
}

void SessionStream::Receive(v1::SessionRequest& message) {
  calls_.reserve(static_cast<std::size_t>(message.frames_size()));
  for (v1::ClientFrame& frame : *message.mutable_frames()) {
    if (open_.load()) {
      Translate(frame);
    } else if (!Greet(frame)) {
      return;
    }
  }
  PostCalls();
}

// The engine need not hear of every message that has nothing for it.
void SessionStream::PostCalls() {
  const std::size_t bytes = std::exchange(call_bytes_, 0);
  const absl::Time now = absl::Now();
  if (!calls_.empty() || now - heard_ > kHeardPause) {
    heard_ = now;
    context_.loop.Post(
        [session = shared_from_this(), calls = std::exchange(calls_, {}), bytes](Engine& engine) mutable {
          engine.Heard(session->id_);
          Run(std::move(calls), session->id_, session, engine);
          session->Handled(bytes);
        });
  }
  {
    MutexLock lock(mu_);
    posted_bytes_ += bytes;
    paused_ = posted_bytes_ > kPostedBytesMax;
    if (paused_ && !finished_) return;
    if (!finished_) return Read();
  }
  StreamEnded();
}

// With the engine's lock held. The lock of this session keeps a Finish from overtaking the read.
void SessionStream::Handled(std::size_t bytes) {
  MutexLock lock(mu_);
  posted_bytes_ -= bytes;
  if (!paused_ || posted_bytes_ > kPostedBytesMax) return;
  paused_ = false;
  if (!finished_) Read();
}

void SessionStream::OnWriteDone(bool ok) {
  if (outbox_.Written()) context_.loop.Post([](Engine&) {});  // it looks what else there is to send
  if (!ok) outbox_.Abort();
  Flush();
}

void SessionStream::OnCancel() {
  outbox_.Abort();
  StreamEnded();
}

void SessionStream::StreamEnded() {
  transactions_.CloseAll();
  if (open_.load() && !ended_.exchange(true)) {
    const bool comes_back = !draining_.load() && process_ && LivenessOf(*process_) == Liveness::kAlive;
    const CloseCause cause = comes_back ? CloseCause::kConnectionLost : CloseCause::kProcessGone;
    context_.loop.Post([id = id_, cause](Engine& engine) { engine.CloseSession(id, cause); });
    context_.attachments.Detached(id_);
    Log(LogLevel::kInfo, "process detached",
        {{"session", std::to_string(id_)}, {"cause", comes_back ? "connection lost" : "process gone"}});
  }
  Flush();
}

void SessionStream::OnDone() {
  self_.reset();
}

void SessionStream::Flush() {
  switch (outbox_.Next()) {
    case StreamAction::kNone:
      return;
    case StreamAction::kWrite:
      StartWrite(outbox_.writing());
      return;
    case StreamAction::kCancel:
      Log(LogLevel::kWarning, "client does not read: closing its session", {{"session", std::to_string(id_)}});
      call_->TryCancel();
      return;
    case StreamAction::kFinish:
      return End();
  }
}

void SessionStream::End() {
  {
    MutexLock lock(mu_);
    finished_ = true;
  }
  if (fatal_.load() != Reason::kNone) AddReasonTrailer(fatal_.load(), call_);
  Finish(outbox_.status());
}

// ---------------------------------------------------------------- frames
bool SessionStream::Greet(v1::ClientFrame& frame) {
  if (frame.has_hello()) return Greet(*frame.mutable_hello());
  Fatal({Reason::kProtocolViolation, "the first frame of a session must be Hello"});
  Flush();
  return false;
}

bool SessionStream::Greet(v1::Hello& hello) {
  if (Error error = CheckGreeting(hello, context_.info); !error.ok()) {
    Log(LogLevel::kWarning, "session refused", {{"why", error.message}});
    Fatal(std::move(error));
    Flush();
    return false;
  }
  if (hello.has_process()) {
    process_ = {hello.process().pid(), hello.process().pid_namespace(), hello.process().start_time_ticks()};
  }
  Log(LogLevel::kInfo, "process attached",
      {{"session", std::to_string(id_)},
       {"runtime", hello.runtime()},
       {"version", hello.application_version()},
       {"pid", std::to_string(hello.process().pid())},
       {"resumes", std::to_string(hello.resume_size())}});
  context_.attachments.Attached(id_, hello.incarnation(), process_);
  context_.loop.Post([session = shared_from_this(), request = TakeHello(hello)](Engine& engine) mutable {
    engine.OpenSession(session->id_, session, std::move(request));
  });
  open_.store(true);  // last: a stream that breaks meanwhile is closed by its next read
  return true;
}

void SessionStream::Translate(v1::ClientFrame& frame) {
  switch (frame.frame_case()) {
    case v1::ClientFrame::kRecordStep:
      return RecordStep(*frame.mutable_record_step());
    case v1::ClientFrame::kComplete:
      return Complete(*frame.mutable_complete());
    case v1::ClientFrame::kStart:
      return Start(*frame.mutable_start());
    case v1::ClientFrame::kAwaitWorkflow:
      return Await(*frame.mutable_await_workflow());
    case v1::ClientFrame::kRelease:
      return Release(*frame.mutable_release());
    case v1::ClientFrame::kCredit:
      return SetCredit(frame.credit());
    case v1::ClientFrame::kRegister:
      return Register(*frame.mutable_register_());
    case v1::ClientFrame::kTransact:
      return Transact(*frame.mutable_transact());
    case v1::ClientFrame::kExecute:
      return Execute(*frame.mutable_execute());
    case v1::ClientFrame::kPong:
      return;  // hearing it is all
    case v1::ClientFrame::kPing:
      Pong(frame.ping().nonce());
      return Flush();
    case v1::ClientFrame::kDrain:
      draining_.store(true);
      Queue(DrainCall{}, 0);
      return;
    case v1::ClientFrame::kHello:
      Fatal({Reason::kProtocolViolation, "a second Hello: a session has one, at its start"});
      return Flush();
    case v1::ClientFrame::FRAME_NOT_SET:
      break;
  }
  RefuseFrame(0,
              {Reason::kInvalidRequest, "a frame without content: this sidecar knows frames 1 to 13 of ClientFrame"});
}

void SessionStream::Transact(v1::TransactFrame& frame) {
  if (!Admit(frame.seq(), {}) || !TakeRoom(frame.seq())) return;
  transactions_.Transact(frame.conversation(), *frame.mutable_request(),
                         [session = shared_from_this(), room = Room(), seq = frame.seq()](TransactionAnswer answer) {
                           session->Transacted(seq, std::move(answer));
                         });
}

void SessionStream::Execute(v1::ExecuteFrame& frame) {
  if (!Admit(frame.seq(), {}) || !TakeRoom(frame.seq())) return;
  transactions_.Execute(frame.seq(), *frame.mutable_request(),
                        [session = shared_from_this(), room = Room(), seq = frame.seq()](TransactionAnswer answer) {
                          session->Executed(seq, std::move(answer));
                        });
}

// What TakeRoom took is given back with the last copy: an answer may be dropped.
std::shared_ptr<void> SessionStream::Room() {
  return {nullptr, [session = shared_from_this()](void*) { session->inflight_.fetch_sub(1); }};
}

void SessionStream::Queue(EngineCall call, std::size_t bytes) {
  calls_.push_back(std::move(call));
  call_bytes_ += kFrameOverheadBytes + bytes;
}

void SessionStream::RecordStep(v1::RecordStepFrame& frame) {
  if (!Admit(frame.seq(), Check(frame), frame.mutable_execution())) return;
  if (!TakeRoom(frame.seq())) {
    return Queue(NoRoomCall{TakeExecution(*frame.mutable_execution()), frame.step().step_id()}, 0);
  }
  RecordStepRequest request{TakeExecution(*frame.mutable_execution()), TakeStep(*frame.mutable_step(), NowMs())};
  const std::size_t bytes = WireBytes(request.step);
  Queue(RecordStepCall{frame.seq(), std::move(request)}, bytes);
}

void SessionStream::Complete(v1::CompleteFrame& frame) {
  if (!Admit(frame.seq(), Check(frame), frame.mutable_execution()) || !TakeRoom(frame.seq())) return;
  CompleteRequest request{TakeExecution(*frame.mutable_execution()), TakeOutcome(*frame.mutable_outcome())};
  const std::size_t bytes = request.outcome.payload.data.size();
  Queue(CompleteCall{frame.seq(), std::move(request)}, bytes);
}

void SessionStream::Start(v1::StartFrame& frame) {
  if (!Admit(frame.seq(), Check(frame.start()))) return;
  const bool has_room = TakeRoom(frame.seq());
  StartRequest request = TakeStart(*frame.mutable_start(), NowMs());
  if (!has_room) {
    if (request.parent) Queue(NoRoomCall{request.parent->execution, request.parent->step_id}, 0);
    return;
  }
  const std::size_t bytes = request.input.data.size();
  Queue(StartCall{frame.seq(), std::move(request)}, bytes);
}

void SessionStream::Await(v1::AwaitFrame& frame) {
  if (!Admit(frame.seq(), Check(frame)) || !TakeRoom(frame.seq())) return;
  inflight_.fetch_sub(1);
  {
    MutexLock lock(awaits_mu_);
    awaits_.insert(frame.seq());
  }
  Queue(AwaitCall{frame.seq(), TakeAwait(frame)}, 0);
}

void SessionStream::Release(v1::ReleaseFrame& frame) {
  if (Error error = Check(frame); !error.ok()) return RefuseFrame(0, error);
  Queue(ReleaseCall{TakeExecution(*frame.mutable_execution())}, 0);
}

void SessionStream::SetCredit(const v1::Credit& credit) {
  if (Error error = Check(credit); !error.ok()) return RefuseFrame(0, error);
  Queue(CreditCall{credit.executions()}, 0);
}

void SessionStream::Register(v1::Registrations& registrations) {
  if (Error error = Check(registrations); !error.ok()) return RefuseFrame(0, error);
  Queue(RegisterCall{TakeDefinitions(registrations)}, registrations.ByteSizeLong());
}

}  // namespace dbos::sidecar
