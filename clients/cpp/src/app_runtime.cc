#include "app_runtime.h"

#include <iostream>
#include <utility>

#include <dbos/errors.h>

#include "deadline.h"
#include "ids.h"
#include "process_identity.h"
#include "protocol_errors.h"
#include "start_request.h"

namespace dbos::detail {
namespace {

using runtime::DeadlineAfter;
using runtime::FrameKind;
using runtime::Reply;
using runtime::SteadyTime;
using runtime::StopCause;

constexpr std::uint32_t kProtocol = 1;
constexpr std::size_t kFieldBytes = 8;  // at most, around a message of this size
constexpr char kRuntimeName[] = "cpp/0.1";

const char* WhyNotAdopted(v1::Reattached::Verdict verdict) {
  switch (verdict) {
    case v1::Reattached::VERDICT_CANCELLED:
      return "the workflow was cancelled";
    case v1::Reattached::VERDICT_FINISHED:
      return "has ended";
    case v1::Reattached::VERDICT_UNKNOWN:
      return "is no longer in the database";
    default:
      return "goes on elsewhere: another execution took the workflow over";
  }
}

}  // namespace

AppRuntime::AppRuntime(AppOptions options, std::unique_ptr<runtime::Transport> transport,
                       std::shared_ptr<WorkflowAccess> unary, std::shared_ptr<runtime::SqlDoor> sql,
                       std::shared_ptr<runtime::SqlDoor> workflow_sql)
    : options_(std::move(options)),
      incarnation_(runtime::RandomUuid()),
      transport_(std::move(transport)),
      unary_(std::move(unary)),
      outside_sql_(std::move(sql)),
      holds_(timers_),
      pool_(options_.max_threads),
      session_(*transport_, *this, timers_),
      session_sql_(session_),
      workflow_sql_(std::move(workflow_sql)) {
}

AppRuntime::~AppRuntime() {
  Shutdown();
}

void AppRuntime::Register(const std::string& name, const WorkflowOptions& options, WorkflowBody body) {
  runtime::CheckName("workflow name", name, session_.max_name_bytes());
  if (options.max_recovery_attempts < 0) throw InvalidArgument("max_recovery_attempts must not be negative");
  const runtime::MutexLock lock(mu_);
  if (phase_ != Phase::kRegistering) throw Error("register workflow " + name + " before launch()");
  if (!workflows_.emplace(name, Registered{options, std::move(body)}).second) {
    throw InvalidArgument("workflow " + name + " is registered twice");
  }
}

void AppRuntime::Launch() {
  {
    const runtime::MutexLock lock(mu_);
    if (phase_ != Phase::kRegistering) throw Error("launch() was called before");
    phase_ = Phase::kRunning;
  }
  session_.Open();
  if (session_.WaitReady(DeadlineAfter(options_.launch_timeout))) return;
  const auto fatal = session_.fatal();
  Shutdown();
  if (fatal) runtime::ThrowProtocolError(fatal->reason(), fatal->message());
  throw SidecarUnavailable("no sidecar answered at " + options_.sidecar_address + " within " +
                           std::to_string(options_.launch_timeout.count()) +
                           " ms; start dbos-sidecar, or set AppOptions::sidecar_address or DBOS_SIDECAR_ADDRESS");
}

v1::Hello AppRuntime::MakeHello() {
  v1::Hello hello;
  hello.set_protocol_min(kProtocol);
  hello.set_protocol_max(kProtocol);
  hello.set_application_name(options_.name);
  hello.set_application_version(options_.version);
  hello.set_incarnation(incarnation_);
  hello.set_runtime(kRuntimeName);
  hello.mutable_credit()->set_executions(options_.max_concurrent_workflows);
  *hello.mutable_process() = runtime::ReadProcessIdentity();
  for (const auto& [name, registered] : workflows_) {
    v1::WorkflowDefinition& definition = *hello.mutable_registrations()->add_workflows();
    definition.set_name(name);
    definition.set_max_recovery_attempts(registered.options.max_recovery_attempts);
  }
  AddResumed(hello);
  return hello;
}

// What cannot be gone on with here is stopped: the sidecar, which is not told of it, dispatches it anew.
void AppRuntime::AddResumed(v1::Hello& hello) {
  std::size_t room = session_.max_message_bytes() / 2;
  for (const ExecutionPtr& execution : Live()) {
    const std::size_t bytes = execution->ref().ByteSizeLong() + kFieldBytes;
    if (!execution->replay_complete()) {
      execution->journal().Stop(StopCause::kLost, "is dispatched anew: not all of its recorded steps had arrived");
    } else if (bytes > room) {
      execution->journal().Stop(StopCause::kLost, "is dispatched anew: too many workflows run here for one Hello");
    } else {
      *hello.add_resume() = execution->ref();
      room -= bytes;
    }
  }
}

void AppRuntime::OnWelcome(const v1::Welcome& welcome) {
  for (const v1::Reattached& reattached : welcome.reattached()) {
    if (reattached.verdict() == v1::Reattached::VERDICT_ADOPTED) continue;
    const ExecutionPtr execution = FindLive(reattached.execution());
    if (execution == nullptr) continue;
    const bool cancelled = reattached.verdict() == v1::Reattached::VERDICT_CANCELLED;
    execution->journal().Stop(cancelled ? StopCause::kCancelled : StopCause::kLost,
                              WhyNotAdopted(reattached.verdict()));
  }
}

void AppRuntime::OnDispatch(v1::Execution& dispatched) {
  const std::string workflow_id = dispatched.execution().workflow_id();
  const std::string token = dispatched.execution().owner_token();
  const bool complete = dispatched.replay_complete();
  if (const ExecutionPtr older = FindLive(workflow_id)) {
    if (older->ref().owner_token() == token) return;
    older->journal().Stop(StopCause::kLost, "goes on in a newer execution: it was dispatched again");
  }
  runtime::Journal::Events events;
  events.finished = [this, workflow_id, token] { Forget(workflow_id, token); };
  events.stopped = [this, workflow_id, token](StopCause cause, const std::string& why) {
    if (cause != StopCause::kCancelled) Log("workflow " + workflow_id + ": " + why);
    if (cause == StopCause::kLost || cause == StopCause::kCancelled) Forget(workflow_id, token);
  };
  runtime::SqlDoor& sql = workflow_sql_ != nullptr ? *workflow_sql_ : session_sql_;
  const runtime::Services services{session_, holds_, timers_, pool_, sql};
  auto execution = std::make_shared<runtime::Execution>(services, dispatched, std::move(events));
  {
    const runtime::MutexLock lock(mu_);
    live_[workflow_id] = execution;
  }
  if (complete) Submit(execution);
}

void AppRuntime::OnReplay(v1::ReplayPage& page) {
  const ExecutionPtr execution = FindLive(page.execution());
  if (execution == nullptr || execution->replay_complete()) return;
  if (!execution->AddReplay(page)) return Release(execution, "a page of its recorded steps is missing");
  if (page.last()) Submit(execution);
}

void AppRuntime::Submit(const ExecutionPtr& execution) {
  const auto registered = workflows_.find(execution->name());
  if (registered == workflows_.end()) return Release(execution, "the workflow is not registered by this process");
  pool_.Submit([execution, &body = registered->second.body] { execution->Run(body); });
}

void AppRuntime::Release(const ExecutionPtr& execution, const std::string& reason) {
  v1::ReleaseFrame frame;
  *frame.mutable_execution() = execution->ref();
  frame.set_reason(reason);
  execution->journal().Stop(StopCause::kLost, "handed back: " + reason);
  if (session_.EnqueueControl(FrameKind::kRelease, frame.SerializeAsString())) session_.Pump();
}

void AppRuntime::OnCancel(const v1::CancelExecution& cancel) {
  const ExecutionPtr execution = FindLive(cancel.execution());
  if (execution == nullptr) return;
  execution->journal().Stop(StopCause::kCancelled, "Workflow " + execution->workflow_id() + " has been cancelled");
}

void AppRuntime::OnEvict(const v1::EvictExecution& evict) {
  const ExecutionPtr execution = FindLive(evict.execution());
  if (execution == nullptr) return;
  // Whatever the reason: this process must write nothing more for it.
  const bool cancelled = evict.why().reason() == v1::REASON_WORKFLOW_CANCELLED;
  execution->journal().Stop(
      cancelled ? StopCause::kCancelled : StopCause::kLost,
      std::string(evict.why().reason() == v1::REASON_FENCED ? "goes on elsewhere: " : "evicted: ") +
          evict.why().message());
}

void AppRuntime::OnFatal(const v1::ErrorDetail& error) {
  for (const ExecutionPtr& execution : Live())
    execution->journal().Stop(StopCause::kLost, "the session is over: " + error.message());
}

void AppRuntime::Log(const std::string& line) {
  if (options_.log) return options_.log(line);
  std::cerr << "dbos: " + line + "\n";
}

std::string AppRuntime::Start(std::string_view name, const StartOptions& options, std::string input) {
  return Accepted(name, options, std::move(input), std::make_shared<Reply>());
}

std::string AppRuntime::Accepted(std::string_view name, const StartOptions& options, std::string input,
                                 const std::shared_ptr<runtime::Reply>& reply) {
  RequireRunning();
  v1::StartFrame frame;
  v1::StartWorkflowRequest& start = *frame.mutable_start();
  start = runtime::MakeStartRequest(name, options, std::move(input), session_.limits());
  session_.Send({.kind = FrameKind::kStart, .body = frame.SerializeAsString(), .owner = reply});
  if (!reply->Wait(DeadlineAfter(options_.request_timeout)) && !reply->accepted()) {
    const std::string& workflow_id = start.workflow_id().empty() ? start.request_id() : start.workflow_id();
    throw SidecarUnavailable("the sidecar did not answer in time; the workflow may have been started: start it again " +
                             ("with workflow_id " + workflow_id));
  }
  runtime::ThrowIfRefused(reply->refusal());
  return reply->started().workflow_id();
}

// The caller is woken once: by the end, if the workflow runs here.
std::string AppRuntime::Run(std::string_view name, const StartOptions& options, std::string input) {
  const auto reply = std::make_shared<Reply>();
  reply->set_onward([this, caller = std::weak_ptr<Reply>(reply)](const std::string& workflow_id) {
    const ExecutionPtr execution = FindLive(workflow_id);
    return execution != nullptr && execution->journal().TellEnd(caller.lock());
  });
  const std::string workflow_id = Accepted(name, options, std::move(input), reply);
  if (const auto outcome = reply->outcome()) return runtime::ValueOfWorkflow(workflow_id, *outcome);
  return Await(workflow_id, std::nullopt);
}

std::string AppRuntime::Await(const std::string& workflow_id, std::optional<std::chrono::milliseconds> timeout) {
  RequireRunning();
  runtime::CheckName("workflow id", workflow_id, session_.max_name_bytes());
  std::optional<SteadyTime> deadline;
  if (timeout) deadline = DeadlineAfter(*timeout);
  // A workflow that runs here is waited for here: no message, no hop.
  if (const ExecutionPtr execution = FindLive(workflow_id)) {
    if (const auto outcome = execution->journal().WaitFinished(deadline)) {
      return runtime::ValueOfWorkflow(workflow_id, *outcome);
    }
  }
  v1::AwaitFrame frame;
  frame.set_workflow_id(workflow_id);
  if (timeout) frame.set_timeout_ms(std::max<std::int64_t>(1, runtime::Bounded(*timeout).count()));
  const auto reply = std::make_shared<Reply>();
  session_.Send({.kind = FrameKind::kAwait, .body = frame.SerializeAsString(), .owner = reply});
  if (!reply->Wait(deadline) || (reply->refusal().reason() == v1::REASON_UNSPECIFIED &&
                                 reply->awaited().status() == v1::WORKFLOW_STATUS_UNSPECIFIED)) {
    throw TimeoutError("workflow " + workflow_id + " did not end within " + std::to_string(timeout->count()) + " ms");
  }
  runtime::ThrowIfRefused(reply->refusal());
  return runtime::ValueOfWorkflow(workflow_id, runtime::OutcomeOf(reply->awaited()));
}

WorkflowInfo AppRuntime::Describe(const std::string& workflow_id) {
  return unary_->Describe(workflow_id);
}

WorkflowStatus AppRuntime::Status(const std::string& workflow_id) {
  return unary_->Status(workflow_id);
}

void AppRuntime::RequireRunning() {
  const runtime::MutexLock lock(mu_);
  if (phase_ == Phase::kRegistering) throw Error("call launch() first");
  if (phase_ == Phase::kShutDown) throw SidecarUnavailable("the app was shut down");
}

AppRuntime::ExecutionPtr AppRuntime::FindLive(const std::string& workflow_id) {
  const runtime::MutexLock lock(mu_);
  const auto found = live_.find(workflow_id);
  return found == live_.end() ? nullptr : found->second;
}

AppRuntime::ExecutionPtr AppRuntime::FindLive(const v1::ExecutionRef& ref) {
  ExecutionPtr execution = FindLive(ref.workflow_id());
  return execution != nullptr && execution->ref().owner_token() == ref.owner_token() ? execution : nullptr;
}

void AppRuntime::Forget(const std::string& workflow_id, const std::string& owner_token) {
  ExecutionPtr gone;  // destroyed without the lock
  const runtime::MutexLock lock(mu_);
  const auto found = live_.find(workflow_id);
  if (found == live_.end() || found->second->ref().owner_token() != owner_token) return;
  gone = std::move(found->second);
  live_.erase(found);
  if (live_.empty()) changed_.NotifyAll();
}

std::vector<AppRuntime::ExecutionPtr> AppRuntime::Live() {
  std::vector<ExecutionPtr> live;
  const runtime::MutexLock lock(mu_);
  live.reserve(live_.size());
  for (const auto& [workflow_id, execution] : live_) live.push_back(execution);
  return live;
}

void AppRuntime::Shutdown() {
  {
    const runtime::MutexLock lock(mu_);
    const Phase before = std::exchange(phase_, Phase::kShutDown);
    if (before == Phase::kShutDown) return;
    if (before == Phase::kRegistering) return timers_.Stop();
  }
  Drain();
  for (const ExecutionPtr& execution : Live()) Release(execution, "the app shuts down");
  pool_.Stop();
  session_.Close();
  // What was dispatched after the release has no thread to run on: whoever waits for it is not left waiting.
  for (const ExecutionPtr& execution : Live()) execution->journal().Stop(StopCause::kLost, "the app was shut down");
  timers_.Stop();
}

void AppRuntime::Drain() {
  if (session_.EnqueueControl(FrameKind::kDrain, "")) session_.Pump();
  const SteadyTime deadline = DeadlineAfter(options_.drain_timeout);
  const runtime::MutexLock lock(mu_);
  while (!live_.empty() && changed_.WaitUntil(mu_, deadline)) {
  }
}

}  // namespace dbos::detail
