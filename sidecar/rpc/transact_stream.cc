#include "sidecar/rpc/transact_stream.h"

#include <utility>

#include "sidecar/rpc/convert_sql.h"
#include "sidecar/rpc/errors.h"

namespace dbos::sidecar {

TransactStream* TransactStream::Open(TransactionPool& pool) {
  auto stream = std::make_shared<TransactStream>(pool);
  stream->self_ = stream;
  stream->StartRead(&stream->request_);
  return stream.get();
}

void TransactStream::OnReadDone(bool ok) {
  if (!ok) return End();
  if (Error error = Check(request_); !error.ok()) {
    // It cannot be told what the caller meant, so nothing of an open transaction may stay.
    TransactionRequest back;
    back.command = RollBackRequest{};
    return pool_.Post(conversation_, std::move(back),
                      [self = shared_from_this(), error](TransactionAnswer) { self->Answer(error); });
  }
  pool_.Post(conversation_, TakeTransaction(request_),
             [self = shared_from_this()](TransactionAnswer answer) { self->Answer(std::move(answer)); });
}

// `mu_` is held while the write starts, so that the stream is not finished at the same time.
void TransactStream::Answer(TransactionAnswer answer) {
  MutexLock lock(mu_);
  if (ended_) return;
  response_.Clear();
  Put(std::move(answer), &response_);
  StartWrite(&response_);
}

void TransactStream::OnWriteDone(bool ok) {
  if (!ok) return End();
  request_.Clear();
  StartRead(&request_);
}

void TransactStream::OnCancel() {
  End();
}

void TransactStream::End() {
  {
    MutexLock lock(mu_);
    if (std::exchange(ended_, true)) return;
  }
  TransactionPool::Close(conversation_);
  Finish(grpc::Status::OK);
}

grpc::ServerUnaryReactor* ExecuteCall::Run(TransactionPool& pool, grpc::CallbackServerContext* call,
                                           v1::ExecuteRequest request, v1::ExecuteResponse* response) {
  auto self = std::make_shared<ExecuteCall>(call, response);
  self->self_ = self;
  if (Error error = Check(request); !error.ok()) {
    self->Refuse(error);
  } else {
    pool.Post(self->conversation_, TakeTransaction(request),
              [self](TransactionAnswer answer) { self->Answer(std::move(answer)); });
  }
  return self.get();
}

void ExecuteCall::Answer(TransactionAnswer answer) {
  v1::ExecuteResponse response;
  if (Error error = Put(std::move(answer), &response); !error.ok()) return Refuse(error);
  if (ended_.exchange(true)) return;
  response_->Swap(&response);
  Finish(grpc::Status::OK);
}

void ExecuteCall::Refuse(const Error& error) {
  if (ended_.exchange(true)) return;
  AddReasonTrailer(error.reason, call_);
  Finish(ToGrpcStatus(error));
}

void ExecuteCall::OnCancel() {
  TransactionPool::Close(conversation_);
  if (!ended_.exchange(true)) Finish(grpc::Status(grpc::CANCELLED, "the caller no longer waits"));
}

}  // namespace dbos::sidecar
