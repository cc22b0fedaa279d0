#include "sidecar/server/migration_thread.h"

#include "sidecar/base/status.h"
#include "sidecar/server/application_database.h"

namespace dbos::sidecar {

MigrationThread::MigrationThread(Config config) : config_(std::move(config)), thread_([this] { ThreadMain(); }) {
}

MigrationThread::~MigrationThread() {
  {
    MutexLock lock(mu_);
    stopping_.store(true);
  }
  wake_.NotifyAll();
  thread_.join();
}

void MigrationThread::Post(MigrationRequest request, Done done) {
  {
    MutexLock lock(mu_);
    waiting_.emplace_back(std::move(request), std::move(done));
  }
  wake_.NotifyOne();
}

void MigrationThread::ThreadMain() {
  while (true) {
    std::pair<MigrationRequest, Done> next;
    {
      MutexLock lock(mu_);
      while (waiting_.empty() && !stopping_.load()) wake_.Wait(mu_);
      if (waiting_.empty()) return;
      next = std::move(waiting_.front());
      waiting_.pop_front();
    }
    next.second(stopping_.load() ? absl::UnavailableError("the sidecar is stopping") : Answer(std::move(next.first)));
  }
}

absl::StatusOr<std::vector<MigrationEntry>> MigrationThread::Answer(MigrationRequest request) {
  ASSIGN_OR_RETURN(const Database database, OpenApplicationDatabase(config_));
  ASSIGN_OR_RETURN(const std::vector<MigrationFile> files, CheckMigrationFiles(std::move(request.files)));
  if (request.action == MigrationRequest::Action::kRun) {
    return RunMigrations(database, files,
                         {.choices = request.choices, .stopping = [this] { return stopping_.load(); }});
  }
  ASSIGN_OR_RETURN(std::vector<MigrationEntry> entries, InspectMigrations(database, files));
  if (request.action == MigrationRequest::Action::kDryRun) {
    RETURN_IF_ERROR(CheckMigrations(database, files, entries, request.choices));
  }
  return entries;
}

}  // namespace dbos::sidecar
