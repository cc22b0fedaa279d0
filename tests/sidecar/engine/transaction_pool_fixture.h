// TransactionPoolTest: a pool over a database that says what the test wants.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "sidecar/engine/transaction_pool.h"
#include "tests/sidecar/engine/scripted_transactions.h"

namespace dbos::sidecar {

using Conversation = std::shared_ptr<TransactionPool::Conversation>;

class TransactionPoolTest : public testing::Test {
 protected:
  std::unique_ptr<TransactionPool> Open(int size, absl::Duration timeout) {
    TransactionPool::Options options;
    options.size = size;
    options.timeout = timeout;
    return Open(options);
  }
  std::unique_ptr<TransactionPool> Open(const TransactionPool::Options& options) {
    const TransactionStorageFactory factory = [this]() -> absl::StatusOr<std::unique_ptr<TransactionStorage>> {
      if (in_open_) in_open_();
      if (!opening_.ok()) return opening_;
      return std::make_unique<ScriptedStorage>(script_);
    };
    return std::make_unique<TransactionPool>(factory, records_, options);
  }

  // All of its connections are open.
  std::unique_ptr<TransactionPool> OpenUsed(const TransactionPool::Options& options) {
    auto pool = Open(options);
    std::vector<Conversation> callers;
    for (int n = 0; n < options.size; ++n) Ask(*pool, callers.emplace_back(TransactionPool::Open()), Begins(false));
    for (const Conversation& caller : callers) Ask(*pool, caller, Asks(CommitRequest{{"1"}, 0}));
    return pool;
  }

  static std::future<TransactionAnswer> Post(TransactionPool& pool, const Conversation& conversation,
                                             TransactionRequest request) {
    auto answered = std::make_shared<std::promise<TransactionAnswer>>();
    pool.Post(conversation, std::move(request),
              [answered](TransactionAnswer answer) { answered->set_value(std::move(answer)); });
    return answered->get_future();
  }
  static TransactionAnswer Ask(TransactionPool& pool, const Conversation& conversation, TransactionRequest request) {
    return Post(pool, conversation, std::move(request)).get();
  }

  Script script_;
  ScriptedRecords records_{script_};
  absl::Status opening_;
  std::function<void()> in_open_;
};

inline Error ErrorOf(const TransactionAnswer& answer) {
  const auto* error = std::get_if<Error>(&answer);
  return error == nullptr ? Error() : *error;
}
inline bool Committed(const TransactionAnswer& answer) {
  const auto* ended = std::get_if<TransactionEnded>(&answer);
  return ended != nullptr && ended->how == TransactionEnded::How::kCommitted;
}

}  // namespace dbos::sidecar
