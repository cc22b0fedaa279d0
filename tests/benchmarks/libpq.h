// libpq as the bare benchmarks use it: whatever goes wrong is thrown, with the server's words.
#pragma once

#include <memory>
#include <span>
#include <stdexcept>
#include <string>

#include <libpq-fe.h>

namespace dbos::benchmarks {

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

inline void Expect(PGconn* connection, PGresult* raw) {
  const Result result(raw, &PQclear);
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) throw std::runtime_error(PQerrorMessage(connection));
}

struct Statement {
  const char* name;
  const char* sql;
};

// Prepares the statements; from then on what is sent travels in pipelines.
inline void EnterPipelines(PGconn* connection, std::span<const Statement> statements) {
  for (const Statement& one : statements) Expect(connection, PQprepare(connection, one.name, one.sql, 0, nullptr));
  if (PQsetnonblocking(connection, 1) != 0 || PQenterPipelineMode(connection) != 1) {
    throw std::runtime_error(PQerrorMessage(connection));
  }
}

inline Connection Connect(const std::string& url) {
  Connection connection(PQconnectdb(url.c_str()), &PQfinish);
  if (PQstatus(connection.get()) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(connection.get()));
  return connection;
}

}  // namespace dbos::benchmarks
