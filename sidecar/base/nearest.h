// The known word that an unknown one was probably meant to be.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dbos::sidecar {

// Empty where none comes close. Of equally close ones the first.
std::string NearestWord(std::string_view unknown, const std::vector<std::string>& known);

// "; did you mean \"x\"?", or nothing.
std::string DidYouMean(std::string_view unknown, const std::vector<std::string>& known);

}  // namespace dbos::sidecar
