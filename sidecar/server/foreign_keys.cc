#include "sidecar/server/foreign_keys.h"

#include <string_view>

namespace dbos::sidecar {
namespace {

struct Foreign {
  std::string_view key;  // with a dot at its end: the whole section
  const char* instead;
};

constexpr char kExport[] = "remove it: traces and logs are not exported; metrics are at sidecar.http_address";
constexpr char kUrls[] = "write it into application_database_url, and into system_database_url if you give that";

// The first entry that fits counts.
constexpr Foreign kForeign[] = {
    {"language", "remove it: a sidecar serves programs in any language"},
    {"database_url", "call it application_database_url"},
    {"app_db_url", "call it application_database_url"},
    {"system_database_schema_name", "call it dbos_system_schema"},
    {"database.migrate",
     "run these commands before the sidecar starts, or name directories of .sql files in "
     "sidecar.application_migrations"},
    {"database.", kUrls},
    {"runtimeConfig.start", "start the program yourself, or both by: dbos-sidecar dev -- PROGRAM"},
    {"runtimeConfig.setup", "run these commands before the program starts"},
    {"runtimeConfig.", "remove it: programs are not started from this file; see dbos-sidecar dev -- PROGRAM"},
    {"env.", "set it in the environment that the program, or dbos-sidecar dev, is started in"},
    {"telemetry.logs.logLevel", "call it sidecar.log_level: debug, info, warning or error"},
    {"telemetry.", kExport},
    {"enable_otlp", kExport},
    {"otlp_traces_endpoints", kExport},
    {"otlp_logs_endpoints", kExport},
    {"otlp_attributes", kExport},
    {"log_level", "call it sidecar.log_level"},
    {"console_log_level", "call it sidecar.log_level"},
    {"executor_id", "call it sidecar.executor_id"},
    {"application_version", "remove it: each program tells its version when it attaches"},
    {"run_migrations", "say sidecar.migrations: auto, or verify instead of false"},
    {"admin_port", "remove it: health and metrics are at sidecar.http_address"},
    {"run_admin_server", "remove it: health and metrics are at sidecar.http_address"},
    {"conductor_key", "remove it: there is no connection to Conductor"},
    {"conductor_url", "remove it: there is no connection to Conductor"},
    {"serializer", "remove it: values are stored as portable JSON"},
    {"max_executor_threads", "limit it in each program, as AppOptions::max_concurrent_workflows does"},
};

bool Fits(std::string_view foreign, std::string_view key) {
  return foreign.back() == '.' ? key.starts_with(foreign) || key == foreign.substr(0, foreign.size() - 1)
                               : key == foreign || key.starts_with(std::string(foreign) + ".");
}

}  // namespace

std::string InsteadOfForeignKey(const std::string& key) {
  for (const Foreign& foreign : kForeign) {
    if (Fits(foreign.key, key)) return foreign.instead;
  }
  return "";
}

}  // namespace dbos::sidecar
