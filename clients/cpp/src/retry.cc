#include "retry.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "deadline.h"

namespace dbos::runtime {
namespace {

constexpr std::size_t kErrorsKeptMax = 10;

// Used when the limit of an attempt is over: the failure as DBOS records it.
StepError TimedOut(const StepCall& call) {
  return StepError({.name = "DBOSStepTimeoutError",
                    .message = "Step " + std::string(call.name) + " timed out after " +
                               std::to_string(call.options.timeout.count()) + "ms"});
}

// Passes the workflow's stop on to one attempt, whose timeout can stop it alone.
class AttemptStop {
 public:
  AttemptStop(const StepCall& call, AttemptWorld& world) : outer_(world.Stop()) {
    if (call.options.timeout.count() <= 0) return;
    source_.emplace();
    forward_.emplace(outer_, Forward{*source_});
    due_ = DeadlineAfter(call.options.timeout);
    timer_ = world.StopAfter(call.options.timeout, *source_);
  }
  std::stop_token token() const { return source_ ? source_->get_token() : outer_; }
  bool timed_out() const {
    return source_ && !outer_.stop_requested() &&
           (source_->stop_requested() || std::chrono::steady_clock::now() >= due_);
  }

 private:
  struct Forward {
    std::stop_source source;
    void operator()() { source.request_stop(); }
  };
  std::stop_token outer_;
  std::optional<std::stop_source> source_;
  std::optional<std::stop_callback<Forward>> forward_;
  std::chrono::steady_clock::time_point due_;
  std::shared_ptr<void> timer_;
};

std::string RunOnce(const StepCall& call, const detail::StepBody& body, int attempt, AttemptWorld& world) {
  const AttemptStop stop(call, world);
  StepContext context(call.workflow_id, call.step_id, attempt, stop.token());
  std::string text;
  try {
    text = body(context);
  } catch (const std::exception&) {
    if (stop.timed_out()) throw TimedOut(call);
    throw;
  }
  if (stop.timed_out()) throw TimedOut(call);
  return text;
}

// Asks retry_if. When that throws, its exception takes the place of the step's, and there is no retry.
bool WantsRetry(const StepOptions& options, std::exception_ptr& error) {
  if (!options.retry_if) return true;
  try {
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& known) {
      return options.retry_if(known);
    } catch (...) {
      return options.retry_if(StepError(RecordOf(error)));
    }
  } catch (...) {
    error = std::current_exception();
    return false;
  }
}

// All attempts failed: the text is that of the DBOS SDK.
StoredOutcome Exhausted(const StepCall& call, const std::vector<ErrorRecord>& errors) {
  std::string message = "Step " + std::string(call.name) + " has exceeded its maximum of " +
                        std::to_string(call.options.max_attempts) + " retries. Previous errors: ";
  Json list = Json::array();
  for (std::size_t i = 0; i < errors.size(); ++i) {
    if (i > 0) message += ". ";
    message += "Error " + std::to_string(i + 1) + ": " + errors[i].message;
    list.push_back(Json::parse(EncodeRecord(errors[i])));
  }
  return FailedWith({.name = "DBOSMaxStepRetriesError", .message = message, .data = Json{{"errors", list}}});
}

std::chrono::milliseconds Rounded(double ms) {
  if (!(ms > 0.0)) return std::chrono::milliseconds(0);  // zero times infinity is not a number
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::min(ms, static_cast<double>(kLongestWait.count()))));
}

void PauseBeforeNext(const StepOptions& options, int attempt, AttemptWorld& world) {
  const auto wait = static_cast<double>(BackoffAfter(options, attempt).count());
  world.Pause(Rounded(wait * (1.0 + options.jitter * world.Random())));
}

}  // namespace

void ThrowCalledInStep() {
  throw InvalidArgument("only Context::step may be called in the body of a step; call this before or after it");
}

void CheckStepOptions(std::string_view name, const StepOptions& options) {
  const auto fail = [&](const char* what) { throw InvalidArgument("step " + std::string(name) + ": " + what); };
  if (options.max_attempts < 1) fail("max_attempts must be at least 1");
  if (options.interval.count() < 0) fail("interval must not be negative");
  if (!(options.backoff_rate >= 1.0) || !std::isfinite(options.backoff_rate)) fail("backoff_rate must be at least 1");
  if (options.max_interval < options.interval) fail("max_interval must not be less than interval");
  if (!(options.jitter >= 0.0 && options.jitter <= 1.0)) fail("jitter must be between 0 and 1");
  if (options.timeout.count() < 0) fail("timeout must not be negative; 0 means none");
}

std::chrono::milliseconds BackoffAfter(const StepOptions& options, int attempt) {
  const auto cap = static_cast<double>(options.max_interval.count());
  const double wait = static_cast<double>(options.interval.count()) * std::pow(options.backoff_rate, attempt - 1);
  return Rounded(std::min(wait, cap));
}

StoredOutcome RunAttempts(const StepCall& call, const detail::StepBody& body, AttemptWorld& world) {
  std::vector<ErrorRecord> errors;
  for (int attempt = 1;; ++attempt) {
    try {
      return {.failed = false, .text = RunOnce(call, body, attempt, world)};
    } catch (const ExecutionStopped&) {
      throw;
    } catch (...) {
      std::exception_ptr error = std::current_exception();
      if (call.options.max_attempts == 1 || !WantsRetry(call.options, error)) return FailedWith(RecordOf(error));
      if (errors.size() == kErrorsKeptMax) errors.pop_back();
      errors.push_back(RecordOf(error));
    }
    if (attempt == call.options.max_attempts) return Exhausted(call, errors);
    PauseBeforeNext(call.options, attempt, world);
  }
}

}  // namespace dbos::runtime
