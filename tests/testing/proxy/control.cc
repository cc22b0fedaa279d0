#include "tests/testing/proxy/control.h"

#include <map>
#include <sstream>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "sidecar/base/status.h"

namespace dbos::testing {
namespace {

const std::map<std::string, Fault>& Faults() {
  static const auto* const faults = new std::map<std::string, Fault>{{"drop-before", Fault::kDropBefore},
                                                                     {"drop-during", Fault::kDropDuring},
                                                                     {"swallow", Fault::kSwallowAnswer},
                                                                     {"stall-before", Fault::kStallBefore},
                                                                     {"stall-answer", Fault::kStallAnswer}};
  return *faults;
}

absl::StatusOr<FaultOrder> ParseOrder(std::istringstream& words) {
  FaultOrder order;
  std::string word;
  words >> word;
  const auto fault = Faults().find(word);
  if (fault == Faults().end()) return absl::InvalidArgumentError(absl::StrCat("no such fault: ", word));
  order.fault = fault->second;
  while (words >> word) {
    const size_t equals = word.find('=');
    const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
    const std::string key = word.substr(0, equals);
    if (key == "any") {
      order.at = CommitPoint::kAny;
    } else if (key == "mentions") {
      order.mentions = value;
    } else if (!((key == "skip" && absl::SimpleAtoi(value, &order.skip)) ||
                 (key == "times" && absl::SimpleAtoi(value, &order.times)))) {
      return absl::InvalidArgumentError(absl::StrCat("want any, skip=N, times=N or mentions=TEXT, not ", word));
    }
  }
  return order;
}

std::string Arm(PgProxy& proxy, std::istringstream& words) {
  const absl::StatusOr<FaultOrder> order = ParseOrder(words);
  if (!order.ok()) return "error: " + sidecar::Message(order.status());
  proxy.Arm(*order);
  return "ok";
}

std::string Wait(PgProxy& proxy, std::istringstream& words) {
  int64_t count = 0;
  double seconds = 0;
  if (!(words >> count >> seconds)) return "error: want wait COUNT SECONDS";
  return proxy.WaitForFaults(count, absl::Seconds(seconds)) ? "ok" : "error: timed out";
}

std::string CountsAsJson(const Counts& counts) {
  return nlohmann::json{{"connections", counts.connections},
                        {"syncs", counts.syncs},
                        {"ready_for_query", counts.ready_for_query},
                        {"flushes", counts.flushes},
                        {"executes", counts.executes},
                        {"commits", counts.commits},
                        {"turns", counts.turns},
                        {"bytes_to_server", counts.bytes_to_server},
                        {"bytes_to_client", counts.bytes_to_client},
                        {"faults", counts.faults}}
      .dump();
}

using Action = void (*)(PgProxy&);

const std::map<std::string, Action>& Actions() {
  static const auto* const actions =
      new std::map<std::string, Action>{{"disarm", [](PgProxy& proxy) { proxy.Disarm(); }},
                                        {"drop-all", [](PgProxy& proxy) { proxy.DropAll(); }},
                                        {"stall", [](PgProxy& proxy) { proxy.Stall(); }},
                                        {"resume", [](PgProxy& proxy) { proxy.Resume(); }},
                                        {"refuse", [](PgProxy& proxy) { proxy.SetAccepting(Accepting::kNo); }},
                                        {"accept", [](PgProxy& proxy) { proxy.SetAccepting(Accepting::kYes); }},
                                        {"reset", [](PgProxy& proxy) { proxy.ResetCounts(); }}};
  return *actions;
}

}  // namespace

std::string RunCommand(PgProxy& proxy, const std::string& line) {
  std::istringstream words(line);
  std::string command;
  words >> command;
  if (command == "arm") return Arm(proxy, words);
  if (command == "wait") return Wait(proxy, words);
  if (command == "counts") return CountsAsJson(proxy.counts());
  const auto action = Actions().find(command);
  if (action == Actions().end()) return absl::StrCat("error: unknown command: ", command);
  action->second(proxy);
  return "ok";
}

}  // namespace dbos::testing
