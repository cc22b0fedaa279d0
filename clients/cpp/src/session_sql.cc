#include "session_sql.h"

#include <string>
#include <utility>

#include "deadline.h"
#include "reply.h"
#include "sql_wire.h"

namespace dbos::runtime {
namespace {

v1::ErrorDetail Cancelled() {
  v1::ErrorDetail error;
  error.set_reason(v1::REASON_DISCONNECTED);
  error.set_message("the execution was stopped");
  return error;
}

// One conversation of the session.
class SessionSqlStream final : public SqlStream {
 public:
  SessionSqlStream(Session& session, std::uint64_t conversation) : session_(session), conversation_(conversation) {}
  SessionSqlStream(const SessionSqlStream&) = delete;
  SessionSqlStream& operator=(const SessionSqlStream&) = delete;
  ~SessionSqlStream() override {
    if (open_) Abandon();
  }

  bool Exchange(const v1::TransactRequest& request, v1::TransactResponse& response, SteadyTime deadline) override;
  void Cancel() override {
    const MutexLock lock(mu_);
    cancelled_ = true;
    if (reply_ != nullptr) reply_->Abort(Cancelled());
  }
  bool used() const override { return false; }  // it cannot have gone stale
  v1::ErrorDetail TakeRefusal() override { return std::move(refusal_); }

 private:
  std::shared_ptr<Reply> Expect();
  // False: the stream of the session is gone, and what was open on it.
  bool Send(const v1::TransactRequest& request, const std::shared_ptr<Reply>& reply);
  void Abandon();

  Session& session_;
  const std::uint64_t conversation_;
  std::optional<std::uint64_t> stream_;  // of the session, once something was sent
  bool open_ = false;                    // a transaction
  v1::ErrorDetail refusal_;
  Mutex mu_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  std::shared_ptr<Reply> reply_ ABSL_GUARDED_BY(mu_);  // that is awaited
};

bool SessionSqlStream::Exchange(const v1::TransactRequest& request, v1::TransactResponse& response,
                                SteadyTime deadline) {
  if (!stream_) stream_ = session_.ReadyStream();
  const std::shared_ptr<Reply> reply = Expect();
  if (reply == nullptr || !stream_ || !Send(request, reply)) return false;
  session_.HelpUntil([&reply] { return reply->done(); });
  open_ = true;
  if (!reply->Wait(deadline)) return false;  // the destructor tells the sidecar
  if (reply->refusal().reason() == v1::REASON_DISCONNECTED) return false;
  if (reply->refusal().reason() != v1::REASON_UNSPECIFIED) {
    open_ = false;
    refusal_ = reply->refusal();
    return false;
  }
  response.Swap(&reply->transacted());
  open_ = response.has_done() || response.has_rows() || (response.has_sql_error() && !AskedBy(request).has_commit());
  return true;
}

std::shared_ptr<Reply> SessionSqlStream::Expect() {
  const MutexLock lock(mu_);
  if (cancelled_) return nullptr;
  reply_ = std::make_shared<Reply>();
  return reply_;
}

bool SessionSqlStream::Send(const v1::TransactRequest& request, const std::shared_ptr<Reply>& reply) {
  v1::TransactFrame frame;
  frame.set_conversation(conversation_);
  *frame.mutable_request() = request;
  const std::optional<bool> pump =
      session_.EnqueueOn(*stream_, {FrameKind::kTransact, frame.SerializeAsString(), reply});
  if (pump && *pump) session_.Pump();
  return pump.has_value();
}

void SessionSqlStream::Abandon() {
  v1::TransactRequest request;
  request.mutable_rollback();
  // Nobody waits for the answer. If the stream is gone, so is the transaction.
  static_cast<void>(Send(request, std::make_shared<Reply>()));
}

}  // namespace

std::unique_ptr<SqlStream> SessionSql::Take() {
  return std::make_unique<SessionSqlStream>(session_, ++next_conversation_);
}

// Sent again after a reconnect: the step's record keeps it from happening twice.
SqlDoor::Executed SessionSql::Execute(const v1::ExecuteRequest& request, std::chrono::milliseconds timeout,
                                      const std::stop_token& stop) {
  v1::ExecuteFrame frame;
  *frame.mutable_request() = request;
  const auto reply = std::make_shared<Reply>();
  const std::stop_callback cancel(stop, [&reply] { reply->Abort(Cancelled()); });
  if (session_.Enqueue({FrameKind::kExecute, frame.SerializeAsString(), reply})) session_.Pump();
  session_.HelpUntil([&reply] { return reply->done(); });
  if (!reply->Wait(DeadlineAfter(timeout))) return {.why_lost = "no answer in time"};
  if (reply->refusal().reason() == v1::REASON_DISCONNECTED) return {.why_lost = reply->refusal().message()};
  if (reply->refusal().reason() != v1::REASON_UNSPECIFIED) return {.refusal = reply->refusal()};
  return {.response = std::move(reply->executed())};
}

}  // namespace dbos::runtime
