#include "sidecar/rpc/session_frames.h"

#include <utility>

namespace dbos::sidecar {
namespace {

// A release has no seq: the process has let go, and nobody waits for an answer.
class NoReply final : public ReplySink {
 public:
  void Acknowledged(std::uint64_t) override {}
  void Refused(std::uint64_t, Error) override {}
  void Started(std::uint64_t, StartResult) override {}
  void Awaited(std::uint64_t, AwaitResult) override {}
  void Flush() override {}
};

struct Runner {
  SessionId session;
  const std::shared_ptr<SessionSink>& sink;
  Engine& engine;

  void operator()(RecordStepCall& call) const { engine.RecordStep(session, sink, call.seq, std::move(call.request)); }
  void operator()(CompleteCall& call) const {
    engine.CompleteWorkflow(session, sink, call.seq, std::move(call.request));
  }
  void operator()(RefusedCall& call) const { engine.RefuseExecution(session, call.execution, std::move(call.why)); }
  void operator()(NoRoomCall& call) const { engine.NoRoomFor(session, call.execution, call.step_id); }
  void operator()(StartCall& call) const { engine.StartWorkflow(session, sink, call.seq, std::move(call.request)); }
  void operator()(AwaitCall& call) const { engine.AwaitWorkflow(session, sink, call.seq, std::move(call.request)); }
  void operator()(ReleaseCall& call) const { engine.ReleaseExecution(std::make_shared<NoReply>(), 0, call.execution); }
  void operator()(RegisterCall& call) const { engine.Register(session, std::move(call.workflows)); }
  void operator()(CreditCall& call) const { engine.SetCredit(session, call.executions); }
  void operator()(DrainCall&) const { engine.DrainSession(session); }
};

}  // namespace

void Run(std::vector<EngineCall> calls, SessionId session, const std::shared_ptr<SessionSink>& sink, Engine& engine) {
  const Runner runner{session, sink, engine};
  for (EngineCall& call : calls) std::visit(runner, call);
}

}  // namespace dbos::sidecar
