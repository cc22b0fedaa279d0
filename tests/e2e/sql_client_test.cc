// The C++ client's transactions over the real door, on every database: types, records, errors, savepoints, streams.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <dbos/dbos.h>

#include "gtest/gtest.h"

#include "tests/e2e/world.h"

namespace dbos::sidecar {

struct Item {
  std::int64_t id = 0;
  std::string name = {};
  std::optional<bool> sold = {};
  std::optional<double> weight = {};
  std::optional<Numeric> price = {};
  std::optional<std::vector<std::byte>> image = {};
  std::optional<std::chrono::system_clock::time_point> made_at = {};
  std::optional<std::chrono::year_month_day> day = {};
  std::optional<RawJson> extra = {};
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Item, id, name, sold, weight, price, image, made_at, day, extra)

namespace {

class SqlClientTest : public ::testing::TestWithParam<DatabaseKind> {
 protected:
  SqlClientTest() {
    world_.StartSidecar("", {"--app-database", world_.database_url()});
    client_.sql(
        "CREATE TABLE items (id BIGINT PRIMARY KEY, name VARCHAR(40) NOT NULL DEFAULT 'none', sold BOOLEAN, "
        "weight DOUBLE PRECISION, price NUMERIC(20, 4), image " +
        std::string(GetParam() == DatabaseKind::kSqlite ? "BLOB" : "BYTEA") + ", made_at TIMESTAMP" +
        (GetParam() == DatabaseKind::kSqlite ? "" : " WITH TIME ZONE") + ", day DATE, extra JSON)");
  }
  template <class F>
  auto Run(F body) {
    return client_.transaction(body);
  }

  World world_{GetParam()};
  Client client_{{.sidecar_address = world_.address()}};
};

const Item kFull{
    .id = 9'007'199'254'740'993,
    .name = "Ünïcode \" ' : ::int :x $1",
    .sold = true,
    .weight = 0.1,
    .price = Numeric{"1.5"},
    .image = std::vector<std::byte>{std::byte{0}, std::byte{255}},
    .made_at = std::chrono::system_clock::time_point(std::chrono::microseconds(1'749'983'445'123'456)),
    .day = std::chrono::year_month_day{std::chrono::year(2026), std::chrono::month(2), std::chrono::day(28)},
    .extra = RawJson{R"({"a":[1,null,"x"]})"}};

void ExpectSame(const Item& got, const Item& want) {
  EXPECT_EQ(got.id, want.id);
  EXPECT_EQ(got.name, want.name);
  EXPECT_EQ(got.sold, want.sold);
  EXPECT_EQ(got.weight, want.weight);
  EXPECT_EQ(got.image, want.image);
  EXPECT_EQ(got.made_at, want.made_at);
  EXPECT_EQ(got.day, want.day);
  EXPECT_EQ(got.extra, want.extra);
}

TEST_P(SqlClientTest, ARecordComesBackAsItWentIn) {
  const auto stored = Run([](Transaction& tx) { return tx.insert("items", kFull); });
  ExpectSame(stored, kFull);
  EXPECT_EQ(stored.price->text, GetParam() == DatabaseKind::kSqlite ? "1.5" : "1.5000");
  const auto found = Run([](Transaction& tx) { return tx.first<Item>("items", {{"id", kFull.id}}); });
  ASSERT_TRUE(found);
  ExpectSame(*found, kFull);
  const auto empty = Run([](Transaction& tx) { return tx.insert("items", Item{.id = 1, .name = "bare"}); });
  ExpectSame(empty, Item{.id = 1, .name = "bare"});
}

TEST_P(SqlClientTest, RecordsAreFoundChangedAndErased) {
  Run([](Transaction& tx) {
    std::vector<Item> items;
    for (int id = 1; id <= 5; ++id) items.push_back({.id = id, .name = "n" + std::to_string(id % 2)});
    items[4].weight = 2.5;
    const auto stored = tx.insert_many("items", items);
    ASSERT_EQ(stored.size(), 5U);
    EXPECT_EQ(stored[4].weight, 2.5);
    EXPECT_EQ(tx.find<Item>("items", {{"name", "n1"}, {"weight", nullptr}}).size(), 2U);
    EXPECT_EQ(tx.find<Item>("items", {{"id", std::vector<int>{1, 3, 9}}}).size(), 2U);
    EXPECT_EQ(tx.find<Item>("items", {{"id", std::vector<int>{}}}).size(), 0U);
    EXPECT_EQ(tx.update("items", {{"weight", 1.25}, {"sold", false}}, {{"name", "n0"}}), 2);
    EXPECT_EQ(tx.first<Item>("items", {{"id", 2}})->weight, 1.25);
    EXPECT_EQ(tx.update("items", {{"weight", nullptr}}, {{"id", 5}}), 1);
    EXPECT_EQ(tx.first<Item>("items", {{"id", 5}})->weight, std::nullopt);
    EXPECT_EQ(tx.upsert("items", Item{.id = 5, .name = "new", .weight = 7.0}, {"id"}).name, "new");
    EXPECT_EQ(tx.upsert("items", Item{.id = 6, .name = "six"}, {"id"}).id, 6);
    EXPECT_EQ(tx.erase("items", {{"name", "n1"}}), 2);
    EXPECT_EQ(tx.query("SELECT count(*) FROM items").scalar<int>(), 4);
    EXPECT_FALSE(tx.first<Item>("items", {{"id", 1}}));
  });
}

TEST_P(SqlClientTest, ManyLargeRecordsTakeAsManyRequestsAsTheyNeed) {
  Run([](Transaction& tx) {
    constexpr int kRecords = 8;
    std::vector<Item> items;
    for (int id = 1; id <= kRecords; ++id) {
      items.push_back({.id = id, .name = "n", .image = std::vector<std::byte>(800'000, std::byte{7})});
    }
    const auto stored = tx.insert_many("items", items);
    ASSERT_EQ(stored.size(), kRecords);
    EXPECT_EQ(stored.back().id, kRecords);
    EXPECT_EQ(stored.back().image, items.back().image);
    int streamed = 0;
    for (const Row& row : tx.stream("SELECT id, image FROM items ORDER BY id")) {
      EXPECT_EQ(row.get<int>("id"), ++streamed);
      EXPECT_EQ(row.get<std::vector<std::byte>>("image"), items.back().image);
    }
    EXPECT_EQ(streamed, kRecords) << "a page has fewer rows where they are large";
  });
}

TEST_P(SqlClientTest, AnErrorNamesTheColumnOfAValue) {
  Run([](Transaction& tx) {
    try {
      tx.insert("items", Item{.id = 1, .name = std::string("a\0b", 3)});
      ADD_FAILURE() << "no error";
    } catch (const InvalidArgument& error) {
      EXPECT_NE(std::string(error.what()).find(":name_"), std::string::npos) << error.what();
    }
  });
}

TEST_P(SqlClientTest, AnErrorNamesWhatTheDatabaseSays) {
  Run([](Transaction& tx) { tx.insert("items", Item{.id = 1, .name = "one"}); });
  try {
    client_.sql("INSERT INTO items (id) VALUES (:id)", {{"id", 1}});
    ADD_FAILURE();
  } catch (const SqlError& error) {
    EXPECT_EQ(error.sqlstate(), "23505");
    EXPECT_TRUE(GetParam() == DatabaseKind::kSqlite || error.constraint() == "items_pkey") << error.constraint();
  }
  // A savepoint keeps an error from the rest of the transaction; without one the commit fails.
  Run([](Transaction& tx) {
    EXPECT_THROW(tx.savepoint([&] { tx.execute("INSERT INTO items (id) VALUES (1)"); }), SqlError);
    EXPECT_EQ(tx.execute("INSERT INTO items (id) VALUES (2)"), 1);
  });
  try {
    Run([](Transaction& tx) { EXPECT_THROW(tx.execute("INSERT INTO items (id) VALUES (1)"), SqlError); });
    ADD_FAILURE();
  } catch (const SqlError& error) {
    EXPECT_EQ(error.sqlstate(), "25P02");
  }
  EXPECT_THROW(client_.sql("SELECT :x", {{"y", 1}}), InvalidArgument);
  EXPECT_THROW(Run([](Transaction& tx) { tx.execute("COMMIT"); }), InvalidArgument);
  EXPECT_EQ(client_.sql("SELECT count(*) FROM items").scalar<int>(), 2);
}

TEST_P(SqlClientTest, AResultLargerThanAPageIsStreamed) {
  const int sum = Run([](Transaction& tx) {
    for (int id = 0; id < 500; ++id) tx.execute("INSERT INTO items (id) VALUES (:id)", {{"id", id}});
    int total = 0;
    for (const Row& row : tx.stream("SELECT id FROM items ORDER BY id", {}, 64)) total += row.get<int>("id");
    return total;
  });
  EXPECT_EQ(sum, 500 * 499 / 2);
}

TEST_P(SqlClientTest, WhatIsDeferredRunsWithTheNextCallAndItsFailureIsThrownThere) {
  const std::string seen = Run([](Transaction& tx) {
    tx.defer("INSERT INTO items (id, name) VALUES (:id, 'first')", {{"id", 1}});
    std::string names = tx.query("SELECT name FROM items").scalar<std::string>();
    try {
      tx.savepoint([&] { tx.defer("INSERT INTO items (id, name) VALUES (:id, 'again')", {{"id", 1}}); });
    } catch (const SqlError& error) {
      names += " " + error.sqlstate() + " " + error.statement();
    }
    for (const Row& row : tx.stream("SELECT id FROM items", {}, 1)) {
      tx.defer("INSERT INTO items (id, name) VALUES (:id, 'third')", {{"id", row.get<int>("id") + 2}});
      break;
    }
    return names;
  });
  EXPECT_EQ(seen, "first 23505 INSERT INTO items (id, name) VALUES (:id, 'again')");
  EXPECT_EQ(client_.sql("SELECT count(*) FROM items").scalar<int>(), 2);
  EXPECT_THROW(Run([](Transaction& tx) {
                 tx.defer("INSERT INTO items (id) VALUES (4)");
                 tx.defer("INSERT INTO items (id) VALUES (4)");
               }),
               SqlError);
  EXPECT_THROW(Run([](Transaction& tx) {
                 tx.defer("INSERT INTO items (id) VALUES (5)");
                 throw std::runtime_error("no");
               }),
               std::runtime_error);
  EXPECT_EQ(client_.sql("SELECT count(*) FROM items").scalar<int>(), 2);
}

TEST_P(SqlClientTest, InAWorkflowItHappensOnceAndItsFailureIsTheSameAgain) {
  App app({.name = "crash-test", .version = "sql-1", .sidecar_address = world_.address()});
  const auto workflow = app.workflow("add", [](Context& ctx, int id) {
    const auto stored =
        ctx.transaction("insert", [&](Transaction& tx) { return tx.insert("items", Item{.id = id, .name = "w"}); });
    std::string caught;
    try {
      ctx.sql("again", "INSERT INTO items (id) VALUES (:id)", {{"id", id}});
    } catch (const SqlError& error) {
      caught = error.sqlstate() + " " + error.step();
    }
    try {
      ctx.transaction("undone", [&](Transaction& tx) {
        tx.erase("items", {{"id", id}});
        throw std::runtime_error("no");
      });
    } catch (const StepError& error) {
      caught += " " + error.name();
    }
    try {
      ctx.transaction("deferred", [&](Transaction& tx) {
        tx.defer("UPDATE items SET name = 'lost' WHERE id = :id", {{"id", id}});
        tx.defer("INSERT INTO items (id) VALUES (:id)", {{"id", id}});
      });
    } catch (const SqlError& error) {
      caught += " " + error.sqlstate();
    }
    return stored.name + " " + caught;
  });
  app.launch();
  const std::string want = "w 23505 again std::runtime_error 23505";
  EXPECT_EQ(workflow.run({.workflow_id = "add-7"}, 7), want);
  EXPECT_EQ(client_.sql("SELECT count(*) FROM items").scalar<int>(), 1);
  const auto steps = client_.steps("add-7");
  ASSERT_EQ(steps.size(), 4U);
  EXPECT_EQ((*steps[3].error->data)["statement"], "INSERT INTO items (id) VALUES (:id)");
  EXPECT_EQ(client_.sql("SELECT name FROM items").scalar<std::string>(), "w");
  EXPECT_EQ(steps[1].error->name, "SqlError");
  EXPECT_EQ(steps[1].error->code->get<std::string>(), "23505");
  EXPECT_EQ(steps[2].error->message, "no");
}

INSTANTIATE_TEST_SUITE_P(Databases, SqlClientTest, ::testing::ValuesIn(TestDatabaseKinds()),
                         [](const auto& test) { return ToString(test.param); });

}  // namespace
}  // namespace dbos::sidecar
