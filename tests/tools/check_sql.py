#!/usr/bin/env python3
"""SQL stands in sidecar/store/*.cc, sidecar/db and migrations only, in the words that every database understands.

One text serves PostgreSQL, CockroachDB and SQLite, so it has no `::` casts (SQLite takes `$1::text` for a parameter of
that name), no now(), no `?`, no SERIAL; it is never glued together from pieces, and never depends on search_path.
"""
import pathlib
import re
import sys

import rule
from rule import Planted

# The client has the users' own, in its examples, and what its typed calls write.
HOMES = re.compile(r"sidecar/store/[^/]+\.cc$|sidecar/db/|migrations/|tests/|clients/cpp/(examples/|src/records\.cc$)")
SHARED = re.compile(r"sidecar/store/[^/]+\.cc$")  # text that every database runs
SQL = re.compile(
    r"\s*(select\s[^;]*\sfrom\s|SELECT\s|insert\s+into\s|update\s+\S+\s+set\s|delete\s+from\s|alter\s+(table|role)\s|"
    r"(create|drop)\s+(or\s+replace\s+)?(unique\s+)?(table|index|schema|database|function|trigger|view)\s|"
    r"with\s+(recursive\s+)?\w+\s*(\([\w\s,]*\)\s*)?as\s|pragma\s+\w+\s*[=(;]|begin\s+(immediate|isolation|transaction)|"
    r"(listen|notify)\s+\w+;?\s*$)", re.IGNORECASE)
# Depending on it is forbidden; a function may be pinned to the system schemas, so that nothing can hide behind it.
SEARCH_PATH = re.compile(r"\bsearch_path\b(?!\s*=\s*pg_catalog, pg_temp\b)", re.IGNORECASE)
BANNED = [
    (re.compile(r"::"), "a `::` cast; write CAST(x AS type)"),
    (re.compile(r"\bnow\s*\(\)", re.IGNORECASE), "now(); use the dialect's now_ms or a parameter"),
    (re.compile(r"\?"), "a `?` placeholder; write $1, $2, ..."),
    (re.compile(r"\bserial\b", re.IGNORECASE), "SERIAL; ids come from the caller"),
    (SEARCH_PATH, "search_path; use the schema prefix"),
]
GLUE = re.compile(r"(StrCat|StrAppend|StrFormat|StrJoin|Substitute|format|append)\s*\($")


def called_function(before: str) -> str:
    """The text up to the parenthesis that encloses the end of `before`, or nothing."""
    depth = 0
    for position in range(len(before) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(before[position], 0)
        if depth < 0:
            return before[:position + 1]
        if before[position] in ";{}":
            return ""
    return ""


def is_glued(before: str, after: str) -> bool:
    return before.rstrip().endswith("+") or after.lstrip().startswith("+") or bool(GLUE.search(called_function(before)))


def quoted_away(sql: str) -> str:
    return re.sub(r"'[^']*'", "''", sql)


def check_cpp(path: str, text: str) -> list[str]:
    found = []
    pieces = [token for token in rule.tokens(text) if token.kind != "comment"]
    for index, piece in enumerate(pieces):
        if piece.kind != "string" or not SQL.match(piece.text):
            continue
        place = f"{path}:{piece.line}"
        if not HOMES.match(path):
            found.append(f"{place}: SQL outside sidecar/store/*.cc, sidecar/db and migrations")
        if not SHARED.match(path):
            continue
        # Adjacent literals are one text: look at all of them, and at the code on both sides.
        last, sql = index, piece.text
        while last + 2 < len(pieces) and pieces[last + 1].text.isspace() and pieces[last + 2].kind == "string":
            last += 2
            sql += pieces[last].text
        found += [f"{place}: {why}" for banned, why in BANNED if banned.search(quoted_away(sql))]
        before = "".join(p.text if p.kind == "code" else '""' for p in pieces[max(0, index - 20):index])
        after = pieces[last + 1].text if last + 1 < len(pieces) else ""
        if is_glued(before, after):
            found.append(f"{place}: SQL glued together from pieces; write one text with parameters")
    return found


def check(root: pathlib.Path) -> list[str]:
    found = []
    for path in rule.files(root, rule.CPP):
        found += check_cpp(str(path), (root / path).read_text(encoding="utf-8"))
        if str(path).startswith("sidecar/"):
            code = (root / path).read_text(encoding="utf-8")
            found += [f"{path}:{token.line}: search_path; use the schema prefix" for token in rule.tokens(code)
                      if token.kind == "string" and SEARCH_PATH.search(token.text)]
    for path in rule.files(root, (".sql",), "migrations"):
        for number, line in enumerate((root / path).read_text(encoding="utf-8").splitlines(), 1):
            if SEARCH_PATH.search(line.split("--")[0]):
                found.append(f"{path}:{number}: search_path; use the schema prefix")
    return found


STORE = "sidecar/store/step_store.cc"
PLANTED = [
    Planted("sidecar/engine/steps.cc", 'auto q = "INSERT INTO t VALUES ($1)";\n', "SQL outside"),
    Planted("sidecar/rpc/a.h", 'constexpr char kQ[] = R"sql(\n  SELECT a FROM t)sql";\n', "SQL outside"),
    Planted("sidecar/engine/a.cc", 'Log("update your configuration, then select a database");\n', ""),
    Planted(STORE, 'Query q{"Find", R"(SELECT a FROM t WHERE b = $1)"};\n', ""),
    Planted(STORE, 'Query q{"SELECT $1::text FROM t"};\n', "`::` cast"),
    Planted(STORE, 'Query q{"INSERT INTO t "\n        "VALUES (NOW())"};\n', "now()"),
    Planted(STORE, 'Query q{"DELETE FROM t WHERE a = ?"};\n', "`?` placeholder"),
    Planted(STORE, "Query q{\"DELETE FROM t WHERE a = 'why?'\"};\n", ""),
    Planted(STORE, 'Query q{"CREATE TABLE t (id SERIAL)"};\n', "SERIAL"),
    Planted(STORE, 'auto q = "SELECT a FROM t WHERE b = " + id;\n', "glued"),
    Planted(STORE, 'auto q = absl::StrCat("SELECT a FROM ", table);\n', "glued"),
    Planted(STORE, 'auto q = absl::StrFormat("DELETE FROM t WHERE a = %d", Id(x));\n', "glued"),
    Planted("sidecar/db/postgres/a.cc", 'Set("SET search_path TO x");\n', "search_path"),
    Planted("sidecar/db/dialect.cc", 'd.pin_search_path = "SET search_path = pg_catalog, pg_temp";\n', ""),
    Planted("migrations/0001_a.sql", "SET search_path = dbos;\n", "search_path"),
]

if __name__ == "__main__":
    sys.exit(rule.main(check, PLANTED))
