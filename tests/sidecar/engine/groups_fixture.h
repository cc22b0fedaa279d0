// GroupsTest: a pool that has learned of a statement that may share a commit.
#pragma once

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

  // "a" goes alone, and "b" and "c" behind it together.
  struct Three {
    Answered a;
    Answered b;
    Answered c;
  };
  static Three PostThree(TransactionPool& pool) { return {Post(pool, "a"), Post(pool, "b"), Post(pool, "c")}; }
  // And until the two are sent.
  Three SendThree(TransactionPool& pool) {
    Three three = PostThree(pool);
    script_.Arrive();
    script_.AwaitNote("send group b c");
    return three;
  }
};

}  // namespace dbos::sidecar
