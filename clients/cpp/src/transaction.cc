#include <dbos/errors.h>
#include <dbos/transaction.h>

namespace dbos {

RowStream::RowStream(detail::SqlConnection& connection, std::string_view sql, const SqlParams& params,
                     std::uint32_t page_rows)
    : connection_(connection), page_rows_(page_rows) {
  if (page_rows == 0) throw InvalidArgument("Transaction::stream: page_rows must be at least 1");
  page_ = connection.OpenCursor(sql, params, page_rows);
  SkipEmptyPages();
}

void RowStream::Advance() {
  ++next_;
  SkipEmptyPages();
}

void RowStream::SkipEmptyPages() {
  while (next_ == page_.rows.size() && page_.more) {
    page_ = connection_.Fetch(page_.cursor, page_rows_);
    next_ = 0;
  }
}

// On the way out of the savepoint: by an exception, or because it could not be released.
Transaction::Savepoint::~Savepoint() {
  if (!open_) return;
  try {
    connection_.Savepoint(detail::SavepointAction::kRollBack);
  } catch (...) {  // NOLINT(bugprone-empty-catch): the transaction is over then, and its next call says so
  }
}

}  // namespace dbos
