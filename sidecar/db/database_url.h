// Database URLs as text: what may be shown of them. open.h says which there are.
#pragma once

#include <string>

namespace dbos::sidecar {

// The same server, another database. The URL is one of PostgreSQL that ParseDatabaseUrl takes.
std::string WithDatabaseName(const std::string& url, const std::string& name);

// For people: the whole URL with "***" for passwords, and only kind and place, without user and parameters.
std::string MaskPasswords(const std::string& url);
std::string DescribeDatabase(const std::string& url);

// Whether the value of this one is never shown.
bool IsSecretKeyword(const std::string& keyword);

}  // namespace dbos::sidecar
