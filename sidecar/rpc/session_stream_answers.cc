// The writing half of SessionStream: the engine's answers as frames of the outbox.
#include <algorithm>
#include <utility>

#include "sidecar/rpc/convert.h"
#include "sidecar/rpc/convert_sql.h"
#include "sidecar/rpc/errors.h"
#include "sidecar/rpc/session_stream.h"
#include "sidecar/rpc/validate.h"

namespace dbos::sidecar {
namespace {

constexpr std::size_t kFrameBytes = 64;
constexpr std::size_t kAcknowledgedBytes = 8;

std::size_t OutcomeBytes(const std::optional<Outcome>& outcome) {
  return outcome ? outcome->payload.data.size() : 0;
}

// Acknowledgements of one round arrive together and mostly in order: they become one frame with few ranges.
void AddAcknowledged(std::uint64_t seq, v1::SessionEvent& message) {
  const int last = message.frames_size() - 1;
  v1::Acknowledged* frame = last >= 0 && message.frames(last).has_acknowledged()
                                ? message.mutable_frames(last)->mutable_acknowledged()
                                : message.add_frames()->mutable_acknowledged();
  const int ranges = frame->ranges_size();
  if (ranges > 0 && frame->ranges(ranges - 1).last() + 1 == seq) {
    frame->mutable_ranges(ranges - 1)->set_last(seq);
    return;
  }
  v1::Acknowledged::Range* range = frame->add_ranges();
  range->set_first(seq);
  range->set_last(seq);
}

}  // namespace

template <typename Fill>
void SessionStream::Append(std::size_t bytes, Fill fill) {
  outbox_.Append(kFrameBytes + bytes, [&](v1::SessionEvent& message) { fill(*message.add_frames()); });
}

// ---------------------------------------------------------------- admission
bool SessionStream::Admit(std::uint64_t seq, Error fault, v1::ExecutionRef* execution) {
  if (seq <= last_seq_) {
    fault = {Reason::kInvalidRequest, "seq " + std::to_string(seq) + " does not grow: the last one was " +
                                          std::to_string(last_seq_) + "; count up from 1 in each stream"};
  }
  last_seq_ = std::max(last_seq_, seq);
  if (!fault.ok()) {
    RefuseFrame(seq, fault);
    const bool named = execution != nullptr && Check(*execution).ok();
    if (named) Queue(RefusedCall{TakeExecution(*execution), std::move(fault)}, 0);
    return false;
  }
  return true;
}

bool SessionStream::TakeRoom(std::uint64_t seq) {
  if (inflight_.fetch_add(1) < kInflightOperationsMax) return true;
  inflight_.fetch_sub(1);
  RefuseFrame(seq, {Reason::kInflightLimit, "more than " + std::to_string(kInflightOperationsMax) +
                                                " unacknowledged operations: wait for answers before sending more"});
  return false;
}

void SessionStream::RefuseFrame(std::uint64_t seq, const Error& error) {
  Append(error.message.size(), [&](v1::ServerFrame& frame) {
    frame.mutable_refused()->set_seq(seq);
    PutError(error, frame.mutable_refused()->mutable_error());
  });
  Flush();
}

void SessionStream::Answered(std::uint64_t seq) {
  {
    MutexLock lock(awaits_mu_);
    if (awaits_.erase(seq) != 0) return;
  }
  inflight_.fetch_sub(1);
}

// ---------------------------------------------------------------- answers
void SessionStream::Acknowledged(std::uint64_t seq) {
  inflight_.fetch_sub(1);
  outbox_.Append(kAcknowledgedBytes, [seq](v1::SessionEvent& message) { AddAcknowledged(seq, message); });
}

void SessionStream::Refused(std::uint64_t seq, Error error) {
  Answered(seq);
  Append(error.message.size(), [&](v1::ServerFrame& frame) {
    frame.mutable_refused()->set_seq(seq);
    PutError(error, frame.mutable_refused()->mutable_error());
  });
}

void SessionStream::Started(std::uint64_t seq, StartResult result) {
  inflight_.fetch_sub(1);
  Append(result.workflow_id.size(), [&](v1::ServerFrame& frame) {
    frame.mutable_started()->set_seq(seq);
    Put(std::move(result), frame.mutable_started()->mutable_response());
  });
}

void SessionStream::Awaited(std::uint64_t seq, AwaitResult result) {
  Answered(seq);
  Append(result.workflow_id.size() + OutcomeBytes(result.outcome), [&](v1::ServerFrame& frame) {
    frame.mutable_awaited()->set_seq(seq);
    Put(std::move(result), frame.mutable_awaited()->mutable_response());
  });
}

void SessionStream::Transacted(std::uint64_t seq, TransactionAnswer answer) {
  Append(WireBytes(answer), [&](v1::ServerFrame& frame) {
    frame.mutable_transacted()->set_seq(seq);
    Put(std::move(answer), frame.mutable_transacted()->mutable_response());
  });
}

void SessionStream::Executed(std::uint64_t seq, TransactionAnswer answer) {
  if (const auto* error = std::get_if<Error>(&answer)) return RefuseFrame(seq, *error);
  Append(WireBytes(answer), [&](v1::ServerFrame& frame) {
    frame.mutable_executed()->set_seq(seq);
    Put(std::move(answer), frame.mutable_executed()->mutable_response());
  });
}

// ---------------------------------------------------------------- notices
void SessionStream::Welcome(std::vector<Reattached> reattached) {
  Append(reattached.size() * kFrameBytes, [&](v1::ServerFrame& frame) {
    v1::Welcome* welcome = frame.mutable_welcome();
    welcome->set_protocol(kProtocolVersion);
    PutLimits(absl::ToInt64Milliseconds(context_.info.ping_interval),
              absl::ToInt64Milliseconds(context_.info.ping_timeout), welcome->mutable_limits());
    welcome->set_boot_id(context_.info.boot_id);
    welcome->set_executor_id(context_.info.executor_id);
    welcome->set_sidecar_version(context_.info.version);
    for (Reattached& one : reattached) Put(std::move(one), welcome->add_reattached());
  });
}

void SessionStream::Dispatched(Dispatch dispatch) {
  const std::size_t bytes = WireBytes(dispatch);
  Append(bytes, [&](v1::ServerFrame& frame) { Put(std::move(dispatch), frame.mutable_dispatch()); });
}

void SessionStream::Replayed(ReplayPage page) {
  const std::size_t bytes = WireBytes(page.steps);
  Append(bytes, [&](v1::ServerFrame& frame) { Put(std::move(page), frame.mutable_replay()); });
}

void SessionStream::Cancelled(ExecutionRef execution, std::string reason) {
  Append(reason.size(), [&](v1::ServerFrame& frame) {
    Put(std::move(execution), frame.mutable_cancel()->mutable_execution());
    *frame.mutable_cancel()->mutable_reason() = std::move(reason);
  });
}

void SessionStream::Evicted(ExecutionRef execution, Error why) {
  Append(why.message.size(), [&](v1::ServerFrame& frame) {
    frame.mutable_evict()->mutable_why()->set_workflow_id(execution.workflow_id);
    PutError(why, frame.mutable_evict()->mutable_why());
    Put(std::move(execution), frame.mutable_evict()->mutable_execution());
  });
}

void SessionStream::Ping(std::uint64_t nonce) {
  Append(0, [nonce](v1::ServerFrame& frame) { frame.mutable_ping()->set_nonce(nonce); });
}

void SessionStream::Pong(std::uint64_t nonce) {
  Append(0, [nonce](v1::ServerFrame& frame) { frame.mutable_pong()->set_nonce(nonce); });
}

void SessionStream::Drain(std::int64_t finish_within_ms) {
  Append(0, [=](v1::ServerFrame& frame) { frame.mutable_drain()->set_finish_within_ms(finish_within_ms); });
}

void SessionStream::Fatal(Error error) {
  Append(error.message.size(), [&](v1::ServerFrame& frame) { PutError(error, frame.mutable_fatal()); });
  fatal_.store(error.reason);
  outbox_.End(ToGrpcStatus(error));
}

}  // namespace dbos::sidecar
