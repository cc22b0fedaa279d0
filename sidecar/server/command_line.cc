#include "sidecar/server/command_line.h"

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "sidecar/server/commands.h"
#include "sidecar/server/exit_codes.h"
#include "sidecar/server/setting.h"
#include "sidecar/server/sidecar.h"

namespace dbos::sidecar {
namespace {

constexpr char kAbout[] =
    "dbos-sidecar runs beside an application and gives it DBOS durable execution: workflows that survive any crash.\n"
    "The application talks gRPC to it over a Unix socket; the sidecar owns the database.\n";

constexpr char kExamples[] =
    "Examples:\n"
    "  dbos-sidecar dev -- ./shop                     sidecar and application together, on SQLite\n"
    "  dbos-sidecar serve --name shop                 the sidecar alone, on sqlite:///shop.sqlite\n"
    "  DBOS_SYSTEM_DATABASE_URL=postgresql://user@host/shop_sys dbos-sidecar serve --name shop\n"
    "  dbos-sidecar migrate --name shop --app migrations\n"
    "  dbos-sidecar workflow list --name shop --status PENDING\n"
    "  dbos-sidecar workflow steps order-42 --name shop --json\n"
    "\n"
    "Every flag is also a key of dbos-config.yaml and an environment variable; flags win over the environment, the\n"
    "environment over the file.\n"
    "\n"
    "Exit codes: 0 ended as asked, 1 anything not below, 2 wrong flags or configuration, 3 the database cannot be\n"
    "reached, migrated or locked, or stopped answering, 4 the socket or the state directory is in use or cannot be\n"
    "used. `dev` ends with the application's code.\n";

// What the flags said.
struct Parsed {
  std::string config_file;
  std::map<std::string, std::string> values;  // by Setting::flag; only those given
  std::vector<std::string> command;
  MigrateRequest migrate;
  Renaming renaming;
  bool yes = false;
  WorkflowQuery query;
  AppMigrateQuery migrations;
  bool dry_run = false;
  bool status = false;
  bool json = false;
};

void AddSettings(CLI::App& command, Parsed& parsed) {
  command.add_option("--config", parsed.config_file, "configuration file (default dbos-config.yaml, if it exists)");
  for (const Setting& setting : Settings()) {
    if (setting.flag.empty()) continue;
    command.add_option_function<std::string>(
        "--" + setting.flag, [&parsed, flag = setting.flag](const std::string& value) { parsed.values[flag] = value; },
        setting.help + " [" + setting.env + "]");
  }
}

void AddAppMigrations(CLI::App& migrate, Parsed& parsed) {
  CLI::Option* app = migrate.add_option("--app", parsed.migrations.directories,
                                        "run the numbered .sql files of this directory on the application database "
                                        "instead; may be given several times");
  migrate.add_flag("--dry-run", parsed.dry_run, "with --app: say what would run, and change nothing")->needs(app);
  migrate.add_flag("--status", parsed.status, "with --app: say what was applied and what was not")->needs(app);
  migrate.add_flag("--json", parsed.json, "with --app: print JSON instead of a table")->needs(app);
  migrate
      .add_flag("--allow-out-of-order", parsed.migrations.choices.allow_out_of_order,
                "with --app: also run new files below the newest one that was applied")
      ->needs(app);
  migrate
      .add_option("--rerun", parsed.migrations.choices.rerun,
                  "with --app: run this file again, which failed or was interrupted outside of a transaction")
      ->needs(app);
  migrate
      .add_option("--mark-applied", parsed.migrations.choices.mark_applied,
                  "with --app: take this file for applied as it is now, without running it")
      ->needs(app);
}

void AddMigrate(CLI::App& app, Parsed& parsed) {
  CLI::App* migrate = app.add_subcommand("migrate", "create or update the system database, then end");
  AddSettings(*migrate, parsed);
  CLI::Option* print = migrate->add_flag("--print", parsed.migrate.print,
                                         "print the SQL that would be run, for psql or sqlite3, and change nothing");
  migrate
      ->add_option("--from", parsed.migrate.from,
                   "with --print: the version to start from, 0 for an empty database, without looking at it")
      ->needs(print)
      ->check(CLI::NonNegativeNumber);
  migrate->add_option("--app-role", parsed.migrate.app_role,
                      "then let this role, which the sidecar runs as, read and write the rows and nothing else");
  migrate->add_option("--sql-role", parsed.migrate.sql_role,
                      "then let this role, of application_database_url, record its transactions and nothing else");
  AddAppMigrations(*migrate, parsed);
}

void AddUpkeep(CLI::App& app, Parsed& parsed) {
  CLI::App* reset = app.add_subcommand("reset", "for development: drop the system tables and make them again, empty");
  CLI::App* rename = app.add_subcommand("rename-application", "give the rows of one application to another name");
  for (CLI::App* command : {reset, rename}) {
    AddSettings(*command, parsed);
    command->add_flag("-y,--yes", parsed.yes, "do it; without this flag it is only told");
  }
  rename->add_option("-f,--from", parsed.renaming.from, "the old name");
  rename->add_option("-t,--to", parsed.renaming.to, "the new name (default: the application's name)");
  rename->add_flag("--adopt-unclaimed-rows", parsed.renaming.adopt_unowned, "take rows that no application owns");
  rename->add_option("--batch-size", parsed.renaming.batch_size, "workflows in one transaction (default 10000)")
      ->check(CLI::Range(1, 1000000));
}

CLI::App* AddQuery(CLI::App& parent, const char* name, const char* help, Parsed& parsed) {
  CLI::App* command = parent.add_subcommand(name, help);
  AddSettings(*command, parsed);
  command->add_flag("--json", parsed.json, "print JSON instead of a table");
  return command;
}

void AddWorkflow(CLI::App& app, Parsed& parsed) {
  CLI::App* workflow = app.add_subcommand("workflow", "look at workflows in the database");
  workflow->require_subcommand(1);
  CLI::App* list = AddQuery(*workflow, "list", "newest first", parsed);
  list->add_option("--status", parsed.query.status, "only these: PENDING, SUCCESS, ERROR, ...");
  list->add_option("--workflow-name", parsed.query.name, "only workflows of this name");
  list->add_option("--limit", parsed.query.limit, "how many (default 100)")->check(CLI::Range(1, 1000));
  CLI::App* get = AddQuery(*workflow, "get", "one workflow with its input and outcome", parsed);
  get->add_option("id", parsed.query.workflow_id, "workflow id")->required();
  CLI::App* steps = AddQuery(*workflow, "steps", "the recorded steps of one workflow", parsed);
  steps->add_option("id", parsed.query.workflow_id, "workflow id")->required();
}

int Migrate(Config config, Parsed& parsed) {
  if (parsed.migrations.directories.empty()) return MigrateCommand(std::move(config), parsed.migrate);
  if (parsed.dry_run) parsed.migrations.kind = AppMigrateQuery::Kind::kDryRun;
  if (parsed.status) parsed.migrations.kind = AppMigrateQuery::Kind::kStatus;
  parsed.migrations.format = parsed.json ? OutputFormat::kJson : OutputFormat::kTable;
  return AppMigrateCommand(config, parsed.migrations);
}

absl::StatusOr<Config> Load(const Parsed& parsed, Origins& origins) {
  ConfigSources sources;
  sources.file = parsed.config_file;
  sources.environment = [](const char* name) -> const char* {
    return std::getenv(name);
  };  // NOLINT(concurrency-mt-unsafe): no thread runs yet
  sources.flags = parsed.values;
  return LoadConfig(sources, &origins);
}

int Run(const CLI::App& app, Parsed& parsed) {
  Origins origins;
  absl::StatusOr<Config> config = Load(parsed, origins);
  if (!config.ok()) return Fail(kExitUsage, config.status());
  if (app.got_subcommand("dev")) return DevCommand(*std::move(config), parsed.command);
  if (!parsed.renaming.to.empty()) config->name = parsed.renaming.to;
  if (absl::Status status = CompleteConfig(*config, &origins); !status.ok()) return Fail(kExitUsage, status);
  if (app.got_subcommand("config")) return ConfigCheckCommand(*config, origins);
  if (app.got_subcommand("serve")) return ServeCommand(*config);
  if (app.got_subcommand("migrate")) return Migrate(*std::move(config), parsed);
  const Consent consent = parsed.yes ? Consent::kGiven : Consent::kMissing;
  if (app.got_subcommand("reset")) return ResetCommand(*config, consent);
  if (app.got_subcommand("rename-application")) return RenameCommand(*config, parsed.renaming, consent);
  const CLI::App* workflow = app.get_subcommand("workflow");
  if (workflow->got_subcommand("get")) parsed.query.kind = WorkflowQuery::Kind::kGet;
  if (workflow->got_subcommand("steps")) parsed.query.kind = WorkflowQuery::Kind::kSteps;
  parsed.query.format = parsed.json ? OutputFormat::kJson : OutputFormat::kTable;
  return WorkflowCommand(*config, parsed.query);
}

// What was asked for has to reach standard output.
int Printed(int code) {
  std::cout.flush();
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && std::cout.good();
  if (written || code != kExitOk) return code;
  return Fail(kExitFailure, absl::DataLossError("cannot write to standard output: its disk is full, or it is closed"));
}

}  // namespace

int RunCommandLine(int argc, char** argv) {
  CLI::App app(kAbout, "dbos-sidecar");
  app.footer(kExamples);
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("dbos-sidecar ") + kVersion);
  Parsed parsed;
  AddSettings(*app.add_subcommand("serve", "run the sidecar"), parsed);
  CLI::App* dev = app.add_subcommand("dev", "run the sidecar and an application together: dev [flags] -- app [args]");
  AddSettings(*dev, parsed);
  dev->add_option("command", parsed.command, "the application and its arguments, after --")->required();
  AddMigrate(app, parsed);
  AddUpkeep(app, parsed);
  CLI::App* config = app.add_subcommand("config", "the configuration");
  config->require_subcommand(1);
  AddSettings(*config->add_subcommand("check", "print what is effective, and where it comes from"), parsed);
  AddWorkflow(app, parsed);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return Printed(app.exit(error) == 0 ? kExitOk : kExitUsage);
  }
  return Printed(Run(app, parsed));
}

}  // namespace dbos::sidecar
