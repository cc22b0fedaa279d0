// TransactionTest: workflows over a FakeSidecar and a FakeDatabase.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <dbos/dbos.h>

#include "gtest/gtest.h"

#include "tests/clients/fake_database.h"
#include "tests/clients/fake_sidecar.h"

namespace dbos::testing {

class TransactionTest : public ::testing::Test {
 protected:
  // Runs `body` as the workflow "w-1".
  template <class F>
  auto Start(F body) {
    sidecar_.SetSqlChannel(database_.channel());
    app_ = sidecar_.MakeApp();
    auto workflow = app_->workflow("w", std::move(body));
    app_->launch();
    return workflow.start({.workflow_id = "w-1"});
  }
  // What the workflow ended with, as it is recorded.
  std::string Outcome() {
    const v1::Outcome outcome = sidecar_.workflow("w-1").outcome;
    return outcome.has_error() ? outcome.error().data() : outcome.value().data();
  }

  FakeDatabase database_;
  FakeSidecar sidecar_;
  std::unique_ptr<App> app_;
};

// The body of most tests: one statement.
inline void OneStatement(Transaction& tx) {
  tx.execute("UPDATE accounts SET balance = 0");
}

}  // namespace dbos::testing
