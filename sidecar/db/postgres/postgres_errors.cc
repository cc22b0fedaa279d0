#include "sidecar/db/postgres/postgres_errors.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace dbos::sidecar {
namespace {

using absl::StatusCode;

enum class Session { kGood, kThrowAway };

// The first entry whose text begins the code wins: whole codes before classes.
struct Meaning {
  std::string_view prefix;
  StatusCode code;
  Session session = Session::kGood;
};

constexpr Meaning kMeanings[] = {
    {"40001", StatusCode::kAborted},                             // serialization failure
    {"40P01", StatusCode::kAborted},                             // deadlock
    {"40", StatusCode::kUnavailable, Session::kThrowAway},       // 40003: statement completion unknown
    {"25P02", StatusCode::kAborted},                             // behind a transaction that failed
    {"55P03", StatusCode::kAborted},                             // lock timeout
    {"0A000", StatusCode::kAborted, Session::kThrowAway},        // cached plan must not change result type
    {"26", StatusCode::kAborted, Session::kThrowAway},           // prepared statement is gone (a pooler)
    {"42P05", StatusCode::kAborted, Session::kThrowAway},        // prepared statement exists already (a pooler)
    {"57014", StatusCode::kDeadlineExceeded},                    // statement timeout
    {"57", StatusCode::kUnavailable, Session::kThrowAway},       // shutdown, crash, database dropped
    {"08", StatusCode::kUnavailable, Session::kThrowAway},       // connection
    {"25006", StatusCode::kUnavailable, Session::kThrowAway},    // read-only: we may have reached a standby
    {"25P03", StatusCode::kUnavailable, Session::kThrowAway},    // idle in transaction for too long
    {"53100", StatusCode::kResourceExhausted},                   // disk full
    {"53", StatusCode::kUnavailable, Session::kThrowAway},       // out of memory, too many connections
    {"58", StatusCode::kUnavailable},                            // I/O error
    {"23505", StatusCode::kAlreadyExists},                       // unique violation
    {"42P04", StatusCode::kAlreadyExists},                       // duplicate database
    {"22", StatusCode::kInvalidArgument},                        // data exception, bad UTF-8
    {"23", StatusCode::kInvalidArgument},                        // constraint
    {"54", StatusCode::kInvalidArgument},                        // too large for an index or a row
    {"P0001", StatusCode::kInvalidArgument},                     // a trigger refused it
    {"28", StatusCode::kPermissionDenied, Session::kThrowAway},  // wrong role or password
    {"3D", StatusCode::kNotFound, Session::kThrowAway},          // no such database
    {"42501", StatusCode::kPermissionDenied},                    // insufficient privilege
    {"42P01", StatusCode::kFailedPrecondition},                  // no such table: not migrated
    {"42703", StatusCode::kFailedPrecondition},                  // no such column: not migrated
    {"3F", StatusCode::kFailedPrecondition},                     // no such schema
};

// What libpq and the server say when they do not come together, and what to change. Texts that are not here, because
// they are new or translated, are outages.
struct Refusal {
  const char* text;
  const char* fix;
};

constexpr Refusal kRefusals[] = {
    {"certificate verify failed", "name the certificate of the CA that signed the server's in sslrootcert"},
    {"does not match host name", "connect to a name that is in the server's certificate, or use sslmode=verify-ca"},
    {"root certificate file", "name the certificate of the CA that signed the server's in sslrootcert"},
    {"server does not support SSL", "switch ssl on at the server, or use sslmode=prefer"},
    {"no encryption", "the server wants TLS: use sslmode=require or verify-full"},
    {"no pg_hba.conf entry", "let this user in from this host in the server's pg_hba.conf, or use another user"},
    {"valid client certificate", "name a client certificate and its key in sslcert and sslkey"},
    {"certificate authentication failed", "the certificate in sslcert must be of this very user (its CN)"},
    {"unknown ca", "the certificate in sslcert must be signed by a CA that the server knows"},
    {"private key file", "make the file in sslkey the key of sslcert, readable for its owner only (0600)"},
    {"could not read certificate file", "name a client certificate that this user may read in sslcert"},
    {"password authentication failed", "check user and password in the database URL"},
    {"no password supplied", "give the password in the database URL, in PGPASSWORD or in ~/.pgpass"},
};

// Said by one of several hosts, these may pass.
constexpr const char* kPassing[] = {"onnection refused",   "timeout expired", "starting up", "shutting down",
                                    "could not translate", "read-only",       "hot standby"};

const Meaning* Find(std::string_view sqlstate) {
  for (const Meaning& meaning : kMeanings) {
    if (sqlstate.substr(0, meaning.prefix.size()) == meaning.prefix) return &meaning;
  }
  return nullptr;
}

// Marks a conflict in a status: the code Aborted alone also stands for other reasons to try again.
constexpr char kConflict[] = "dbos.conflict";

// 25P02: it followed on the connection, before we could roll back what failed.
bool IsConflictCode(std::string_view sqlstate) {
  return sqlstate == "40001" || sqlstate == "40P01" || sqlstate == "25P02";
}

// How to end an outage that is the operator's to end.
const char* FixOf(std::string_view sqlstate) {
  if (sqlstate == "53100") return ": free space on the server's disk";
  if (sqlstate == "57014") {
    return ": an administrator did that, or statement_timeout, which the database URL's options, the role or the "
           "database set (for reads it is 30 s): raise it";
  }
  if (sqlstate == "25006") return ": connect to the primary, or switch default_transaction_read_only off";
  return "";
}

}  // namespace

absl::StatusCode ClassifySqlState(std::string_view sqlstate) {
  if (sqlstate.empty()) return StatusCode::kUnavailable;
  const Meaning* meaning = Find(sqlstate);
  return meaning == nullptr ? StatusCode::kInternal : meaning->code;
}

bool NeedsReconnect(std::string_view sqlstate) {
  if (sqlstate.empty()) return true;
  const Meaning* meaning = Find(sqlstate);
  return meaning != nullptr && meaning->session == Session::kThrowAway;
}

absl::Status ConnectError(const std::string& message) {
  absl::Status outage = PostgresError("", message);
  for (const char* text : kPassing) {
    if (absl::StrContains(message, text)) return outage;
  }
  for (const Refusal& refusal : kRefusals) {
    if (!absl::StrContains(message, refusal.text)) continue;
    return absl::FailedPreconditionError(absl::StrCat(outage.message(), ": ", refusal.fix));
  }
  return outage;
}

absl::Status PostgresError(const std::string& sqlstate, const std::string& message) {
  const std::string text(absl::StripAsciiWhitespace(message));
  if (sqlstate.empty()) {
    return absl::UnavailableError(absl::StrCat("the connection to PostgreSQL failed: ", text));
  }
  absl::Status error(ClassifySqlState(sqlstate),
                     absl::StrCat("PostgreSQL: ", text, " (SQLSTATE ", sqlstate, ")", FixOf(sqlstate)));
  if (IsConflictCode(sqlstate)) error.SetPayload(kConflict, absl::Cord());
  return error;
}

bool IsOfSharedSession(std::string_view sqlstate) {
  return sqlstate == "26000" || sqlstate == "42P05";
}

bool IsNotImplemented(std::string_view sqlstate) {
  return sqlstate == "0A000";
}

absl::Status NotImplementedError(const std::string& message) {
  return absl::FailedPreconditionError(
      absl::StrCat("the database server cannot do this: ", absl::StripAsciiWhitespace(message), " (SQLSTATE 0A000)"));
}

bool IsConflict(const absl::Status& status) {
  return status.GetPayload(kConflict).has_value();
}

}  // namespace dbos::sidecar
