// Which databases there are, for everything that a user may give.
#include <string>

#include <gtest/gtest.h>

#include "sidecar/base/status.h"
#include "sidecar/server/config.h"

namespace dbos::sidecar {
namespace {

struct Rule {
  std::string given_system;
  std::string given_application;
  std::string system;
  std::string application;
};

TEST(DerivedDatabasesTest, FollowTheRulesOfTheDocumentation) {
  const std::string pg = "postgresql://me:p%40ss@h1:5433,h2/";
  const Rule rules[] = {
      {"", "", "sqlite:///my_app.sqlite", "sqlite:///my_app.sqlite"},
      {"sqlite:///s.sqlite", "", "sqlite:///s.sqlite", ""},
      {"", "sqlite:///a.sqlite", "sqlite:///a.sqlite", "sqlite:///a.sqlite"},
      {"sqlite:///s.sqlite", "sqlite:///a.sqlite", "sqlite:///s.sqlite", "sqlite:///a.sqlite"},
      {pg + "sys", "", pg + "sys", ""},
      {"", pg + "shop?sslmode=require", pg + "shop_dbos?sslmode=require", pg + "shop?sslmode=require"},
      {"", "postgres://h/shop", "postgres://h/shop_dbos", "postgres://h/shop"},
      {"", "cockroachdb://h/shop", "cockroachdb://h/shop_dbos", "cockroachdb://h/shop"},
      {"", "postgresql://h/?dbname=shop&host=/tmp", "postgresql://h/shop_dbos?host=/tmp",
       "postgresql://h/?dbname=shop&host=/tmp"},
      {"", "postgresql://h/a%20b", "postgresql://h/a%20b_dbos", "postgresql://h/a%20b"},
      {pg + "both", pg + "both", pg + "both", pg + "both"},
  };
  for (const Rule& rule : rules) {
    Config config;
    config.name = "my-app";
    config.system_database_url = rule.given_system;
    config.application_database_url = rule.given_application;
    const absl::Status status = DeriveDatabases(config);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(config.system_database_url, rule.system);
    EXPECT_EQ(config.application_database_url, rule.application);
  }
}

TEST(DerivedDatabasesTest, WhatDoesNotFitIsRefusedWithTheReason) {
  struct Case {
    std::string system;
    std::string application;
    std::string direct;
    std::string fault;
  };
  const Case cases[] = {
      {"sqlite:///s", "postgresql://h/a", "",
       "system_database_url is SQLite and application_database_url is PostgreSQL"},
      {"postgresql://h/a", "", "sqlite:///s", "sidecar.direct_database_url is SQLite"},
      {"mysql://h/a", "", "", "system_database_url: the database URL must begin with postgresql://"},
      {"", "postgresql://h", "", "application_database_url: Database name must be specified in the connection URL"},
      {"", "postgresql://h/" + std::string(59, 'x'), "", "longer than PostgreSQL's 63 bytes: give system_database_url"},
  };
  for (const Case& one : cases) {
    Config config;
    config.name = "shop";
    config.system_database_url = one.system;
    config.application_database_url = one.application;
    config.direct_database_url = one.direct;
    const std::string fault = Message(DeriveDatabases(config));
    EXPECT_NE(fault.find(one.fault), std::string::npos) << fault;
  }
}

TEST(DerivedDatabasesTest, TheOriginsSayWhatWasDerived) {
  Config config;
  config.name = "shop";
  config.application_database_url = "postgresql://h/shop";
  Origins origins;
  ASSERT_TRUE(DeriveDatabases(config, &origins).ok());
  EXPECT_EQ(origins.at("system_database_url"), "derived from application_database_url");
}

}  // namespace
}  // namespace dbos::sidecar
