#include "tests/e2e/two_sidecars.h"

#include <fstream>
#include <sstream>

namespace dbos::sidecar {

TwoSidecars::TwoSidecars(World& world, Looks looks, const std::vector<std::string>& flags) : world_(world) {
  world_.StartSidecar(looks == Looks::kBlind ? "blind" : "", flags);
  app_ = std::make_unique<dbos::App>(
      dbos::AppOptions{.name = "crash-test", .version = "two-1", .sidecar_address = world_.address()});
  app_->workflow("two", [this](dbos::Context& ctx) {
    const MutexLock lock(mu_);
    ran_.try_emplace(ctx.workflow_id(), SinceBoot());
    changed_.NotifyAll();
    return 0;
  });
  app_->launch();  // now the database is there
  const std::string address = "unix:" + world_.directory() + "/asked";
  std::vector<std::string> command = {DBOS_FAULTY_SIDECAR,
                                      "serve",
                                      "--name",
                                      "crash-test",
                                      "--address",
                                      address,
                                      "--state-dir",
                                      world_.directory() + "/asked-state",
                                      "--database",
                                      world_.database_url()};
  command.insert(command.end(), flags.begin(), flags.end());
  asked_ =
      std::make_unique<Process>(command, Process::Options{{}, world_.directory() + "/asked.log", world_.directory()});
  client_ = std::make_unique<dbos::Client>(dbos::ClientOptions{.sidecar_address = address});
}

absl::Duration TwoSidecars::TimeToRun(const std::string& id, absl::Duration patience) {
  client_->start<int>("two", {.workflow_id = id});
  const absl::Duration asked = SinceBoot();
  const MutexLock lock(mu_);
  while (!ran_.contains(id) && SinceBoot() < asked + patience) changed_.WaitFor(mu_, absl::Milliseconds(50));
  return ran_.contains(id) ? ran_[id] - asked : absl::InfiniteDuration();
}

std::string TwoSidecars::Read(const std::string& file) const {
  std::ostringstream text;
  text << std::ifstream(world_.directory() + "/" + file).rdbuf();
  return text.str();
}

}  // namespace dbos::sidecar
