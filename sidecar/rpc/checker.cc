#include "sidecar/rpc/checker.h"

#include <algorithm>

#include "sidecar/base/utf8.h"
#include "sidecar/model/workflow.h"
#include "sidecar/rpc/validate.h"

namespace dbos::sidecar {

Checker& Checker::Invalid(const char* field, const std::string& what) {
  if (fault_.ok()) fault_ = {Reason::kInvalidRequest, std::string(field) + " " + what};
  return *this;
}

Checker& Checker::Required(const char* field, bool present) {
  return present ? *this : Invalid(field, "is missing: set it");
}

Checker& Checker::TextWithin(const char* field, const std::string& value, std::size_t max_bytes) {
  if (value.size() > max_bytes) {
    return Invalid(field, "has " + std::to_string(value.size()) + " bytes; the limit is " + std::to_string(max_bytes) +
                              ": shorten it");
  }
  return IsStorableText(value) ? *this : Invalid(field, "must be UTF-8 without NUL bytes: encode it");
}

Checker& Checker::OptionalText(const char* field, const std::string& value) {
  return fault_.ok() ? TextWithin(field, value, kNameBytesMax) : *this;
}

Checker& Checker::Id(const char* field, const std::string& value) {
  if (!fault_.ok()) return *this;
  return value.empty() ? Required(field, false) : TextWithin(field, value, kNameBytesMax);
}

Checker& Checker::OptionalToken(const char* field, const std::string& value) {
  if (!fault_.ok()) return *this;
  const bool printable = std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (printable && value.size() <= kTokenBytesMax) return *this;
  return Invalid(field, "must be printable ASCII of at most " + std::to_string(kTokenBytesMax) +
                            " bytes: pass on what the sidecar gave you, or a UUID");
}

Checker& Checker::Token(const char* field, const std::string& value) {
  return value.empty() ? Required(field, !fault_.ok()) : OptionalToken(field, value);
}

Checker& Checker::Execution(const v1::ExecutionRef& execution) {
  return Id("execution.workflow_id", execution.workflow_id()).Token("execution.owner_token", execution.owner_token());
}

Checker& Checker::Step(const v1::StepRecord& step) {
  Range("step.step_id", step.step_id(), 0, INT32_MAX).Id("step.name", step.name());
  OptionalText("step.child_workflow_id", step.child_workflow_id());
  Range("step.started_at_ms", step.started_at_ms(), 0, kTimeMsMax);
  Range("step.completed_at_ms", step.completed_at_ms(), 0, kTimeMsMax);
  return step.has_outcome() ? Outcome(step.outcome()) : *this;
}

Checker& Checker::Payload(const char* field, const v1::Payload& payload, JsonShape shape) {
  if (!fault_.ok()) return *this;
  if (payload.data().size() > kPayloadBytesMax) {
    fault_ = {Reason::kPayloadTooLarge, std::string(field) + " has " + std::to_string(payload.data().size()) +
                                            " bytes; the limit is " + std::to_string(kPayloadBytesMax) +
                                            ": store large values elsewhere and pass a reference"};
    return *this;
  }
  if (payload.serialization().size() > kSerializationBytesMax || !IsStorableText(payload.serialization())) {
    return Invalid(field, "names a serialization that is not text of at most 64 bytes: use portable_json");
  }
  const bool portable = payload.serialization().empty() || payload.serialization() == kPortableJson;
  if (!portable) {
    return IsStorableText(payload.data()) ? *this : Invalid(field, "must be UTF-8 without NUL bytes: encode it");
  }
  const std::string fault = JsonFault(payload.data(), shape);
  return fault.empty() ? *this : Invalid(field, fault);
}

Checker& Checker::Outcome(const v1::Outcome& outcome) {
  switch (outcome.kind_case()) {
    case v1::Outcome::kValue:
      return Payload("outcome.value", outcome.value());
    case v1::Outcome::kError:
      return Payload("outcome.error", outcome.error(), JsonShape::kObject);
    case v1::Outcome::KIND_NOT_SET:
      break;
  }
  return Invalid("outcome", "has neither a value nor an error: set one, with JSON null for no value");
}

Checker& Checker::Range(const char* field, std::int64_t value, std::int64_t min, std::int64_t max) {
  if (value >= min && value <= max) return *this;
  return Invalid(field, "is " + std::to_string(value) + "; it must be between " + std::to_string(min) + " and " +
                            std::to_string(max));
}

Checker& Checker::Timeout(const char* field, std::int64_t timeout_ms) {
  return Range(field, timeout_ms, 0, kTimeoutMsMax);
}

}  // namespace dbos::sidecar
