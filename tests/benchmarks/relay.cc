// dbos-bench-relay: the least that a sidecar does for transactions of two statements: it passes frames on between an
// application, dbos-bench-relay-load, and PostgreSQL. No engine, no checks, no fence, no recovery.
//
//   dbos-bench-relay URL CONNECTIONS ADDRESS     prints {"ready": true}, serves until standard input ends
//
// As quick as the RPC of the real one allows: the same frames of StepService.Session, many in a message where they wait
// for each other, one thread for gRPC's events, and one that waits for all connections.
#include <array>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <thread>
#include <vector>

#include <grpcpp/grpcpp.h>
#include <poll.h>

#include "absl/synchronization/mutex.h"
#include "dbos/v1/steps.grpc.pb.h"

#include "checkpoints.h"
#include "relay_frames.h"

namespace dbos::benchmarks {
namespace {

constexpr int kTransactionsPerWorkflow = 10;

constexpr std::array<Statement, 5> kStatements = {{
    {"begin", "BEGIN ISOLATION LEVEL SERIALIZABLE"},
    {"read", "SELECT balance FROM bench.accounts WHERE id = $1::int4"},
    {"write", "UPDATE bench.accounts SET balance = $1::int8 WHERE id = $2::int4"},
    {"record",
     "INSERT INTO bench.checkpoints (workflow_uuid, function_id, function_name, output, started_at_epoch_ms,"
     " completed_at_epoch_ms, serialization, application_name)"
     " VALUES ($1, $2::int4, 'two', '1', $3::int8, $3::int8, 'portable_json', 'bench')"},
    {"commit", "COMMIT"},
}};

class Relay {
 public:
  using Stream = grpc::ServerAsyncReaderWriter<v1::SessionEvent, v1::SessionRequest>;

  Relay(const std::string& url, std::size_t connections, const std::string& address)
      : stream_(&context_), writer_(stream_) {
    MakeCheckpoints(url);
    while (connections_.size() < connections) Open(url);
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    builder.RegisterService(&service_);
    events_ = builder.AddCompletionQueue();
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) throw std::runtime_error("no server at " + address);
  }

  // Ends with the process.
  [[noreturn]] void Serve() {
    std::thread([this] { Answers(); }).detach();
    service_.RequestSession(&context_, &stream_, events_.get(), events_.get(), kOpened);
    std::thread([this] { Requests(); }).detach();
    std::cout << R"({"ready": true})" << std::endl;
    for (std::string line; std::getline(std::cin, line);) {
    }
    std::_Exit(0);
  }

 private:
  struct Pipe {
    Connection connection;
    v1::TransactFrame request;  // its answer is awaited
    std::string balance;
    int syncs = 0;  // answers that are awaited
  };

  struct Workflow {
    std::string id;
    int step = 0;
  };

  void Open(const std::string& url) {
    Pipe& pipe = connections_.emplace_back(Pipe{Connect(url), {}, {}});
    EnterPipelines(pipe.connection.get(), kStatements);
    free_.push_back(&pipe);
  }

  void Requests() {
    void* event = nullptr;
    bool ok = false;
    while (events_->Next(&event, &ok) && ok) {
      if (event == kRead) {
        const std::lock_guard<std::mutex> lock(mu_);
        for (v1::ClientFrame& frame : *request_.mutable_frames()) Take(std::move(*frame.mutable_transact()));
      }
      if (event != kWritten) stream_.Read(&request_, kRead);
      if (event != kRead) writer_.GoOn();
    }
  }

  void Take(v1::TransactFrame frame) {
    Pipe*& pipe = serving_.at(frame.conversation());
    if (frame.request().has_begin()) {
      if (free_.empty()) return waiting_.push_back(std::move(frame));
      pipe = free_.back();
      free_.pop_back();
    }
    Send(*pipe, std::move(frame));
  }

  void Send(Pipe& pipe, v1::TransactFrame frame) {
    const auto& parameters = frame.request().statement().parameters();
    if (frame.request().has_begin()) {
      Send(pipe, kStatements[0], {});
      Send(pipe, kStatements[1], {std::to_string(parameters[0].value().integer())});
    } else if (frame.request().has_statement()) {
      Send(pipe, kStatements[2],
           {std::to_string(parameters[0].value().integer()), std::to_string(parameters[1].value().integer())});
    } else {
      Workflow& workflow = workflows_.at(frame.conversation());
      if (workflow.step % kTransactionsPerWorkflow == 0) workflow = {MakeWorkflowId()};
      Send(pipe, kStatements[3], {workflow.id, std::to_string(workflow.step++), "1790000000000"});
      Send(pipe, kStatements[4], {});
    }
    pipe.request = std::move(frame);
    if (PQpipelineSync(pipe.connection.get()) != 1 || PQflush(pipe.connection.get()) != 0) Fail(pipe);
    ++pipe.syncs;
  }

  static void Send(Pipe& pipe, const Statement& statement, const std::vector<std::string>& values) {
    std::vector<const char*> raw;
    for (const std::string& value : values) raw.push_back(value.c_str());
    const int count = static_cast<int>(raw.size());
    if (PQsendQueryPrepared(pipe.connection.get(), statement.name, count, raw.data(), nullptr, nullptr, 0) != 1)
      Fail(pipe);
  }

  void Answers() {
    std::vector<pollfd> sockets;
    for (const Pipe& pipe : connections_) sockets.push_back({PQsocket(pipe.connection.get()), POLLIN, 0});
    while (true) {
      poll(sockets.data(), sockets.size(), -1);
      {
        const std::lock_guard<std::mutex> lock(mu_);
        std::size_t n = 0;
        for (Pipe& pipe : connections_) {
          if (sockets[n++].revents != 0) Receive(pipe);
        }
      }
      writer_.Flush();
    }
  }

  void Receive(Pipe& pipe) {
    PGconn* const raw = pipe.connection.get();
    if (PQconsumeInput(raw) != 1) Fail(pipe);
    while (pipe.syncs > 0 && PQisBusy(raw) == 0) {
      const Result result(PQgetResult(raw), &PQclear);
      if (result == nullptr) continue;  // the end of one statement's results
      const ExecStatusType status = PQresultStatus(result.get());
      if (status == PGRES_TUPLES_OK) pipe.balance = PQgetvalue(result.get(), 0, 0);
      if (status == PGRES_PIPELINE_SYNC) {
        --pipe.syncs;
        Answer(pipe);
      } else if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        Fail(pipe);
      }
    }
  }

  void Answer(Pipe& pipe) {
    writer_.Append([&](v1::ServerFrame& frame) {
      frame.mutable_transacted()->set_seq(pipe.request.seq());
      v1::SqlRows& rows = *frame.mutable_transacted()->mutable_response()->mutable_rows();
      rows.add_columns()->set_name("balance");
      rows.add_rows()->add_cells(pipe.balance);
    });
    if (!pipe.request.request().has_commit()) return;
    free_.push_back(&pipe);
    if (waiting_.empty()) return;
    v1::TransactFrame next = std::move(waiting_.front());
    waiting_.pop_front();
    Take(std::move(next));
  }

  [[noreturn]] static void Fail(const Pipe& pipe) {
    std::cerr << "dbos-bench-relay: " << PQerrorMessage(pipe.connection.get()) << "\n";
    std::_Exit(1);
  }

  std::mutex mu_;
  std::deque<Pipe> connections_;
  std::vector<Pipe*> free_;
  std::deque<v1::TransactFrame> waiting_;
  std::array<Pipe*, kCallers> serving_{};
  std::array<Workflow, kCallers> workflows_;  // at which the callers are

  v1::StepService::AsyncService service_;
  std::unique_ptr<grpc::ServerCompletionQueue> events_;
  std::unique_ptr<grpc::Server> server_;
  grpc::ServerContext context_;
  Stream stream_;
  v1::SessionRequest request_;
  Writer<v1::SessionEvent, Stream> writer_;
};

}  // namespace
}  // namespace dbos::benchmarks

int main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  if (argc != 4) {
    std::cerr << "usage: dbos-bench-relay URL CONNECTIONS ADDRESS\n";
    return 2;
  }
  try {
    dbos::benchmarks::Relay(argv[1], std::stoul(argv[2]), argv[3]).Serve();
  } catch (const std::exception& failure) {
    std::cerr << "dbos-bench-relay: " << failure.what() << "\n";
    return 1;
  }
}
