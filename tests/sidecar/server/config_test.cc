#include "sidecar/server/config.h"

#include <map>
#include <string>

#include <gtest/gtest.h>

#include "sidecar/base/status.h"
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

TEST_F(ConfigTest, AnUnknownKeyIsAnErrorThatListsTheKeys) {
  File("name: shop\nsystem_databse_url: x\n");
  EXPECT_NE(Fault().find("unknown key \"system_databse_url\""), std::string::npos) << Fault();
  EXPECT_NE(Fault().find("system_database_url"), std::string::npos);
  File("sidecar:\n  adress: x\n");
  EXPECT_NE(Fault().find("unknown key \"sidecar.adress\""), std::string::npos) << Fault();
}

TEST_F(ConfigTest, ValuesOfTheFileMayNameVariables) {
  File("name: shop\nsystem_database_url: postgresql://shop:${PASSWORD}@db/shop\n");
  EXPECT_NE(Fault().find("PASSWORD is not set"), std::string::npos) << Fault();
  environment_ = {{"PASSWORD", "secret"}};
  EXPECT_EQ(Load()->system_database_url, "postgresql://shop:secret@db/shop");
}

TEST_F(ConfigTest, ReadsEverySettingOfTheCore) {
  File(
      "name: shop\ndbos_system_schema: custom\nsidecar:\n  allowed_uids: [1000, 1001]\n  socket_mode: 0666\n"
      "  log_format: json\n  log_level: debug\n  reflection: off\n  legacy_payloads: on\n  drain_timeout: 3\n  "
      "state_dir: /var/lib/dbos\n");
  const auto config = Load();
  ASSERT_TRUE(config.ok()) << Message(config.status());
  EXPECT_EQ(config->schema, "custom");
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
  const std::map<std::string, std::string> bad = {
      {"socket-mode", "rw"},   {"migrations", "on"},    {"schema", ""},          {"allow-uid", "root"},
      {"log-level", "loud"},   {"log-format", "xml"},   {"reflection", "maybe"}, {"legacy-payloads", "yes"},
      {"drain-timeout", "-1"}, {"executor-id", "local"}};
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
    EXPECT_EQ(++seen["key " + setting.key], 1) << setting.key;
    EXPECT_EQ(++seen["env " + setting.env], 1) << setting.env;
    EXPECT_EQ(++seen["flag " + setting.flag], 1) << setting.flag;
  }
}

}  // namespace
}  // namespace dbos::sidecar
