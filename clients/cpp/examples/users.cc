// Transactions: an application that holds no database credentials creates, reads and lists users. Its SQL runs through
// the sidecar, and each transaction commits together with its record in the workflow.
//
//   dbos-sidecar dev --name users --app-database sqlite:///users.db -- ./dbos_users
#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include <dbos/dbos.h>

namespace {

// What is left empty in an insert, the database fills in.
struct User {
  std::string email;
  std::string name;
  std::optional<std::chrono::system_clock::time_point> created_at;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(User, email, name, created_at)

// SQL: create a user and get the row that the database has made of it.
User CreateUser(dbos::Context& ctx, const std::string& email, const std::string& name) {
  return ctx.transaction("create_user", [&](dbos::Transaction& tx) {
    return tx
        .query("INSERT INTO users (email, name) VALUES (:email, :name) RETURNING *", {{"email", email}, {"name", name}})
        .one<User>();
  });
}

// SQL: read one back.
std::optional<User> GetUser(dbos::Context& ctx, const std::string& email) {
  return ctx.transaction("get_user", {.read_only = true}, [&](dbos::Transaction& tx) {
    return tx.query("SELECT * FROM users WHERE email = :email", {{"email", email}}).first<User>();
  });
}

// Records: the same without SQL.
User CreateRecord(dbos::Context& ctx, const std::string& email, const std::string& name) {
  return ctx.transaction("create_record", [&](dbos::Transaction& tx) {
    return tx.insert("users", User{.email = email, .name = name, .created_at = {}});
  });
}
std::optional<User> ReadRecord(dbos::Context& ctx, const std::string& email) {
  return ctx.transaction("read_record", {.read_only = true}, [&](dbos::Transaction& tx) {
    return tx.first<User>("users", {{"email", email}});
  });
}

std::vector<std::string> ListUsers(dbos::Context& ctx) {
  const dbos::TransactionOptions options{.isolation = dbos::Isolation::kReadCommitted, .read_only = true};
  const auto rows = ctx.sql("list_users", "SELECT name FROM users ORDER BY name", {}, options);
  std::vector<std::string> names;
  for (const dbos::Row& row : rows) names.push_back(row.get<std::string>("name"));
  return names;
}

std::vector<std::string> SignUp(dbos::Context& ctx) {
  const User ada = CreateUser(ctx, "ada@example.com", "Ada");
  if (!ada.created_at || GetUser(ctx, ada.email)->created_at != ada.created_at) throw dbos::Error("Ada was not kept");
  try {
    CreateUser(ctx, "ada@example.com", "Another Ada");
  } catch (const dbos::SqlError& error) {
    if (error.sqlstate() != "23505") throw;  // the address is taken: recorded, and the same on every replay
  }
  const User grace = CreateRecord(ctx, "grace@example.com", "Grace");
  if (ReadRecord(ctx, grace.email)->created_at != grace.created_at) throw dbos::Error("Grace was not kept");
  return ListUsers(ctx);
}

}  // namespace

int main() {
  dbos::App app({.name = "users", .version = "users-1"});
  const auto sign_up = app.workflow("sign_up", SignUp);
  app.launch();
  app.sql(
      "CREATE TABLE IF NOT EXISTS users (email VARCHAR(200) PRIMARY KEY, name TEXT NOT NULL, "
      "created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)");
  for (const std::string& name : sign_up.run({.workflow_id = "sign-up-1"})) std::cout << name << std::endl;
  const auto count = app.transaction(
      {.read_only = true}, [](dbos::Transaction& tx) { return tx.query("SELECT count(*) FROM users").scalar<int>(); });
  std::cout << count << " users" << std::endl;
}
