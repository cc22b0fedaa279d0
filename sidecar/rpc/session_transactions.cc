#include "sidecar/rpc/session_transactions.h"

#include <utility>

#include "sidecar/rpc/convert_sql.h"

namespace dbos::sidecar {
namespace {

// Whether the transaction is over with this request or its answer.
bool Ends(const TransactionRequest& request) {
  return std::holds_alternative<CommitRequest>(request.command) ||
         std::holds_alternative<RollBackRequest>(request.command) ||
         std::holds_alternative<ExecuteRequest>(request.command);
}
bool Ends(const TransactionAnswer& answer) {
  return std::holds_alternative<TransactionEnded>(answer) || std::holds_alternative<TransactionRestart>(answer) ||
         std::holds_alternative<Error>(answer);
}

}  // namespace

Error NoApplicationDatabase() {
  return {Reason::kNoApplicationDatabase,
          "there is no application database for transactions: set application_database_url "
          "(DBOS_APPLICATION_DATABASE_URL, --app-database); it may be the same as system_database_url"};
}

void SessionTransactions::Transact(std::uint64_t conversation, v1::TransactRequest& request, Answer answer) {
  const Key key = {Kind::kTransact, conversation};
  const std::size_t bytes = request.ByteSizeLong();
  Error fault = Check(request);
  if (fault.ok()) return Post(key, TakeTransaction(request), bytes, std::move(answer));
  // It cannot be told what was meant, so nothing of an open transaction may stay.
  TransactionRequest back;
  back.command = RollBackRequest{};
  Post(key, std::move(back), bytes,
       [answer = std::move(answer), fault = std::move(fault)](const TransactionAnswer&) mutable { answer(fault); });
}

void SessionTransactions::Execute(std::uint64_t seq, v1::ExecuteRequest& request, Answer answer) {
  const std::size_t bytes = request.ByteSizeLong();
  if (Error fault = Check(request); !fault.ok()) return answer(std::move(fault));
  Post({Kind::kExecute, seq}, TakeTransaction(request), bytes, std::move(answer));
}

// Beyond the limit no transaction begins; those that are open go on, or nobody would get a connection.
void SessionTransactions::Post(const Key& key, TransactionRequest request, std::size_t bytes, Answer answer) {
  if (pool_ == nullptr) return answer(NoApplicationDatabase());
  const bool last = Ends(request);
  if (request.begin && IsFull()) {
    return answer(Error{Reason::kInflightLimit, "too many bytes of transactions wait: send this one again later"});
  }
  const Conversation conversation = Open(key, bytes);
  if (conversation == nullptr) return;
  pool_->Post(conversation, std::move(request),
              [this, key, bytes, last, answer = std::move(answer)](TransactionAnswer given) mutable {
                Answered(key, bytes, last || Ends(given));
                answer(std::move(given));
              });
}

bool SessionTransactions::IsFull() {
  MutexLock lock(mu_);
  return waiting_bytes_ > kWaitingBytesMax;
}

SessionTransactions::Conversation SessionTransactions::Open(const Key& key, std::size_t bytes) {
  MutexLock lock(mu_);
  if (closed_) return nullptr;
  waiting_bytes_ += bytes;
  Conversation& conversation = open_[key];
  if (conversation == nullptr) conversation = TransactionPool::Open();
  return conversation;
}

void SessionTransactions::Answered(const Key& key, std::size_t bytes, bool over) {
  MutexLock lock(mu_);
  waiting_bytes_ -= bytes;
  if (over) open_.erase(key);
}

void SessionTransactions::CloseAll() {
  std::map<Key, Conversation> open;
  {
    MutexLock lock(mu_);
    closed_ = true;
    open.swap(open_);
  }
  for (const auto& [key, conversation] : open) TransactionPool::Close(conversation);
}

}  // namespace dbos::sidecar
