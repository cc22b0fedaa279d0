#include "outside_sql.h"

#include <random>
#include <string>
#include <thread>

#include <dbos/transaction.h>

#include "request_limits.h"
#include "running_code.h"
#include "sql_wire.h"
#include "transaction_run.h"

namespace dbos::detail {
namespace {

// Nobody stops it but its own limits.
class OutsideWorld final : public runtime::TransactionWorld {
 public:
  std::stop_token Stop() const override { return {}; }
  void Pause(std::chrono::milliseconds wait) override { std::this_thread::sleep_for(wait); }
  double Random() override {
    thread_local std::minstd_rand generator{std::random_device{}()};
    return std::uniform_real_distribution<double>(0.0, 1.0)(generator);
  }
  void AwaitSidecar() override {}
  void Refused(const v1::ErrorDetail& /*refusal*/) override {}
  std::size_t max_message_bytes() const override { return runtime::kMessageBytesMax; }
  std::size_t max_payload_bytes() const override { return runtime::RequestLimits().max_payload_bytes; }
};

}  // namespace

void OutsideSql::RunTransaction(const TransactionOptions& options, const std::function<void(Transaction&)>& body) {
  runtime::RefuseInTransaction();
  runtime::CheckTransactionOptions("transaction", options);
  OutsideWorld world;
  runtime::OutsideRun({.door = *door_, .name = {}, .options = options}, world).Run([&](Transaction& transaction) {
    body(transaction);
    return std::string("null");
  });
}

Rows OutsideSql::RunSql(std::string_view sql, const SqlParams& params, const TransactionOptions& options) {
  runtime::RefuseInTransaction();
  runtime::CheckTransactionOptions("sql", options);
  v1::SqlStatement statement;
  runtime::EncodeStatement(sql, params, 0, statement);
  OutsideWorld world;
  runtime::OutsideRun run({.door = *door_, .name = {}, .options = options}, world);
  return Decode<Rows>(run.Execute(statement));
}

}  // namespace dbos::detail
