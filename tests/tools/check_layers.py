#!/usr/bin/env python3
"""Includes point downward only (design chapter 3), and each foreign library stays in the directory that owns it."""
import pathlib
import re
import sys

import rule
from rule import Planted

# What a layer may include besides itself. A longer entry is one directory or one file of a layer.
BELOW = {
    "sidecar/base": [],
    "sidecar/model": ["sidecar/base"],
    "sidecar/db": ["sidecar/model", "sidecar/base", "migrations"],
    "sidecar/store": ["sidecar/db", "sidecar/model", "sidecar/base", "migrations"],
    # Free of I/O: of the store it knows the interface, never what implements it.
    "sidecar/engine": ["sidecar/store/storage.h", "sidecar/store/transaction_storage.h", "sidecar/model", "sidecar/base"],
    "sidecar/rpc": ["sidecar/engine", "sidecar/store/storage.h", "sidecar/model", "sidecar/base", "dbos/v1"],
    "sidecar/server": ["sidecar", "migrations"],
    "clients/cpp/include": ["dbos"],
    "clients/cpp/src": ["clients/cpp", "dbos", "dbos/v1"],
    "clients/cpp/examples": ["dbos"],
}

# Concrete drivers: everyone else sees the interfaces of sidecar/db.
PRIVATE = {
    "sidecar/db/postgres/": ("sidecar/db/postgres/", "sidecar/db/open", "sidecar/server/"),
    "sidecar/db/sqlite/": ("sidecar/db/sqlite/", "sidecar/db/open", "sidecar/server/"),
}

# The one public header that knows protobuf, for users whose values are messages. No other header includes it.
PROTOBUF_VALUES = "clients/cpp/include/dbos/protobuf.h"

# A foreign header -> the only directories that may include it.
OWNERS = [
    (r"grpcpp/|grpc/|grpc\+\+/", ["sidecar/rpc/", "clients/cpp/src/", "tests/"]),
    (r"google/(protobuf|rpc)/|.*\.pb\.h$", ["sidecar/rpc/", "clients/cpp/src/", PROTOBUF_VALUES, "tests/"]),
    (r"pqxx/|libpq-fe\.h|libpq/", ["sidecar/db/postgres/", "tests/"]),
    (r"SQLiteCpp/|sqlite3\.h", ["sidecar/db/sqlite/", "tests/"]),
    (r"spdlog/|openssl/", ["sidecar/base/"]),
    (r"CLI/", ["sidecar/server/", "tests/"]),
    (r"yaml-cpp/", ["sidecar/server/"]),
    (r"absl/", ["sidecar/", "clients/cpp/src/", "tests/"]),
    (r"dbos/protobuf\.h", ["clients/cpp/examples/", "tests/"]),
    (r"g(test|mock)/|benchmark/|tests/", ["tests/"]),
]

INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]')


def is_under(path: str, place: str) -> bool:
    return path == place or path.startswith(place.rstrip("/") + "/")


def layer_of(path: str) -> str | None:
    return next((layer for layer in BELOW if is_under(path, layer)), None)


def forbidden(path: str, header: str) -> str | None:
    for pattern, owners in OWNERS:
        if re.match(pattern, header) and not path.startswith(tuple(owners)):
            return f"only {', '.join(owners)} may include it"
    for place, users in PRIVATE.items():
        if header.startswith(place) and not path.startswith(users) and not path.startswith("tests/"):
            return f"a concrete driver: only {', '.join(users)} may name it"
    layer = layer_of(path)
    ours = re.match(r"(sidecar|clients|migrations|dbos)/", header)
    if layer is None or not ours:
        return None
    allowed = [layer, *BELOW[layer]]
    if layer.startswith("clients/cpp/") and is_under(header, "dbos/v1") and layer != "clients/cpp/src":
        return "users' code and public headers see no generated message"
    if not any(is_under(header, place) for place in allowed):
        return f"{layer} may include only {', '.join(allowed)}"
    return None


def check(root: pathlib.Path) -> list[str]:
    found = []
    for path in rule.files(root, rule.CPP):
        for number, line in enumerate((root / path).read_text(encoding="utf-8").splitlines(), 1):
            include = INCLUDE.match(line)
            reason = include and forbidden(str(path), include[1])
            if reason:
                found.append(f"{path}:{number}: includes {include[1]}: {reason}")
    return found


PLANTED = [
    Planted("sidecar/store/a.cc", '#include "sidecar/engine/engine.h"\n', "sidecar/store may include only"),
    Planted("sidecar/engine/a.cc", '#include "sidecar/store/step_store.h"\n', "sidecar/engine may include only"),
    Planted("sidecar/engine/a.cc", '#include "sidecar/store/storage.h"\n', ""),
    Planted("sidecar/engine/a.cc", "#include <grpcpp/grpcpp.h>\n", "sidecar/rpc/"),
    Planted("sidecar/server/a.cc", '#include "dbos/v1/steps.pb.h"\n', "sidecar/rpc/"),
    Planted("sidecar/rpc/a.cc", '#include "dbos/v1/steps.grpc.pb.h"\n', ""),
    Planted("sidecar/db/sqlite/a.cc", "#include <libpq-fe.h>\n", "sidecar/db/postgres/"),
    Planted("sidecar/db/pool.cc", "#  include <pqxx/pqxx>\n", "sidecar/db/postgres/"),
    Planted("sidecar/store/a.cc", '#include "sidecar/db/postgres/postgres_connection.h"\n', "a concrete driver"),
    Planted("sidecar/store/a.cc", "#include <sqlite3.h>\n", "sidecar/db/sqlite/"),
    Planted("sidecar/db/open.cc", '#include "sidecar/db/sqlite/sqlite_connection.h"\n', ""),
    Planted("sidecar/base/a.h", '#include "sidecar/model/step.h"\n', "sidecar/base may include only"),
    Planted("sidecar/server/a.cc", '#include "tests/testing/fake_clock.h"\n', "only tests/"),
    Planted("clients/cpp/include/dbos/a.h", '#include "absl/strings/str_cat.h"\n', "may include it"),
    Planted("clients/cpp/include/dbos/a.h", '#include "dbos/v1/steps.pb.h"\n', "may include it"),
    Planted("clients/cpp/include/dbos/dbos.h", '#include "dbos/protobuf.h"\n', "may include it"),
    Planted(PROTOBUF_VALUES, "#include <google/protobuf/message.h>\n", ""),
    Planted("clients/cpp/include/dbos/a.h", '#include "dbos/error.h"\n#include <string>\n', ""),
    Planted("clients/cpp/src/a.cc", '#include "sidecar/base/mutex.h"\n', "clients/cpp/src may include only"),
]

if __name__ == "__main__":
    sys.exit(rule.main(check, PLANTED))
