#include "migration_calls.h"

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <system_error>
#include <utility>

#include <dbos/errors.h>

#include "dbos/v1/admin.grpc.pb.h"
#include "grpcpp/client_context.h"

#include "repeat_call.h"

namespace dbos {

std::string_view ToString(MigrationState state) {
  switch (state) {
    case MigrationState::kPending:
      return "pending";
    case MigrationState::kApplied:
      return "applied";
    case MigrationState::kChanged:
      return "changed";
    case MigrationState::kOutOfOrder:
      return "out of order";
    case MigrationState::kInterrupted:
      return "interrupted";
    case MigrationState::kFailed:
      return "failed";
    case MigrationState::kMissing:
      return "missing";
    case MigrationState::kUnknown:
      break;
  }
  return "unknown";
}

namespace runtime {
namespace {

namespace fs = std::filesystem;

// The sidecar has the same limits and says so; these only keep a wrong directory from being read whole. A message of
// kBytesPerMessage and one more file stays below the 8 MiB of a gRPC message.
constexpr std::size_t kFileBytesMax = 4 << 20;
constexpr std::size_t kFilesMax = 10'000;
constexpr std::size_t kBytesMax = 64 << 20;
constexpr std::size_t kBytesPerMessage = 2 << 20;
constexpr std::size_t kBytesPerFile = 64;  // of a file beside its texts

[[noreturn]] void CannotRead(const std::string& path, const std::string& why) {
  throw InvalidArgument("cannot read " + path + " (" + why + "): check the path and its mode");
}

bool IsMigration(std::string name) {
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return name[0] != '.' && name.size() >= 4 && name.compare(name.size() - 4, 4, ".sql") == 0;
}

std::string ReadText(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) CannotRead(path.string(), error ? error.message() : "not a file");
  std::ifstream file(path, std::ios::binary);
  std::string text(kFileBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) CannotRead(path.string(), "it does not open");
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kFileBytesMax) {
    throw InvalidArgument(path.string() + ": has more than " + std::to_string(kFileBytesMax) +
                          " bytes (4 MiB): split it");
  }
  return text;
}

// The messages of one call. The last one is complete.
class Messages {
 public:
  Messages(const MigrationOptions& options, v1::MigrationAction action) : messages_(1) {
    v1::MigrationOptions* to = messages_.back().mutable_options();
    to->set_action(action);
    to->set_allow_out_of_order(options.allow_out_of_order);
    for (const std::string& name : options.rerun) to->add_rerun(name);
    for (const std::string& name : options.mark_applied) to->add_mark_applied(name);
  }

  void AddDirectory(const std::string& directory) {
    std::error_code error;
    fs::directory_iterator entries(directory, error);
    for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
      const std::string name = entries->path().filename().string();
      if (IsMigration(name) && !fs::is_directory(entries->path())) Add(directory, name, ReadText(entries->path()));
    }
    if (error) CannotRead("the directory of migrations " + directory, error.message());
  }

  const std::vector<v1::RunMigrationsRequest>& Complete() {
    messages_.back().set_complete(true);
    return messages_;
  }

 private:
  void Add(const std::string& directory, const std::string& name, std::string text) {
    total_ += text.size();
    if (++files_ > kFilesMax || total_ > kBytesMax) {
      throw InvalidArgument("too many migrations: the limits are " + std::to_string(kFilesMax) + " files and " +
                            std::to_string(kBytesMax) + " bytes (64 MiB) together");
    }
    const std::size_t bytes = text.size() + name.size() + directory.size() + kBytesPerFile;
    if (filled_ + bytes > kBytesPerMessage && filled_ > 0) {
      messages_.emplace_back();
      filled_ = 0;
    }
    filled_ += bytes;
    v1::MigrationFile* file = messages_.back().add_files();
    file->set_directory(directory);
    file->set_name(name);
    file->set_sql(std::move(text));
  }

  std::vector<v1::RunMigrationsRequest> messages_;
  std::size_t files_ = 0;
  std::size_t total_ = 0;
  std::size_t filled_ = 0;  // bytes of the last message
};

MigrationInfo ToInfo(const v1::MigrationResult& result) {
  MigrationInfo info;
  info.name = result.name();
  info.state = static_cast<MigrationState>(result.state());
  info.applied_now = result.applied_now();
  info.applied_at_ms = result.applied_at_ms();
  info.duration_ms = result.duration_ms();
  info.problem = result.problem();
  return info;
}

}  // namespace

std::vector<MigrationInfo> CallMigrations(const std::shared_ptr<grpc::Channel>& channel,
                                          const std::vector<std::string>& directories, const MigrationOptions& options,
                                          v1::MigrationAction action) {
  Messages messages(options, action);
  for (const std::string& directory : directories) messages.AddDirectory(directory);
  const auto& requests = messages.Complete();
  const auto stub = v1::AdminService::NewStub(channel);
  v1::RunMigrationsResponse response;
  RepeatCall(options.timeout, [&](grpc::ClientContext& context) {
    const auto writer = stub->RunMigrations(&context, &response);
    for (const v1::RunMigrationsRequest& request : requests) {
      if (!writer->Write(request)) break;  // Finish says why
    }
    writer->WritesDone();
    return writer->Finish();
  });
  std::vector<MigrationInfo> infos;
  for (const v1::MigrationResult& result : response.migrations()) infos.push_back(ToInfo(result));
  return infos;
}

}  // namespace runtime
}  // namespace dbos
