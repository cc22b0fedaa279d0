// PostgreSQL over TLS: a server with a certificate of our own CA, for 127.0.0.1 and localhost, which lets nobody in
// over TCP without TLS. What the user is told when it does not work, and a workflow when it does.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include <dbos/dbos.h>
#include <gtest/gtest.h>

#include "sidecar/base/check.h"
#include "tests/e2e/ledger_checks.h"
#include "tests/e2e/postgres_server.h"
#include "tests/e2e/world.h"

namespace dbos::sidecar {
namespace {

constexpr char kPassword[] = "sesame";
constexpr char kAccess[] =
    "local all all trust\n"
    "hostssl all certified all cert\n"
    "hostssl all secret all scram-sha-256\n";

std::string ReadFile(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

class TlsTest : public ::testing::Test {
 protected:
  TlsTest() {
    MakeAuthority("ca");
    MakeAuthority("other_ca");
    MakeCertificate("server", "localhost");
    MakeCertificate("certified", "certified");
    MakeCertificate("intruder", "intruder");
    for (const char* name : {"server.crt", "server.key", "ca.crt"}) server_.WriteFile(name, ReadFile(File(name)));
    server_.WriteFile("pg_hba.conf", kAccess);
    server_.Start();
    server_.Query("CREATE ROLE secret SUPERUSER LOGIN PASSWORD 'sesame'");
    server_.Query("CREATE ROLE certified SUPERUSER LOGIN");
    world_ = std::make_unique<World>(server_.Url());
  }

  std::string File(const std::string& name) const { return server_.directory() + "/" + name; }

  std::string Url(const std::string& user, const std::string& host, const std::string& parameters) const {
    const std::string url = world_->database_url();
    const std::string database = url.substr(url.find("e2e_"), url.find('?') - url.find("e2e_"));
    return "postgresql://" + user + ":" + kPassword + "@" + host + ":" + std::to_string(server_.port()) + "/" +
           database + "?" + parameters;
  }

  void ExpectReady(const std::string& url) {
    std::filesystem::remove(world_->directory() + "/sidecar.log");
    world_->StartSidecar("", {"--database", url, "--database-wait", "0"});
    EXPECT_TRUE(world_->SidecarsWrote("sidecar is ready")) << url << "\n" << world_->Logs();
    world_->sidecar().Terminate();
    EXPECT_EQ(world_->sidecar().Wait(absl::Seconds(20)), 0) << world_->Logs();
  }
  // With this reason of libpq's or the server's, and this fix of ours.
  void ExpectRefused(const std::string& url, const std::string& reason, const std::string& fix) {
    std::filesystem::remove(world_->directory() + "/sidecar.log");
    world_->StartSidecar("", {"--database", url});  // does not wait for what cannot pass
    EXPECT_EQ(world_->sidecar().Wait(absl::Seconds(20)), 3) << url << "\n" << world_->Logs();
    const std::string log = ReadFile(world_->directory() + "/sidecar.log");
    EXPECT_NE(log.find(reason), std::string::npos) << url << "\n" << log;
    EXPECT_NE(log.find(fix), std::string::npos) << url << "\n" << log;
    EXPECT_EQ(log.find(kPassword), std::string::npos) << log;
  }

  PostgresServer server_{{"ssl=on", "ssl_ca_file=ca.crt"}};
  std::unique_ptr<World> world_;

 private:
  void OpenSsl(const std::string& name, const std::string& options) const {
    const std::string command = "cd '" + server_.directory() + "' && openssl req -x509 -newkey ec -pkeyopt " +
                                "ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout " + name + ".key -out " + name +
                                ".crt " + options + " 2>openssl.log";
    DBOS_CHECK(std::system(command.c_str()) == 0);
  }
  void MakeAuthority(const std::string& name) const { OpenSsl(name, "-subj /CN=" + name); }
  void MakeCertificate(const std::string& name, const std::string& common_name) const {
    OpenSsl(name,
            "-CA ca.crt -CAkey ca.key -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext "
            "basicConstraints=critical,CA:FALSE -subj /CN=" +
                common_name);
  }
};

TEST_F(TlsTest, EachModeChecksWhatItSays) {
  const std::string ca = "&sslrootcert=" + File("ca.crt");
  const std::string other = "&sslrootcert=" + File("other_ca.crt");
  ExpectRefused(Url("secret", "localhost", "sslmode=disable"), "no encryption", "use sslmode=require or verify-full");
  ExpectReady(Url("secret", "localhost", "sslmode=require"));
  ExpectReady(Url("secret", "localhost", "sslmode=verify-full" + ca));
  ExpectReady(Url("secret", "127.0.0.1", "sslmode=verify-full" + ca));
  const std::string elsewhere = "&hostaddr=127.0.0.1" + ca;  // the right server under a name that is not its own
  ExpectReady(Url("secret", "db.example", "sslmode=verify-ca" + elsewhere));
  ExpectRefused(Url("secret", "db.example", "sslmode=verify-full" + elsewhere),
                "does not match host name \"db.example\"", "connect to a name that is in the server's certificate");
  for (const std::string mode : {"sslmode=verify-full", "sslmode=verify-ca", "sslmode=require"}) {
    ExpectRefused(Url("secret", "localhost", mode + other), "certificate verify failed", "in sslrootcert");
  }
  ExpectRefused(Url("secret", "localhost", "sslmode=verify-full&sslrootcert=/nowhere/ca.crt"),
                "root certificate file \"/nowhere/ca.crt\" does not exist", "in sslrootcert");
  const char* plain = std::getenv("DBOS_TEST_POSTGRES_TCP_URL");
  ASSERT_NE(plain, nullptr) << "run by tests/run";
  ExpectRefused(std::string(plain) + "?sslmode=require", "server does not support SSL", "switch ssl on at the server");
}

TEST_F(TlsTest, ClientsShowTheirCertificatesAndPasswords) {
  const auto with = [&](const std::string& name, const std::string& key) {
    return Url("certified", "localhost", "sslmode=require&sslcert=" + File(name + ".crt") + "&sslkey=" + File(key));
  };
  ExpectReady(with("certified", "certified.key"));
  ExpectRefused(Url("certified", "localhost", "sslmode=require"), "requires a valid client certificate",
                "in sslcert and sslkey");
  ExpectRefused(with("intruder", "intruder.key"), "certificate authentication failed", "of this very user");
  ExpectRefused(with("other_ca", "other_ca.key"), "unknown ca", "signed by a CA that the server knows");
  ExpectRefused(with("certified", "intruder.key"), "private key file", "the key of sslcert");
  std::filesystem::permissions(File("certified.key"), std::filesystem::perms::all);
  ExpectRefused(with("certified", "certified.key"), "group or world access", "readable for its owner only (0600)");
  server_.Query("ALTER ROLE secret PASSWORD 'another'");
  ExpectRefused(Url("secret", "localhost", "sslmode=require"), "password authentication failed for user \"secret\"",
                "check user and password in the database URL");
}

TEST_F(TlsTest, AnIpv6AddressIsAHost) {
  const std::string url = Url("secret", "[::1]", "sslmode=require");
  if (std::ifstream("/proc/net/if_inet6").peek() == std::ifstream::traits_type::eof()) {
    // This machine has no IPv6: the address gets as far as it can.
    world_->StartSidecar("", {"--database", url, "--database-wait", "0"});
    EXPECT_TRUE(world_->SidecarsWrote("connection to server at \"::1\"")) << world_->Logs();
    return;
  }
  ExpectReady(url);
  ExpectRefused(Url("secret", "[::1]", "sslmode=verify-full&sslrootcert=" + File("ca.crt")),
                "does not match host name \"::1\"", "connect to a name that is in the server's certificate");
}

TEST_F(TlsTest, AWorkflowRunsAndEveryConnectionIsEncrypted) {
  world_->StartSidecar("",
                       {"--database", Url("secret", "localhost", "sslmode=verify-full&sslrootcert=" + File("ca.crt"))});
  world_->StartApp();
  RunToTheEnd(*world_);
  const auto plain = server_.Query(
      "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'dbos_transact'");
  EXPECT_GE(plain.size(), 2U);
  for (const std::string& encrypted : plain) EXPECT_EQ(encrypted, "t");
}

}  // namespace
}  // namespace dbos::sidecar
