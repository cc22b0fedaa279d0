#include "sidecar/rpc/conversations.h"

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

void Conversations::Transact(std::uint64_t conversation, v1::TransactRequest& request, Answer answer) {
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

void Conversations::Execute(std::uint64_t seq, v1::ExecuteRequest& request, Answer answer) {
  const std::size_t bytes = request.ByteSizeLong();
  if (Error fault = Check(request); !fault.ok()) return Refuse(answer, std::move(fault));
  Post({Kind::kExecute, seq}, TakeTransaction(request), bytes, std::move(answer));
}

// Beyond the limit no transaction begins; those that are open go on, or nobody would get a connection.
void Conversations::Post(const Key& key, TransactionRequest request, std::size_t bytes, Answer answer) {
  if (pool_ == nullptr) return Refuse(answer, NoApplicationDatabase());
  const bool last = Ends(request);
  if (request.begin && IsFull()) {
    return Refuse(answer,
                  Error{Reason::kInflightLimit, "too many bytes of transactions wait: send this one again later"});
  }
  const auto conversation = Take(key);
  if (conversation == nullptr) {
    return Refuse(answer, TransactionEnded{TransactionEnded::How::kRolledBack, std::nullopt});
  }
  pool_->Post(conversation, std::move(request),
              [this, key, last, counted = Count(bytes), answer = std::move(answer)](TransactionAnswer given) mutable {
                Answered(key, last || Ends(given));
                answer(std::move(given));
              });
}

void Conversations::Refuse(Answer& answer, TransactionAnswer with) const {
  answer(std::move(with));
  if (flush_) flush_();
}

// Until the returned token is gone.
std::shared_ptr<void> Conversations::Count(std::size_t bytes) {
  waiting_bytes_->fetch_add(bytes);
  return {nullptr, [waiting = waiting_bytes_, bytes](void*) { waiting->fetch_sub(bytes); }};
}

std::shared_ptr<TransactionPool::Conversation> Conversations::Take(const Key& key) {
  std::shared_ptr<TransactionPool::Conversation> left;
  {
    MutexLock lock(mu_);
    if (closed_) return nullptr;
    Open& open = open_[key];
    if (!open.busy) {
      if (open.conversation == nullptr) open.conversation = TransactionPool::Open(flush_);
      open.busy = true;
      return open.conversation;
    }
    left = std::move(open.conversation);
    open_.erase(key);
  }
  pool_->Close(left);
  return nullptr;
}

void Conversations::Answered(const Key& key, bool over) {
  MutexLock lock(mu_);
  const auto found = open_.find(key);
  if (found == open_.end()) return;
  found->second.busy = false;
  if (over) open_.erase(found);
}

void Conversations::CloseAll() {
  std::map<Key, Open> open;
  {
    MutexLock lock(mu_);
    closed_ = true;
    open.swap(open_);
  }
  for (const auto& [key, one] : open) pool_->Close(one.conversation);
}

}  // namespace dbos::sidecar
