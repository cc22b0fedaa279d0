#include "sidecar/db/postgres/postgres_catalog.h"

#include <utility>

#include "sidecar/db/postgres/postgres_types.h"

namespace dbos::sidecar {

std::string PostgresCatalog::TypeName(unsigned int oid) {
  if (const char* name = BuiltInTypeName(oid); name != nullptr) return name;
  MutexLock lock(mu_);
  const auto found = types_.find(oid);
  return found == types_.end() ? "" : found->second;
}

void PostgresCatalog::SetTypeName(unsigned int oid, const std::string& name) {
  MutexLock lock(mu_);
  if (types_.size() >= kTypesMax) types_.clear();
  types_[oid] = name;
}

std::shared_ptr<const PostgresShape> PostgresCatalog::Shape(const std::string& key) {
  MutexLock lock(mu_);
  const auto found = found_.find(key);
  if (found == found_.end()) return nullptr;
  shapes_.splice(shapes_.begin(), shapes_, found->second);
  return found->second->second;
}

void PostgresCatalog::SetShape(const std::string& key, PostgresShape shape) {
  MutexLock lock(mu_);
  if (found_.count(key) > 0) return;
  shapes_.emplace_front(key, std::make_shared<const PostgresShape>(std::move(shape)));
  found_.emplace(key, shapes_.begin());
  if (shapes_.size() <= kShapesMax) return;
  found_.erase(shapes_.back().first);
  shapes_.pop_back();
}

void PostgresCatalog::ForgetShape(const std::string& key) {
  MutexLock lock(mu_);
  const auto found = found_.find(key);
  if (found == found_.end()) return;
  shapes_.erase(found->second);
  found_.erase(found);
}

}  // namespace dbos::sidecar
