// Logging: one line an event, text or JSON, to standard error. Keys are fixed words, values are escaped.
//
// Threads:  any. Blocking: only if standard error blocks.
// Secrets:  never pass a connection URL, a password or a payload.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

namespace dbos::sidecar {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

// Call once, before threads. The default is text at kInfo.
void ConfigureLogging(LogFormat format, LogLevel level);

// Log(LogLevel::kInfo, "workflow dispatched", {{"workflow_id", id}, {"session", session}});
using LogField = std::pair<const char*, std::string>;
void Log(LogLevel level, const std::string& message, std::initializer_list<LogField> fields = {});

}  // namespace dbos::sidecar
