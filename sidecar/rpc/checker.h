// Checker: a chain of checks that keeps the first fault, so that a list of rules reads as one.
//
//   return Checker().Id("workflow_id", request.workflow_id()).Timeout("timeout_ms", request.timeout_ms()).Take();
//
// Threads: one. Cost: nothing is allocated while all is well.
#pragma once

#include <cstdint>
#include <string>

#include "dbos/v1/common.pb.h"

#include "sidecar/model/error.h"
#include "sidecar/rpc/json_check.h"

namespace dbos::sidecar {

class Checker {
 public:
  // Text that a user chose: an id or a name. Id must not be empty.
  Checker& Id(const char* field, const std::string& value);
  Checker& OptionalText(const char* field, const std::string& value);
  // A token that a program minted: printable ASCII.
  Checker& Token(const char* field, const std::string& value);
  Checker& OptionalToken(const char* field, const std::string& value);

  Checker& Execution(const v1::ExecutionRef& execution);
  Checker& Step(const v1::StepRecord& step);
  Checker& Payload(const char* field, const v1::Payload& payload, JsonShape shape = JsonShape::kAny);
  Checker& Outcome(const v1::Outcome& outcome);

  Checker& Range(const char* field, std::int64_t value, std::int64_t min, std::int64_t max);
  Checker& Timeout(const char* field, std::int64_t timeout_ms);
  Checker& Required(const char* field, bool present);

  Error Take() { return std::move(fault_); }

 private:
  Checker& Invalid(const char* field, const std::string& what);
  Checker& TextWithin(const char* field, const std::string& value, std::size_t max_bytes);

  Error fault_;
};

}  // namespace dbos::sidecar
