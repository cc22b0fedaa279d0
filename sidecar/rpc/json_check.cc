#include "sidecar/rpc/json_check.h"

#include <nlohmann/json.hpp>

namespace dbos::sidecar {
namespace {

using Json = nlohmann::json;

// Follows the parser and stops it at the first thing that is not allowed.
class FaultFinder final : public nlohmann::json_sax<Json> {
 public:
  explicit FaultFinder(JsonShape shape) : shape_(shape) {}

  bool null() override { return Scalar(); }
  bool boolean(bool) override { return Scalar(); }
  bool number_integer(number_integer_t) override { return Scalar(); }
  bool number_unsigned(number_unsigned_t) override { return Scalar(); }
  bool number_float(number_float_t, const string_t&) override { return Scalar(); }
  bool string(string_t&) override { return Scalar(); }
  bool binary(binary_t&) override { return Scalar(); }
  bool key(string_t&) override { return true; }
  bool start_object(std::size_t) override { return Enter(JsonShape::kObject); }
  bool start_array(std::size_t) override { return Enter(JsonShape::kAny); }
  bool end_object() override { return Leave(); }
  bool end_array() override { return Leave(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    fault_ = "is not valid JSON at byte " + std::to_string(position);
    return false;
  }

  std::string TakeFault() { return std::move(fault_); }

 private:
  bool Scalar() { return depth_ > 0 || Shaped(JsonShape::kAny); }

  bool Enter(JsonShape shape) {
    if (depth_ == 0 && !Shaped(shape)) return false;
    if (++depth_ <= kJsonDepthMax) return true;
    fault_ = "is nested deeper than " + std::to_string(kJsonDepthMax) + " levels: flatten the value";
    return false;
  }

  bool Leave() {
    --depth_;
    return true;
  }

  bool Shaped(JsonShape found) {
    if (shape_ == JsonShape::kAny || found == JsonShape::kObject) return true;
    fault_ = "must be a JSON object";
    return false;
  }

  const JsonShape shape_;
  int depth_ = 0;
  std::string fault_;
};

}  // namespace

std::string JsonFault(std::string_view text, JsonShape shape) {
  FaultFinder finder(shape);
  // A number beyond the range of a double is refused as out of range; every other fault comes as a parse error.
  if (Json::sax_parse(text.begin(), text.end(), &finder)) return "";
  std::string fault = finder.TakeFault();
  return fault.empty() ? "is not valid JSON" : fault;
}

}  // namespace dbos::sidecar
