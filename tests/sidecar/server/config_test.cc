#include "sidecar/server/config.h"

#include <algorithm>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "sidecar/base/status.h"
#include "sidecar/server/foreign_keys.h"
#include "sidecar/server/setting.h"
#include "tests/sidecar/server/temporary_directory.h"

namespace dbos::sidecar {
namespace {

class ConfigTest : public testing::Test {
 protected:
  absl::StatusOr<Config> Load() const {
    ConfigSources sources;
    sources.file = directory_ / "dbos-config.yaml";
    sources.flags = flags_;
    sources.environment = [this](const char* name) {
      const auto found = environment_.find(name);
      return found == environment_.end() ? nullptr : found->second.c_str();
    };
    return LoadConfig(sources);
  }
  void File(const std::string& yaml) { directory_.Write("dbos-config.yaml", yaml); }
  std::string Fault() const {
    const auto config = Load();
    return config.ok() ? "" : Message(config.status());
  }

  const TemporaryDirectory directory_;
  std::map<std::string, std::string> environment_;
  std::map<std::string, std::string> flags_;
};

TEST_F(ConfigTest, FlagsWinOverTheEnvironmentAndThatOverTheFile) {
  File("name: from-file\nsystem_database_url: sqlite:///file.sqlite\nsidecar:\n  address: unix:file.sock\n");
  environment_ = {{"DBOS_SYSTEM_DATABASE_URL", "sqlite:///env.sqlite"}, {"DBOS_SIDECAR_ADDRESS", "unix:env.sock"}};
  flags_ = {{"address", "unix:flag.sock"}};
  const auto config = Load();
  ASSERT_TRUE(config.ok()) << Message(config.status());
  EXPECT_EQ(config->name, "from-file");
  EXPECT_EQ(config->system_database_url, "sqlite:///env.sqlite");
  EXPECT_EQ(config->address, "unix:flag.sock");
}

TEST_F(ConfigTest, AnEmptyVariableIsNoValue) {
  File("name: shop");
  environment_ = {{"DBOS_APP_NAME", ""}};
  EXPECT_EQ(Load()->name, "shop");
}

TEST_F(ConfigTest, AnUnknownKeyIsAnErrorThatNamesTheNearest) {
  const std::pair<const char*, const char*> cases[] = {
      {"system_databse_url: x", "unknown key \"system_databse_url\"; did you mean \"system_database_url\"?"},
      {"sidecar:\n  adress: x", "unknown key \"sidecar.adress\"; did you mean \"sidecar.address\"?"},
      {"db_engine_kwargs:\n  pool_siz: 5", "did you mean \"db_engine_kwargs.pool_size\"?"},
      {"db_engine_kwargs:\n  connect_args:\n    sslrootcrt: x",
       "did you mean \"db_engine_kwargs.connect_args.sslrootcert\"?"},
      {"sidecar:\n  address_file: x", "unknown key \"sidecar.address_file\""},
      {"colour: blue", "unknown key \"colour\" (dbos-sidecar config check lists the keys)"}};
  for (const auto& [yaml, fault] : cases) {
    File(yaml);
    EXPECT_NE(Fault().find(fault), std::string::npos) << Fault();
  }
}

// What DBOS itself keeps in the file, all at once.
TEST_F(ConfigTest, KeysOfTheSdksSayWhatToDoInstead) {
  File(R"(
name: shop
language: python
database_url: postgresql://localhost/shop
database: {migrate: [alembic upgrade head], app_db_name: shop, hostname: localhost}
runtimeConfig: {start: [python main.py], setup: [pip install x], port: 8000}
env: {LOG: debug}
telemetry: {logs: {logLevel: info}, OTLPExporter: {logsEndpoint: "http://localhost", tracesEndpoint: [a, b]}}
executor_id: me
languages: none
)");
  const std::string fault = Fault();
  const std::pair<const char*, const char*> hints[] = {
      {"language", "any language"},
      {"database_url", "call it application_database_url"},
      {"database.migrate", "sidecar.application_migrations"},
      {"database.app_db_name", "application_database_url"},
      {"database.hostname", "application_database_url"},
      {"runtimeConfig.start", "dbos-sidecar dev -- PROGRAM"},
      {"runtimeConfig.setup", "before the program starts"},
      {"runtimeConfig.port", "not started from this file"},
      {"env.LOG", "environment"},
      {"telemetry.logs.logLevel", "call it sidecar.log_level"},
      {"telemetry.OTLPExporter.logsEndpoint", "metrics are at sidecar.http_address"},
      {"telemetry.OTLPExporter.tracesEndpoint", "not exported"},
      {"executor_id", "call it sidecar.executor_id"}};
  for (const auto& [key, hint] : hints) {
    const std::size_t line = fault.find("\"" + std::string(key) + "\" is a key of the DBOS SDKs");
    ASSERT_NE(line, std::string::npos) << key << "\n" << fault;
    EXPECT_NE(fault.substr(line, fault.find('\n', line) - line).find(hint), std::string::npos) << key << "\n" << fault;
  }
  EXPECT_NE(fault.find("unknown key \"languages\""), std::string::npos) << fault;
  EXPECT_EQ(fault.find("\"name\""), std::string::npos) << fault;
}

// A hint that names a key of ours is of no use if there is no such key.
TEST_F(ConfigTest, WhatIsToldInsteadExists) {
  for (const char* key : {"database_url", "system_database_schema_name", "database.migrate", "database.x",
                          "telemetry.logs.logLevel", "log_level", "executor_id", "run_migrations", "admin_port"}) {
    const std::string instead = InsteadOfForeignKey(key);
    const bool named = std::any_of(Settings().begin(), Settings().end(), [&](const Setting& setting) {
      return setting.key.size() > 4 && instead.find(setting.key) != std::string::npos;
    });
    EXPECT_TRUE(named) << key << ": " << instead;
  }
}

TEST_F(ConfigTest, AKeyThatIsGivenTwiceIsRefused) {
  File("name: shop\nname: other\n");
  EXPECT_NE(Fault().find("name is given twice"), std::string::npos) << Fault();
}

TEST_F(ConfigTest, ValuesOfTheFileMayNameVariables) {
  File("name: shop\nsystem_database_url: postgresql://shop:${PASSWORD}@${DB_HOST:-db}/shop\n");
  EXPECT_NE(Fault().find("system_database_url: the environment variable PASSWORD is not set"), std::string::npos)
      << Fault();
  environment_ = {{"PASSWORD", "secret"}};
  EXPECT_EQ(Load()->system_database_url, "postgresql://shop:secret@db/shop");
  environment_ = {{"PASSWORD", "$1${x}"}, {"DB_HOST", "other"}};
  EXPECT_EQ(Load()->system_database_url, "postgresql://shop:$1${x}@other/shop") << "what is put in is not read again";
}

TEST_F(ConfigTest, WrongSubstitutionsSayWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {{"name: a${B", "a \"${\" without its \"}\""},
                                                       {"name: a${}", "names no environment variable"},
                                                       {"name: a${:-x}", "names no environment variable"},
                                                       {"name: a${DOCKER_SECRET:no-such}", "/run/secrets/no-such"}};
  for (const auto& [yaml, fault] : cases) {
    File(yaml);
    EXPECT_NE(Fault().find(fault), std::string::npos) << yaml << ": " << Fault();
  }
  File("sidecar:\n  state_dir: a$${B}\n");
  EXPECT_EQ(Load()->state_dir, "a${B}");
  File("sidecar:\n  state_dir: a${B:-}b\n");
  EXPECT_EQ(Load()->state_dir, "ab");
}

TEST_F(ConfigTest, SecretsMayComeAsFiles) {
  directory_.Write("url", "sqlite:///from-file.sqlite\n");
  directory_.Write("other", "sqlite:///other.sqlite\r\n\n");
  File("system_database_url_file: " + (directory_ / "url"));
  EXPECT_EQ(Load()->system_database_url, "sqlite:///from-file.sqlite");
  environment_ = {{"DBOS_SYSTEM_DATABASE_URL_FILE", directory_ / "other"}};
  EXPECT_EQ(Load()->system_database_url, "sqlite:///other.sqlite") << "the environment wins";
  flags_ = {{"database", "sqlite:///flag.sqlite"}};
  EXPECT_EQ(Load()->system_database_url, "sqlite:///flag.sqlite");
}

TEST_F(ConfigTest, ASecretFileThatIsMissingOrSuperfluousIsNamed) {
  File("application_database_url_file: /no/such/file");
  EXPECT_NE(Fault().find("application_database_url_file: cannot read the file /no/such/file"), std::string::npos)
      << Fault();
  File("system_database_url: sqlite:///a\nsystem_database_url_file: b\n");
  EXPECT_NE(Fault().find("are both given"), std::string::npos) << Fault();
  File("");
  environment_ = {{"DBOS_DIRECT_DATABASE_URL", "sqlite:///a"}, {"DBOS_DIRECT_DATABASE_URL_FILE", "b"}};
  EXPECT_NE(Fault().find("DBOS_DIRECT_DATABASE_URL_FILE are both given"), std::string::npos) << Fault();
}

TEST_F(ConfigTest, ReadsTheEngineArgumentsOfTheDocumentation) {
  File(
      "sys_db_pool_size: 7\ndb_engine_kwargs:\n  pool_size: 5\n  max_overflow: 2\n  pool_timeout: 1.5\n"
      "  pool_recycle: 3600\n  pool_pre_ping: False\n  echo: true\n  hide_parameters: off\n  connect_args:\n"
      "    application_name: mine\n    options: -c statement_timeout=30000\n    sslmode: require\n");
  const auto config = Load();
  ASSERT_TRUE(config.ok()) << Message(config.status());
  EXPECT_EQ(config->system_pool_size, 7);
  EXPECT_EQ(config->pool.size, 5);
  EXPECT_EQ(config->pool.max_overflow, 2);
  EXPECT_EQ(config->pool.timeout, absl::Milliseconds(1500));
  EXPECT_EQ(config->pool.recycle, absl::Seconds(3600));
  EXPECT_FALSE(config->pool.pre_ping);
  EXPECT_TRUE(config->echo);
  EXPECT_FALSE(config->hide_parameters);
  EXPECT_EQ(config->connect_args.at("options"), "-c statement_timeout=30000");
  EXPECT_EQ(config->connect_args.at("sslmode"), "require");
}

TEST_F(ConfigTest, ReadsEverySettingOfTheCore) {
  File(
      "name: shop\ndbos_system_schema: custom\nsidecar:\n  allowed_uids: [1000, 1001]\n  socket_mode: 0666\n"
      "  log_format: json\n  log_level: debug\n  reflection: off\n  legacy_payloads: on\n  drain_timeout: 3\n  "
      "transaction_group_max: 1\n  transaction_spin_us: 0\n  "
      "state_dir: /var/lib/dbos\n");
  const auto config = Load();
  ASSERT_TRUE(config.ok()) << Message(config.status());
  EXPECT_EQ(config->schema, "custom");
  EXPECT_EQ(config->transaction_group_max, 1);
  EXPECT_EQ(config->transaction_spin_us, 0);
  EXPECT_EQ(config->allowed.uids, (std::vector<uid_t>{1000, 1001}));
  EXPECT_EQ(config->socket_mode, 0666U);
  EXPECT_EQ(config->log_format, LogFormat::kJson);
  EXPECT_EQ(config->log_level, LogLevel::kDebug);
  EXPECT_EQ(config->reflection, Reflection::kOff);
  EXPECT_EQ(config->legacy_payloads, LegacyPayloads::kOn);
  EXPECT_EQ(config->drain_timeout, absl::Seconds(3));
  EXPECT_EQ(config->state_dir, "/var/lib/dbos");
}

TEST_F(ConfigTest, BadValuesNameTheirSourceAndTheRule) {
  File("name: shop\n");
  const std::map<std::string, std::string> bad = {{"socket-mode", "rw"},
                                                  {"allow-uid", "root"},
                                                  {"log-level", "loud"},
                                                  {"log-format", "xml"},
                                                  {"reflection", "maybe"},
                                                  {"legacy-payloads", "yes"},
                                                  {"drain-timeout", "-1"},
                                                  {"executor-id", "local"},
                                                  {"pool-size", "0"},
                                                  {"max-overflow", "-1"},
                                                  {"pool-timeout", "nan"},
                                                  {"pool-recycle", "-2"},
                                                  {"pool-pre-ping", "2"},
                                                  {"echo", "debug"},
                                                  {"sys-db-pool-size", "many"},
                                                  {"ping-timeout", "0"},
                                                  {"migrations", "on"},
                                                  {"schema", ""},
                                                  {"transaction-group-max", "0"},
                                                  {"transaction-spin-us", "1001"}};
  for (const auto& [flag, value] : bad) {
    flags_ = {{flag, value}};
    EXPECT_NE(Fault().find("--" + flag + " must"), std::string::npos) << flag << ": " << Fault();
    EXPECT_NE(Fault().find(value), std::string::npos) << Fault();
  }
}

TEST_F(ConfigTest, AFileThatIsNoMappingIsRefused) {
  File("- a\n- b\n");
  EXPECT_NE(Fault().find("must hold"), std::string::npos) << Fault();
  File("name: [unclosed\n");
  EXPECT_NE(Fault(), "");
  File("");
  EXPECT_TRUE(Load().ok());
}

TEST(NameTest, FollowsTheRuleOfDbos) {
  for (const char* name : {"shop", "my_app-2", "abc", "123456789012345678901234567890"}) {
    EXPECT_TRUE(CheckName(name).ok()) << name;
  }
  for (const char* name : {"", "ab", "Shop", "my shop", "1234567890123456789012345678901", "café"}) {
    EXPECT_FALSE(CheckName(name).ok()) << name;
  }
  EXPECT_NE(Message(CheckName("My Shop")).find("\"my-shop\""), std::string::npos);
}

TEST(NameTest, ADirectoryNameBecomesAValidName) {
  for (const char* text : {"My Shop", "x", "", "a.b.c", "a directory with a name that is much too long"}) {
    EXPECT_TRUE(CheckName(SanitisedName(text)).ok()) << SanitisedName(text);
  }
}

TEST(DefaultsTest, TheDatabaseFollowsTheName) {
  EXPECT_EQ(DefaultDatabaseUrl("my-shop"), "sqlite:///my_shop.sqlite");
  EXPECT_EQ(DefaultDatabaseUrl("2fast"), "sqlite:///_2fast.sqlite");
  Config config;
  config.name = "shop";
  ASSERT_TRUE(CompleteConfig(config).ok());
  EXPECT_EQ(config.system_database_url, "sqlite:///shop.sqlite");
  EXPECT_EQ(config.allowed.uids.size(), 1U);
}

TEST(SettingsTest, EveryFlagKeyAndVariableIsUnique) {
  std::map<std::string, int> seen;
  for (const Setting& setting : Settings()) {
    ++seen["key " + setting.key];
    if (!setting.env.empty()) ++seen["env " + setting.env];
    if (!setting.flag.empty()) ++seen["flag " + setting.flag];
  }
  for (const auto& [name, times] : seen) EXPECT_EQ(times, 1) << name;
}

// What is shown is what can be given.
TEST(SettingsTest, WhatIsShownReadsBackAsTheSame) {
  const Config defaults;
  for (const Setting& setting : Settings()) {
    const std::string shown = setting.show(defaults);
    if (shown.empty()) continue;
    Config config;
    EXPECT_EQ(setting.apply(shown, config), "") << setting.key << ": " << shown;
    EXPECT_EQ(setting.show(config), shown) << setting.key;
  }
}

TEST(SettingsTest, SecretsAreNotShown) {
  Config config;
  config.system_database_url = "postgresql://me:sesame@h/d?sslpassword=sesame&sslmode=require";
  config.application_database_url = "postgresql://me:ses@me/sesame@h/d";
  config.direct_database_url = "sesame";
  config.connect_args = {{"password", "sesame"}, {"sslpassword", "sesame"}, {"user", "me"}};
  for (const Setting& setting : Settings()) {
    EXPECT_EQ(setting.show(config).find("sesame"), std::string::npos) << setting.key << ": " << setting.show(config);
  }
}

}  // namespace
}  // namespace dbos::sidecar
