#include "sidecar/rpc/transact_stream.h"

#include <utility>

#include "sidecar/rpc/convert_sql.h"

namespace dbos::sidecar {

TransactStream* TransactStream::Open(TransactionPool* pool) {
  auto stream = std::make_shared<TransactStream>(pool);
  stream->self_ = stream;
  stream->StartRead(&stream->request_);
  return stream.get();
}

void TransactStream::OnReadDone(bool ok) {
  if (!ok) return End();
  constexpr std::uint64_t kTheOne = 0;
  conversations_.Transact(kTheOne, request_,
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
  conversations_.CloseAll();
  Finish(grpc::Status::OK);
}

void ExecuteCall::Run(v1::ExecuteRequest request) {
  const auto self = std::static_pointer_cast<ExecuteCall>(shared_from_this());
  conversations_.Execute(0, request, [self](TransactionAnswer answer) { self->Take(std::move(answer)); });
}

void ExecuteCall::Take(TransactionAnswer answer) {
  v1::ExecuteResponse response;
  if (Error error = Put(std::move(answer), &response); !error.ok()) return Refuse(error);
  Answer([&] { response_->Swap(&response); });
}

}  // namespace dbos::sidecar
