// Error records: what a step or a workflow ended with, to and from the stored text.
//
// One place decides which exception a record becomes, so that the first run and every replay throw the same.
#pragma once

#include <exception>
#include <string>
#include <string_view>

#include <dbos/errors.h>

namespace dbos::runtime {

// What a step or an awaited workflow ended with: a value, or an error record.
struct StoredOutcome {
  bool failed = false;
  std::string text;
  std::string serialization = {};  // empty: portable_json
};

// The record of any exception, also of one that is not a std::exception.
ErrorRecord RecordOf(const std::exception_ptr& error);
StoredOutcome FailedWith(const ErrorRecord& record);

std::string EncodeRecord(const ErrorRecord& record);
// Reads any text: what is not a portable error record becomes the message.
ErrorRecord DecodeRecord(std::string_view text);

// The value's text, or throws StepError.
std::string ValueOfStep(const StoredOutcome& outcome);
// The value's text, or throws what awaiting the workflow throws.
std::string ValueOfWorkflow(const std::string& workflow_id, const StoredOutcome& outcome);

// Replaces an outcome that is larger or nested deeper than the sidecar takes with a failure that names the limit.
void LimitOutcome(StoredOutcome& outcome, std::size_t max_bytes);

bool IsUtf8WithoutNul(std::string_view text);
// Throws InvalidArgument unless it is UTF-8 without NUL, not empty and at most `max_bytes` long.
void CheckName(const char* what, std::string_view text, std::size_t max_bytes);

}  // namespace dbos::runtime
