#include "sidecar/server/substitution.h"

#include "absl/strings/match.h"

#include "sidecar/base/status.h"
#include "sidecar/server/small_file.h"

namespace dbos::sidecar {
namespace {

constexpr char kDockerSecret[] = "DOCKER_SECRET:";
constexpr char kDockerSecrets[] = "/run/secrets/";
constexpr char kDefaultMark[] = ":-";

absl::StatusOr<std::string> ValueOf(const std::string& expression, const Environment& environment) {
  if (absl::StartsWith(expression, kDockerSecret)) {
    return ReadSecretFile(kDockerSecrets + expression.substr(sizeof(kDockerSecret) - 1));
  }
  const std::size_t mark = expression.find(kDefaultMark);
  const std::string name = expression.substr(0, mark);
  if (name.empty()) return absl::InvalidArgumentError("\"${" + expression + "}\" names no environment variable");
  const char* value = environment(name.c_str());
  if (mark != std::string::npos) {
    return value == nullptr || *value == '\0' ? expression.substr(mark + sizeof(kDefaultMark) - 1) : std::string(value);
  }
  if (value != nullptr) return std::string(value);
  return absl::InvalidArgumentError("the environment variable " + name +
                                    " is not set: set it, or write a default as ${" + name + ":-value}");
}

}  // namespace

absl::StatusOr<std::string> Substituted(const std::string& text, const Environment& environment) {
  std::string out;
  std::size_t at = 0;
  while (true) {
    const std::size_t open = text.find("${", at);
    out.append(text, at, open == std::string::npos ? open : open - at);
    if (open == std::string::npos) return out;
    at = open + 2;
    if (open > 0 && text[open - 1] == '$') {
      out += '{';  // its "$" is there already
      continue;
    }
    const std::size_t close = text.find('}', at);
    if (close == std::string::npos) return absl::InvalidArgumentError("a \"${\" without its \"}\"");
    ASSIGN_OR_RETURN(const std::string value, ValueOf(text.substr(at, close - at), environment));
    out += value;
    at = close + 1;
  }
}

}  // namespace dbos::sidecar
