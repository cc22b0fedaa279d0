// Pages of cursors: as many rows as were asked for, and fewer where they are large.
#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "sidecar/db/cursor_page.h"
#include "tests/sidecar/db/session_fixture.h"

namespace dbos::sidecar {
namespace {

using ::testing::HasSubstr;

class SessionCursorTest : public SessionFixture {
 protected:
  SessionCursorTest() {
    database_->Run("CREATE TABLE item (id BIGINT PRIMARY KEY, name TEXT NOT NULL)");
    Begin();
  }

  void Insert(int rows, std::size_t bytes) {
    for (int n = 0; n < rows; ++n) {
      ASSERT_EQ(State(Run("INSERT INTO item VALUES (:id, :n)", {{"id", Int(++last_)}, {"n", Text(Value(bytes))}})), "");
    }
  }
  std::string Value(std::size_t bytes) const { return std::string(bytes, static_cast<char>('a' + last_ % 26)); }

  // How many rows each page has, to the end. The rows are all there, in their order, and no page is too large.
  std::vector<std::size_t> Pages(std::uint32_t page_rows) {
    std::vector<std::size_t> pages;
    int id = 0;
    SqlAnswer answer = OpenCursor("SELECT id, name FROM item ORDER BY id", page_rows);
    while (true) {
      EXPECT_EQ(Types(answer), "id:int8,name:text");
      if (!std::holds_alternative<SqlRows>(answer)) return pages;
      const auto& page = std::get<SqlRows>(answer);
      EXPECT_LE(BytesOf(page.cells), kBytes);
      EXPECT_EQ(page.affected, static_cast<std::int64_t>(page.cells.size() / 2));
      for (std::size_t n = 0; n < page.cells.size(); n += 2) {
        EXPECT_EQ(page.cells[n], std::to_string(++id));
        EXPECT_EQ(page.cells[n + 1]->front(), 'a' + id % 26);
      }
      pages.push_back(page.cells.size() / 2);
      if (!page.more) break;
      answer = Answer(session_->Fetch(page_rows));
    }
    EXPECT_EQ(id, last_);
    return pages;
  }

  int last_ = 0;
};

TEST_P(SessionCursorTest, SmallRowsFillTheirPages) {
  Insert(2500, 10);
  EXPECT_EQ(Pages(1000), (std::vector<std::size_t>{1000, 1000, 500}));
  EXPECT_EQ(Pages(1250), (std::vector<std::size_t>{1250, 1250, 0}));
  EXPECT_EQ(Pages(1).size(), 2501U);
}

TEST_P(SessionCursorTest, LargeRowsMakeSmallPages) {
  Insert(60, 100'000);
  const std::vector<std::size_t> pages = Pages(1000);
  EXPECT_GE(pages.size(), 6U);
  EXPECT_EQ(*std::max_element(pages.begin(), pages.end()), 3U) << "a quarter of the bytes ends a page";
}

TEST_P(SessionCursorTest, WhatDoesNotFitIsOfTheNextPage) {
  for (int n = 0; n < 2; ++n) {
    Insert(1, 200'000);
    Insert(1, 1'000'000);
  }
  const std::vector<std::size_t> pages = Pages(1000);
  EXPECT_EQ(std::vector(pages.begin(), pages.begin() + 4), (std::vector<std::size_t>{1, 1, 1, 1}));
}

TEST_P(SessionCursorTest, RowsThatGrowAreStillRead) {
  Insert(2000, 10);
  Insert(400, 14'000);
  Insert(8, 200'000);
  Insert(2, 1'000'000);
  Insert(300, 10);
  Pages(5000);
}

TEST_P(SessionCursorTest, ARowThatNoMessageCanHoldEndsTheTransaction) {
  for (const std::size_t bytes : {kBytes + 1, 5 * kBytes}) {
    Insert(3, 10);
    Insert(1, bytes);
    OpenCursor("SELECT id, name FROM item ORDER BY id", 1);
    const absl::StatusOr<SqlAnswer> answer = session_->Fetch(1000);
    EXPECT_TRUE(absl::IsResourceExhausted(answer.status())) << answer.status();
    EXPECT_THAT(std::string(answer.status().message()), HasSubstr("bytes"));
    EXPECT_FALSE(session_->Fetch(1).ok());
    EXPECT_EQ(Count(), "0");
    Begin();
    last_ = 0;
  }
}

TEST_P(SessionCursorTest, WhatWasReadAheadGoesWithItsCursor) {
  Insert(1, 200'000);
  Insert(3, 1'000'000);
  const std::string large = "SELECT id, name FROM item ORDER BY id";
  const std::string small = "SELECT id FROM item ORDER BY id DESC";
  OpenCursor(large, 1000);
  EXPECT_EQ(Show(OpenCursor(small, 2)), "4 | 3");
  EXPECT_EQ(Show(Answer(session_->Fetch(1))), "2");
  Savepoint(SavepointAction::kSet);
  OpenCursor(large, 1000);
  Savepoint(SavepointAction::kRollBack);
  EXPECT_TRUE(absl::IsInvalidArgument(session_->Fetch(1).status()));
  OpenCursor(large, 1000);
  Commit();
  EXPECT_FALSE(session_->Fetch(1).ok());
  Begin();
  EXPECT_TRUE(absl::IsInvalidArgument(session_->Fetch(1).status()));
}

INSTANTIATE_OVER_DATABASES(SessionCursorTest);

}  // namespace
}  // namespace dbos::sidecar
