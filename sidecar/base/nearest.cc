#include "sidecar/base/nearest.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace dbos::sidecar {
namespace {

// Levenshtein's distance: how many characters have to be changed, added or removed.
std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0U);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string NearestWord(std::string_view unknown, const std::vector<std::string>& known) {
  std::string nearest;
  std::size_t least = unknown.size() / 3 + 2;  // beyond that it is another word
  for (const std::string& word : known) {
    const std::size_t distance = Distance(unknown, word);
    if (distance >= least) continue;
    least = distance;
    nearest = word;
  }
  return nearest;
}

std::string DidYouMean(std::string_view unknown, const std::vector<std::string>& known) {
  const std::string nearest = NearestWord(unknown, known);
  return nearest.empty() ? "" : "; did you mean \"" + nearest + "\"?";
}

}  // namespace dbos::sidecar
