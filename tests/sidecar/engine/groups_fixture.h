// GroupsTest: a pool that has learned of a statement that may share a commit.
#pragma once

#include <algorithm>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/sidecar/engine/transaction_pool_fixture.h"

namespace dbos::sidecar {

class GroupsTest : public TransactionPoolTest {
 protected:
  using Answered = std::future<TransactionAnswer>;

  // A pool with so many connections, all open, that has learned of a statement "sql" that it may share a commit.
  std::unique_ptr<TransactionPool> OpenLearned(int size) {
    TransactionPool::Options options;
    options.size = size;
    return OpenLearned(options);
  }
  std::unique_ptr<TransactionPool> OpenLearned(const TransactionPool::Options& options) {
    auto pool = OpenUsed(options);
    script_.could_group = true;
    Ask(*pool, TransactionPool::Open(), Statement("first"));
    script_.halves = true;
    return pool;
  }
  std::unique_ptr<TransactionPool> OpenUsed(const TransactionPool::Options& options) {
    auto pool = Open(options);
    std::vector<Conversation> callers;
    for (int n = 0; n < options.size; ++n) Ask(*pool, callers.emplace_back(TransactionPool::Open()), Begins(false));
    for (const Conversation& caller : callers) Ask(*pool, caller, Asks(CommitRequest{{"1"}, 0}));
    return pool;
  }

  static TransactionRequest Statement(const std::string& workflow, const std::string& sql = "sql") {
    TransactionRequest request = Begins(true);
    request.begin->step->execution.workflow_id = workflow;
    request.command = ExecuteRequest{Sql(sql), 0};
    return request;
  }
  static Answered Post(TransactionPool& pool, const std::string& workflow, const std::string& sql = "sql") {
    return TransactionPoolTest::Post(pool, TransactionPool::Open(), Statement(workflow, sql));
  }
  // The value that a committed one is answered with.
  static std::string ValueOf(Answered& answer) {
    const TransactionAnswer given = answer.get();
    if (!Committed(given)) return "not committed: " + ErrorOf(given).message;
    return std::get<TransactionEnded>(given).outcome->payload.data;
  }
  bool Noted(const std::string& what) {
    const std::vector<std::string> log = script_.log();
    return std::find(log.begin(), log.end(), what) != log.end();
  }
};

}  // namespace dbos::sidecar
