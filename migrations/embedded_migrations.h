// The migration files, compiled in.
//
// Number 0 creates the whole schema of version 123 at once. Numbers from 100 on are the steps that every DBOS SDK
// shares; they bring an existing database from one version to the next. A shipped file never changes.
#pragma once

#include <span>

namespace dbos::sidecar {

struct EmbeddedMigration {
  int version;
  const char* name;
  const char* dialect;  // empty: for every database without its own; "notify": also for those that can
  const char* sql;      // with the placeholders of db/dialect.h
};

std::span<const EmbeddedMigration> EmbeddedMigrations();

}  // namespace dbos::sidecar
