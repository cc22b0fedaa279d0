#include "error_records.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <typeinfo>

#include <cxxabi.h>
#include <dbos/values.h>

#include "request_limits.h"

namespace dbos {
namespace {

constexpr char kAwaitedCancelled[] = "DBOSAwaitedWorkflowCancelledError";
constexpr char kAwaitedDeadLetter[] = "DBOSAwaitedWorkflowExceededMaxRecoveryAttempts";
constexpr char kMaxStepRetries[] = "DBOSMaxStepRetriesError";
constexpr char kUnexpectedStep[] = "DBOSUnexpectedStepError";
constexpr char kSqlError[] = "SqlError";
constexpr char kTransactionTimeout[] = "TransactionTimeout";
constexpr char kPoolExhausted[] = "PoolExhausted";
constexpr char kNoApplicationDatabase[] = "NoApplicationDatabase";
constexpr std::size_t kErrorTextMax = 64 << 10;

std::string TypeName(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> name(abi::__cxa_demangle(type.name(), nullptr, nullptr, &status),
                                                         &std::free);
  return status == 0 ? name.get() : type.name();
}

}  // namespace

ErrorRecord Error::record() const {
  return {.name = TypeName(typeid(*this)), .message = what()};
}

// The texts are those of the DBOS SDKs: readers match on them.
AwaitedWorkflowCancelled::AwaitedWorkflowCancelled(const std::string& workflow_id)
    : Error("Awaited " + workflow_id + " was cancelled") {
}
ErrorRecord AwaitedWorkflowCancelled::record() const {
  return {.name = kAwaitedCancelled, .message = what()};
}

MaxRecoveryAttemptsExceeded::MaxRecoveryAttemptsExceeded(const std::string& workflow_id)
    : Error("Awaited " + workflow_id + " exceeded its maximum recovery attempts") {
}
ErrorRecord MaxRecoveryAttemptsExceeded::record() const {
  return {.name = kAwaitedDeadLetter, .message = what()};
}

ErrorRecord NonDeterminismError::record() const {
  return {.name = kUnexpectedStep, .message = what()};
}

std::string SqlError::sqlstate() const {
  return code() && code()->is_string() ? code()->get<std::string>() : std::string();
}
std::uint32_t SqlError::position() const {
  if (!data() || !data()->is_object()) return 0;
  const auto found = data()->find("position");
  return found != data()->end() && found->is_number_unsigned() ? found->get<std::uint32_t>() : 0;
}
std::string SqlError::Field(const char* key) const {
  if (!data() || !data()->is_object()) return {};
  const auto found = data()->find(key);
  return found != data()->end() && found->is_string() ? found->get<std::string>() : std::string();
}

TransactionTimeout::TransactionTimeout(const std::string& message)
    : StepError({.name = kTransactionTimeout, .message = message}) {
}
PoolExhausted::PoolExhausted(const std::string& message) : StepError({.name = kPoolExhausted, .message = message}) {
}
NoApplicationDatabase::NoApplicationDatabase(const std::string& message)
    : StepError({.name = kNoApplicationDatabase, .message = message}) {
}

namespace runtime {
namespace {

// Foreign text in a message must not make the record itself impossible to store.
std::string DumpRecord(const Json& record) {
  return record.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<Json> Field(const Json& record, const char* key) {
  const auto found = record.find(key);
  if (found == record.end() || found->is_null()) return std::nullopt;
  return std::make_optional<Json>(*found);
}

// Of valid JSON.
bool IsTooDeep(std::string_view text) {
  if (text.size() <= 2 * std::size_t{kJsonDepthMax}) return false;
  int depth = 0;
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\\') ++at;  // only strings have escapes
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if ((c == '[' || c == '{') && ++depth > kJsonDepthMax) return true;
    if (c == ']' || c == '}') --depth;
  }
  return false;
}

}  // namespace

bool IsUtf8WithoutNul(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return false;
  const auto is_ascii = [](char c) { return (c & 0x80) == 0; };
  if (std::all_of(text.begin(), text.end(), is_ascii)) return true;
  std::string quoted = "\"";  // the JSON parser validates UTF-8
  for (const char c : text) quoted += is_ascii(c) ? '_' : c;
  return nlohmann::json::accept(quoted + '"');
}

ErrorRecord RecordOf(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& known) {
    return known.record();
  } catch (const std::exception& other) {
    return {.name = TypeName(typeid(other)), .message = other.what()};
  } catch (...) {
    return {.name = "unknown", .message = "an exception that is not a std::exception"};
  }
}

StoredOutcome FailedWith(const ErrorRecord& record) {
  return {.failed = true, .text = EncodeRecord(record)};
}

std::string EncodeRecord(const ErrorRecord& record) {
  Json json = {{"name", record.name}, {"message", record.message}};
  if (record.code) json["code"] = *record.code;
  if (record.data) json["data"] = *record.data;
  std::string text = DumpRecord(json);
  if (text.size() <= kErrorTextMax) return text;
  return DumpRecord({{"name", record.name.substr(0, 1024)}, {"message", record.message.substr(0, kErrorTextMax / 8)}});
}

ErrorRecord DecodeRecord(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("message") || !json["message"].is_string()) {
    return {.name = "Error", .message = std::string(text.substr(0, kErrorTextMax))};
  }
  const std::optional<Json> name = Field(json, "name");
  return {.name = name && name->is_string() ? name->get<std::string>() : "Error",
          .message = json["message"].get<std::string>(),
          .code = Field(json, "code"),
          .data = Field(json, "data")};
}

std::string ValueOfStep(const StoredOutcome& outcome) {
  if (!outcome.failed) return outcome.text;
  ErrorRecord record = DecodeRecord(outcome.text);
  if (record.name == kMaxStepRetries) throw MaxStepRetriesExceeded(std::move(record));
  if (record.name == kSqlError) throw SqlError(std::move(record));
  if (record.name == kTransactionTimeout) throw TransactionTimeout(std::move(record));
  if (record.name == kPoolExhausted) throw PoolExhausted(std::move(record));
  if (record.name == kNoApplicationDatabase) throw NoApplicationDatabase(std::move(record));
  throw StepError(std::move(record));
}

std::string ValueOfWorkflow(const std::string& workflow_id, const StoredOutcome& outcome) {
  if (!outcome.failed) {
    if (outcome.serialization.empty() || outcome.serialization == "portable_json") return outcome.text;
    throw InvalidArgument("the result of workflow " + workflow_id + " is stored as " + outcome.serialization +
                          ", which this client does not read; start that workflow with portable_json");
  }
  ErrorRecord record = DecodeRecord(outcome.text);
  const AwaitedWorkflowCancelled cancelled(workflow_id);
  if (record.name == kAwaitedCancelled && record.message == cancelled.what()) throw AwaitedWorkflowCancelled(cancelled);
  const MaxRecoveryAttemptsExceeded exceeded(workflow_id);
  if (record.name == kAwaitedDeadLetter && record.message == exceeded.what()) {
    throw MaxRecoveryAttemptsExceeded(exceeded);
  }
  throw WorkflowError(std::move(record));
}

void LimitOutcome(StoredOutcome& outcome, std::size_t max_bytes) {
  const bool portable = outcome.serialization.empty() || outcome.serialization == "portable_json";
  if (portable && IsTooDeep(outcome.text)) {
    const InvalidArgument error("the value is nested deeper than " + std::to_string(kJsonDepthMax) +
                                " levels, the limit of stored JSON; flatten it");
    outcome = FailedWith(error.record());
  }
  if (outcome.text.size() <= max_bytes) return;
  const PayloadTooLarge error("the value has " + std::to_string(outcome.text.size()) + " bytes, the limit is " +
                              std::to_string(max_bytes) + " (Limits.max_payload_bytes); store it elsewhere and " +
                              "return a reference");
  outcome = FailedWith(error.record());
}

void CheckName(const char* what, std::string_view text, std::size_t max_bytes) {
  if (text.empty()) throw InvalidArgument(std::string(what) + " must not be empty");
  if (text.size() > max_bytes) {
    throw InvalidArgument(std::string(what) + " has " + std::to_string(text.size()) + " bytes, the limit is " +
                          std::to_string(max_bytes));
  }
  if (!IsUtf8WithoutNul(text)) throw InvalidArgument(std::string(what) + " must be UTF-8 without NUL");
}

}  // namespace runtime
}  // namespace dbos
