// The database's text of times, arrays and numbers, as JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace dbos::runtime {

// What a text that is none of its kind becomes: is_discarded(). An optional would convert to and from JSON by itself.
inline nlohmann::json NoJson() {
  return nlohmann::json::value_t::discarded;
}

// RFC 3339 in UTC, with the digits that there are. Takes "2026-01-31 12:00:00.5+02", "...+05:30", "...Z", with a space
// or a T; without an offset it is UTC. Nothing for any other text, as for infinity and for years beyond 1 to 9999.
std::optional<std::string> ToRfc3339(std::string_view text);

// Decimal digits with a sign; NoJson() when it is none, or more than 64 bits.
nlohmann::json ToInteger(std::string_view text);

// PostgreSQL's array literal, {1,2,NULL} or [0:1]={...}, nested as well; or NoJson().
nlohmann::json ToArray(std::string_view text, const std::string& element_type);

}  // namespace dbos::runtime
