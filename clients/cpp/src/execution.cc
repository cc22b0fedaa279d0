#include "execution.h"

#include <exception>
#include <random>
#include <utility>

#include <dbos/context.h>

#include "ids.h"

namespace dbos::runtime {

Execution::Execution(const Services& services, v1::Execution& dispatched, Journal::Events events)
    : services_(services),
      ref_(std::move(*dispatched.mutable_execution())),
      name_(std::move(*dispatched.mutable_name())),
      input_(std::move(*dispatched.mutable_input())),
      replay_complete_(dispatched.replay_complete()) {
  static_cast<void>(replay_.Add(-1, *dispatched.mutable_replay()));
  auto stopped = std::move(events.stopped);
  events.stopped = [&pool = services_.pool, source = stop_, stopped = std::move(stopped)](StopCause cause,
                                                                                          const std::string& why) {
    // User code may listen on the stop token: never call it on a thread of gRPC.
    pool.Submit([source]() mutable { source.request_stop(); });
    stopped(cause, why);
  };
  journal_ = std::make_shared<Journal>(services_.session, services_.holds, ref_, std::move(events));
}

bool Execution::AddReplay(v1::ReplayPage& page) {
  if (!replay_.Add(page.after_step_id(), *page.mutable_steps())) return false;
  replay_complete_ = page.last();
  return true;
}

void Execution::Run(const detail::WorkflowBody& body) {
  thread_ = std::this_thread::get_id();
  StoredOutcome outcome = RunWorkflow(body);
  JoinAsyncSteps();
  LimitOutcome(outcome, services_.session.max_payload_bytes());
  journal_->Finish(std::move(outcome));
}

StoredOutcome Execution::RunWorkflow(const detail::WorkflowBody& body) {
  try {
    if (!input_.serialization().empty() && input_.serialization() != "portable_json") {
      throw InvalidArgument("the input is stored as " + input_.serialization() +
                            ", which this client does not read; start the workflow with portable_json");
    }
    Context context(*this);
    return {.failed = false, .text = body(context, input_.data())};
  } catch (const ExecutionStopped& stopped) {
    return FailedWith({.name = "ExecutionStopped", .message = stopped.why()});
  } catch (...) {
    return FailedWith(RecordOf(std::current_exception()));
  }
}

void Execution::JoinAsyncSteps() {
  for (const auto& step : async_steps_) step->Join();
  async_steps_.clear();
}

std::shared_ptr<void> Execution::StopAfter(std::chrono::milliseconds timeout, std::stop_source source) {
  Timers& timers = services_.timers;
  WorkerPool& pool = services_.pool;
  const Timers::Id id =
      timers.After(timeout, [&pool, source] { pool.Submit([source]() mutable { source.request_stop(); }); });
  return {nullptr, [&timers, id](void*) { timers.Cancel(id); }};
}

double Execution::Random() {
  thread_local std::minstd_rand generator{std::random_device{}()};
  return std::uniform_real_distribution<double>(0.0, 1.0)(generator);
}

}  // namespace dbos::runtime
