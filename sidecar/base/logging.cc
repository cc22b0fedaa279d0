#include "sidecar/base/logging.h"

#include <memory>

#include <nlohmann/json.hpp>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace dbos::sidecar {
namespace {

using Json = nlohmann::ordered_json;

struct Logger {
  LogFormat format = LogFormat::kText;
  std::shared_ptr<spdlog::logger> out =
      std::make_shared<spdlog::logger>("dbos-sidecar", std::make_shared<spdlog::sinks::stderr_sink_mt>());

  Logger() { Apply(LogFormat::kText, LogLevel::kInfo); }

  void Apply(LogFormat wanted, LogLevel level);
};

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

void Logger::Apply(LogFormat wanted, LogLevel level) {
  format = wanted;
  out->set_level(SpdlogLevel(level));
  out->flush_on(spdlog::level::trace);
  out->set_pattern(format == LogFormat::kJson ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})"
                                              : "%Y-%m-%dT%H:%M:%S.%eZ %L %v",
                   spdlog::pattern_time_type::utc);
}

Logger& Instance() {
  // Never destroyed: other threads may log during exit.
  static Logger& logger = *new Logger;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
  return logger;
}

std::string Quoted(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

void ConfigureLogging(LogFormat format, LogLevel level) {
  Instance().Apply(format, level);
}

void Log(LogLevel level, const std::string& message, std::initializer_list<LogField> fields) {
  Logger& logger = Instance();
  if (!logger.out->should_log(SpdlogLevel(level))) return;
  std::string line = logger.format == LogFormat::kJson ? "\"message\":" + Quoted(message) : message;
  for (const auto& [key, value] : fields) {
    line += logger.format == LogFormat::kJson ? ",\"" + std::string(key) + "\":" : " " + std::string(key) + "=";
    line += Quoted(value);
  }
  logger.out->log(SpdlogLevel(level), "{}", line);
}

}  // namespace dbos::sidecar
