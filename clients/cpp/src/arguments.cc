#include <string>
#include <string_view>

#include <dbos/detail/arguments.h>

namespace dbos::detail {
namespace {

// Walks JSON text that a parser has accepted, so that parts of it can be handed on byte for byte.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  void SkipSpace() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')) {
      ++at_;
    }
  }
  // True and past it when the next character is `c`.
  bool Take(char c) {
    SkipSpace();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::string_view Value() {
    SkipSpace();
    const std::size_t begin = at_;
    std::size_t depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (depth == 0 && (c == ',' || c == ']' || c == '}' || c == ':')) break;
      if (c == '"') SkipString();
      if (c == '[' || c == '{') ++depth;
      if (c == ']' || c == '}') --depth;
      ++at_;
    }
    std::size_t end = at_;
    while (end > begin &&
           (text_[end - 1] == ' ' || text_[end - 1] == '\n' || text_[end - 1] == '\t' || text_[end - 1] == '\r')) {
      --end;
    }
    return text_.substr(begin, end - begin);
  }

 private:
  // Leaves `at_` on the closing quote.
  void SkipString() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::vector<std::string_view> SplitArray(std::string_view text) {
  std::vector<std::string_view> elements;
  Scanner scanner(text);
  if (!scanner.Take('[')) throw InvalidArgument("positionalArgs must be an array");
  if (scanner.Take(']')) return elements;
  do {
    elements.push_back(scanner.Value());
  } while (scanner.Take(','));
  return elements;
}

bool IsEmptyObject(std::string_view text) {
  Scanner scanner(text);
  return scanner.Take('{') && scanner.Take('}');
}

}  // namespace

StoredArguments SplitArguments(std::string_view input) {
  if (!nlohmann::json::accept(input)) throw InvalidArgument("the workflow's input is not JSON");
  StoredArguments stored;
  Scanner scanner(input);
  if (!scanner.Take('{')) {
    throw InvalidArgument("the workflow's input must be {\"positionalArgs\":[...],\"namedArgs\":{...}}");
  }
  while (!scanner.Take('}')) {
    const std::string_view key = scanner.Value();
    scanner.Take(':');
    const std::string_view value = scanner.Value();
    if (key == "\"positionalArgs\"" && value != "null") stored.positional = SplitArray(value);
    if (key == "\"namedArgs\"" && value != "null" && !IsEmptyObject(value)) stored.named = value;
    scanner.Take(',');
  }
  return stored;
}

void CheckArgumentCount(const StoredArguments& stored, std::size_t parameters, bool takes_named) {
  if (stored.positional.size() > parameters) {
    throw InvalidArgument("the workflow takes " + std::to_string(parameters) + " arguments, " +
                          std::to_string(stored.positional.size()) + " were given");
  }
  if (!stored.named.empty() && (!takes_named || !stored.positional.empty())) {
    throw InvalidArgument("namedArgs were given; they can only fill a workflow's single struct parameter: " +
                          std::string(stored.named.substr(0, 80)));
  }
}

void ThrowBadArgument(std::size_t index, const char* what) {
  throw InvalidArgument("argument " + std::to_string(index + 1) + ": " + what);
}

void ThrowMissingArgument(std::size_t index, std::size_t given) {
  throw InvalidArgument("argument " + std::to_string(index + 1) + " is missing: " + std::to_string(given) +
                        " positional arguments were given, and only std::optional parameters may be left out");
}

}  // namespace dbos::detail
