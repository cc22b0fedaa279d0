#include "sidecar/db/database_url.h"

#include <algorithm>
#include <cctype>
#include <string_view>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace dbos::sidecar {
namespace {

constexpr char kHidden[] = "***";

// scheme://authority/path?query, each part with the mark before it but the scheme.
struct Parts {
  std::string scheme;
  std::string authority;
  std::string path;
  std::string query;
};

Parts Split(const std::string& url) {
  Parts parts;
  const std::size_t scheme = url.find("://");
  parts.scheme = url.substr(0, scheme);
  std::string rest = url.substr(scheme + 3);
  const std::size_t query = std::min(rest.find('?'), rest.size());
  parts.query = rest.substr(query);
  rest.resize(query);
  // A password may hold an "@" or a "/" that should have been encoded: the last "@" ends it.
  const std::size_t user_end = rest.rfind('@') == std::string::npos ? 0 : rest.rfind('@');
  const std::size_t path = std::min(rest.find('/', user_end), rest.size());
  parts.path = rest.substr(path);
  parts.authority = rest.substr(0, path);
  return parts;
}

std::string PercentEncoded(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || absl::StrContains("-_.~", absl::string_view(&c, 1))) {
      encoded += c;
    } else {
      absl::StrAppend(&encoded, "%", absl::Hex(byte, absl::kZeroPad2));
    }
  }
  return encoded;
}

std::string NameOf(const std::string& parameter) {
  return parameter.substr(0, parameter.find('='));
}

}  // namespace

std::string WithDatabaseName(const std::string& url, const std::string& name) {
  const Parts parts = Split(url);
  std::vector<std::string> parameters;
  if (!parts.query.empty()) parameters = absl::StrSplit(parts.query.substr(1), '&');
  parameters.erase(std::remove_if(parameters.begin(), parameters.end(),
                                  [](const std::string& parameter) { return NameOf(parameter) == "dbname"; }),
                   parameters.end());
  return absl::StrCat(parts.scheme, "://", parts.authority, "/", PercentEncoded(name), parameters.empty() ? "" : "?",
                      absl::StrJoin(parameters, "&"));
}

std::string MaskPasswords(const std::string& url) {
  if (absl::StartsWith(url, "sqlite:")) return url;
  if (!absl::StrContains(url, "://")) return kHidden;
  Parts parts = Split(url);
  const std::size_t user_end = parts.authority.rfind('@');
  const std::size_t password = parts.authority.find(':');
  if (user_end != std::string::npos && password < user_end) {
    parts.authority.replace(password + 1, user_end - password - 1, kHidden);
  }
  std::vector<std::string> parameters = absl::StrSplit(parts.query, '&');
  for (std::string& parameter : parameters) {
    const std::string name = NameOf(parameter);
    if (IsSecretKeyword(name[0] == '?' ? name.substr(1) : name)) parameter = absl::StrCat(name, "=", kHidden);
  }
  return absl::StrCat(parts.scheme, "://", parts.authority, parts.path, absl::StrJoin(parameters, "&"));
}

std::string DescribeDatabase(const std::string& url) {
  if (absl::StartsWith(url, "sqlite:")) return url;
  if (!absl::StrContains(url, "://")) return "(not a URL)";
  const Parts parts = Split(url);
  const std::size_t user_end = parts.authority.rfind('@');
  const std::string place = user_end == std::string::npos ? parts.authority : parts.authority.substr(user_end + 1);
  return absl::StrCat(parts.scheme, "://", place, parts.path);
}

bool IsSecretKeyword(const std::string& keyword) {
  return keyword == "password" || keyword == "sslpassword" || keyword == "oauth_client_secret";
}

}  // namespace dbos::sidecar
