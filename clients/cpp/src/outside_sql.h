// OutsideSql: transactions of App and Client outside of a workflow. Call from any thread.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include <dbos/detail/sql_operations.h>

#include "sql_door.h"

namespace dbos::detail {

class OutsideSql final : public SqlAccess {
 public:
  explicit OutsideSql(std::shared_ptr<runtime::SqlDoor> door) : door_(std::move(door)) {}

  void RunTransaction(const TransactionOptions& options, const std::function<void(Transaction&)>& body) override;
  Rows RunSql(std::string_view sql, const SqlParams& params, const TransactionOptions& options) override;

 private:
  const std::shared_ptr<runtime::SqlDoor> door_;
};

}  // namespace dbos::detail
