// Applications that come and go within one process: the end of one must not take the process along.
#include <dbos/dbos.h>
#include <gtest/gtest.h>

#include "tests/e2e/world.h"

namespace dbos::sidecar {
namespace {

TEST(TeardownTest, AnAppEndsWhateverItsStreamIsDoing) {
  World world(DatabaseKind::kSqlite);
  world.StartSidecar("", {"--name", "teardown"});
  for (int i = 0; i < 100; ++i) {
    dbos::App app({.name = "teardown", .version = "teardown-1", .sidecar_address = world.address()});
    auto workflow = app.workflow("w", [](dbos::Context& ctx, int n) { return ctx.step("step", [&] { return n; }); });
    app.launch();
    EXPECT_EQ(workflow.start({}, i).result(), i);
    if (i % 2 == 0) Pause(absl::Milliseconds(i % 7));  // paces: the end comes at another moment each time
  }
}

}  // namespace
}  // namespace dbos::sidecar
