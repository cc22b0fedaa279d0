#include "sidecar/db/error_offset.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace dbos::sidecar {
namespace {

constexpr char kPayload[] = "dbos.error_offset";

}  // namespace

std::optional<std::size_t> ErrorOffset(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  std::size_t offset = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &offset)) return std::nullopt;
  return offset;
}

void SetErrorOffset(std::size_t offset, absl::Status& status) {
  status.SetPayload(kPayload, absl::Cord(absl::StrCat(offset)));
}

}  // namespace dbos::sidecar
