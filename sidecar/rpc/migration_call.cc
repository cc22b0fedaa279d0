#include "sidecar/rpc/migration_call.h"

#include <string>
#include <utility>

#include "absl/time/clock.h"

#include "sidecar/base/status.h"
#include "sidecar/base/utf8.h"
#include "sidecar/rpc/errors.h"
#include "sidecar/rpc/validate.h"

namespace dbos::sidecar {
namespace {

constexpr int kProblemsMax = 100;

Error ToError(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return {Reason::kInvalidRequest, Message(status)};
    case absl::StatusCode::kFailedPrecondition:
      return {Reason::kMigrationFailed, Message(status)};
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kAborted:
      return {Reason::kDatabaseUnavailable, Message(status)};
    default:
      return {Reason::kDatabaseError, Message(status)};
  }
}

v1::MigrationState ToProto(MigrationState state) {
  switch (state) {
    case MigrationState::kPending:
      return v1::MIGRATION_STATE_PENDING;
    case MigrationState::kApplied:
      return v1::MIGRATION_STATE_APPLIED;
    case MigrationState::kChanged:
      return v1::MIGRATION_STATE_CHANGED;
    case MigrationState::kOutOfOrder:
      return v1::MIGRATION_STATE_OUT_OF_ORDER;
    case MigrationState::kInterrupted:
      return v1::MIGRATION_STATE_INTERRUPTED;
    case MigrationState::kFailed:
      return v1::MIGRATION_STATE_FAILED;
    case MigrationState::kMissing:
      return v1::MIGRATION_STATE_MISSING;
  }
  return v1::MIGRATION_STATE_UNSPECIFIED;
}

void Put(const std::vector<MigrationEntry>& entries, v1::RunMigrationsResponse* to) {
  int problems = 0;
  for (const MigrationEntry& entry : entries) {
    v1::MigrationResult* result = to->add_migrations();
    result->set_name(entry.name);
    result->set_state(ToProto(entry.state));
    result->set_applied_now(entry.applied_now);
    result->set_applied_at_ms(entry.applied_at_ms);
    result->set_duration_ms(entry.duration_ms);
    if (entry.problem.empty() || ++problems > kProblemsMax) continue;
    result->set_problem(PrintableText(entry.problem, kErrorMessageBytesMax));
  }
}

void PutOptions(v1::MigrationOptions& options, MigrationRequest& to) {
  if (options.action() == v1::MIGRATION_ACTION_DRY_RUN) to.action = MigrationRequest::Action::kDryRun;
  if (options.action() == v1::MIGRATION_ACTION_STATUS) to.action = MigrationRequest::Action::kStatus;
  to.choices.allow_out_of_order = options.allow_out_of_order();
  to.choices.rerun.assign(options.rerun().begin(), options.rerun().end());
  to.choices.mark_applied.assign(options.mark_applied().begin(), options.mark_applied().end());
}

}  // namespace

MigrationCall* MigrationCall::Open(RpcContext& context, grpc::CallbackServerContext* call,
                                   v1::RunMigrationsResponse* response,
                                   const std::shared_ptr<std::atomic<int>>& calls) {
  auto self = std::make_shared<MigrationCall>(context, call, response, calls);
  self->self_ = self;
  self->Begin();
  return self.get();
}

MigrationCall::MigrationCall(RpcContext& context, grpc::CallbackServerContext* call,
                             v1::RunMigrationsResponse* response, std::shared_ptr<std::atomic<int>> calls)
    : context_(context),
      call_(call),
      response_(response),
      calls_(std::move(calls)),
      admitted_(calls_->fetch_add(1) < kMigrationCallsMax) {
}

MigrationCall::~MigrationCall() {
  calls_->fetch_sub(1);
}

void MigrationCall::Begin() {
  if (!admitted_) {
    return Refuse({Reason::kInflightLimit, "other migrations run and wait already: try again when they are done"});
  }
  alarm_.Set(absl::ToChronoTime(absl::Now() + kReceiveTime), [weak = weak_from_this()](bool expired) {
    const std::shared_ptr<MigrationCall> self = weak.lock();
    if (!expired || self == nullptr || self->received_.load()) return;
    self->Refuse({Reason::kInvalidRequest, "the files did not come within 60 s: end the client's side of the call"});
  });
  StartRead(&message_);
}

void MigrationCall::OnReadDone(bool ok) {
  if (ended_.load()) return;
  if (ok) {
    if (Error error = Take(message_); !error.ok()) return Refuse(error);
    message_.Clear();
    return StartRead(&message_);
  }
  if (!complete_) {
    return Refuse(
        {Reason::kInvalidRequest, "the files broke off: the last message sets \"complete\"; nothing was run"});
  }
  received_.store(true);
  alarm_.Cancel();
  context_.migrations.Post(std::move(request_),
                           [self = shared_from_this()](auto entries) { self->Answer(std::move(entries)); });
}

Error MigrationCall::Take(v1::RunMigrationsRequest& message) {
  if (Error error = Check(message); !error.ok()) return error;
  if (message.has_options() && !first_) return {Reason::kInvalidRequest, "options come with the first message only"};
  if (complete_) return {Reason::kInvalidRequest, "nothing comes after the message that sets \"complete\""};
  first_ = false;
  complete_ = message.complete();
  if (message.has_options()) PutOptions(*message.mutable_options(), request_);
  for (v1::MigrationFile& file : *message.mutable_files()) {
    bytes_ += file.sql().size();
    request_.files.push_back(
        {std::move(*file.mutable_directory()), std::move(*file.mutable_name()), std::move(*file.mutable_sql())});
  }
  if (bytes_ <= kMigrationBytesMax && request_.files.size() <= kMigrationFilesMax) return {};
  return {Reason::kInvalidRequest, "too many migrations: the limits are " + std::to_string(kMigrationFilesMax) +
                                       " files and " + std::to_string(kMigrationBytesMax) + " bytes together"};
}

void MigrationCall::Answer(absl::StatusOr<std::vector<MigrationEntry>> entries) {
  if (!entries.ok()) return Refuse(ToError(entries.status()));
  if (ended_.exchange(true)) return;
  Put(*entries, response_);
  Finish(grpc::Status::OK);
}

void MigrationCall::Refuse(const Error& error) {
  if (ended_.exchange(true)) return;
  AddReasonTrailer(error.reason, call_);
  Finish(ToGrpcStatus(error));
}

void MigrationCall::OnCancel() {
  if (!ended_.exchange(true)) Finish(grpc::Status(grpc::CANCELLED, "the caller no longer waits"));
}

void MigrationCall::OnDone() {
  alarm_.Cancel();
  self_.reset();
}

}  // namespace dbos::sidecar
