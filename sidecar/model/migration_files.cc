#include "sidecar/model/migration_files.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

#include "sidecar/base/sha256.h"
#include "sidecar/base/status.h"
#include "sidecar/base/utf8.h"

namespace dbos::sidecar {
namespace {

constexpr absl::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr absl::string_view kSuffix = ".sql";

std::string PathOf(const SqlFile& file) {
  const std::string name = PrintableText(file.name, kMigrationNameBytesMax);
  return file.directory.empty() ? name : absl::StrCat(file.directory, "/", name);
}

absl::Status Refuse(const SqlFile& file, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(PathOf(file), ": ", what));
}

absl::StatusOr<std::string> NumberOf(const SqlFile& file) {
  const std::string& name = file.name;
  const bool plain = name.size() <= kMigrationNameBytesMax && IsStorableText(name) &&
                     std::none_of(name.begin(), name.end(), [](char c) {
                       return c == '/' || absl::ascii_iscntrl(static_cast<unsigned char>(c));
                     });
  const std::size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
  const bool formed = digits > 0 && digits < name.size() && name[digits] == '_' && absl::EndsWith(name, kSuffix) &&
                      name.size() > digits + 1 + kSuffix.size();
  if (!plain || !formed) {
    return Refuse(file,
                  absl::StrCat("a migration is called NUMBER_description.sql, such as 0001_orders.sql, in at most ",
                               kMigrationNameBytesMax, " bytes: rename the file, or move it elsewhere"));
  }
  if (absl::EndsWith(name, ".down.sql")) {
    return Refuse(file, "migrations only go forward: move the files that undo them to another directory");
  }
  const std::size_t first = std::min(name.find_first_not_of('0'), digits - 1);
  return name.substr(first, digits - first);
}

absl::Status CheckText(const SqlFile& file) {
  if (file.content.size() > kMigrationFileBytesMax) {
    return Refuse(file, absl::StrCat("has more than ", kMigrationFileBytesMax, " bytes (4 MiB): split it"));
  }
  const std::size_t good = StorablePrefix(file.content);
  if (good == file.content.size()) return absl::OkStatus();
  const auto line =
      std::count(file.content.begin(), file.content.begin() + static_cast<std::ptrdiff_t>(good), '\n') + 1;
  return Refuse(file,
                absl::StrCat("line ", line, file.content[good] == '\0' ? " has a NUL byte" : " is not valid UTF-8",
                             ": save the file as UTF-8 text"));
}

// What the first line says about the file.
absl::StatusOr<bool> IsTransactional(const SqlFile& file, absl::string_view sql) {
  absl::string_view line = sql.substr(0, sql.find('\n'));
  if (!absl::ConsumePrefix(&line, "--")) return true;
  line = absl::StripAsciiWhitespace(line);
  if (!absl::StartsWithIgnoreCase(line, "dbos:")) return true;
  line = absl::StripAsciiWhitespace(line.substr(5));
  if (absl::EqualsIgnoreCase(line, "no-transaction")) return false;
  return Refuse(file, absl::StrCat("the first line says \"dbos: ", PrintableText(std::string(line), 100),
                                   "\"; all it can say is \"-- dbos: no-transaction\""));
}

absl::StatusOr<MigrationFile> CheckFile(SqlFile file) {
  MigrationFile migration;
  ASSIGN_OR_RETURN(migration.number, NumberOf(file));
  RETURN_IF_ERROR(CheckText(file));
  absl::string_view sql = file.content;
  absl::ConsumePrefix(&sql, kByteOrderMark);
  ASSIGN_OR_RETURN(migration.transactional, IsTransactional(file, sql));
  migration.checksum = Sha256Hex(absl::StrReplaceAll(sql, {{"\r\n", "\n"}}));
  migration.sql = std::string(sql);
  migration.directory = std::move(file.directory);
  migration.name = std::move(file.name);
  return migration;
}

}  // namespace

bool IsLowerNumber(std::string_view left, std::string_view right) {
  return left.size() != right.size() ? left.size() < right.size() : left < right;
}

absl::StatusOr<std::vector<MigrationFile>> CheckMigrationFiles(std::vector<SqlFile> files) {
  if (files.size() > kMigrationFilesMax) {
    return absl::InvalidArgumentError(absl::StrCat("there are ", files.size(), " migrations; the limit is ",
                                                   kMigrationFilesMax, ": join old ones into one file"));
  }
  std::size_t bytes = 0;
  for (const SqlFile& file : files) bytes += file.content.size();
  if (bytes > kMigrationBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("the migrations have ", bytes, " bytes together; the limit is ",
                                                   kMigrationBytesMax, " (64 MiB): load large data another way"));
  }
  std::vector<MigrationFile> migrations;
  for (SqlFile& file : files) {
    ASSIGN_OR_RETURN(MigrationFile migration, CheckFile(std::move(file)));
    migrations.push_back(std::move(migration));
  }
  std::stable_sort(migrations.begin(), migrations.end(), [](const MigrationFile& left, const MigrationFile& right) {
    return IsLowerNumber(left.number, right.number);
  });
  const auto twice = std::adjacent_find(
      migrations.begin(), migrations.end(),
      [](const MigrationFile& left, const MigrationFile& right) { return left.number == right.number; });
  if (twice == migrations.end()) return migrations;
  return absl::InvalidArgumentError(absl::StrCat("two migrations have the number ", twice->number, ": ", twice->path(),
                                                 " and ", std::next(twice)->path(), ": give one of them another"));
}

}  // namespace dbos::sidecar
