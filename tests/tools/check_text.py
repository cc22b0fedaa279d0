#!/usr/bin/env python3
"""No sleeps in place of conditions, no skipped tests, no left-over work, headers that are contracts."""
import pathlib
import re
import sys

import rule
from rule import Planted

# (where, in which kind of token, what, why)
BANNED = [
    (r"", "comment", re.compile(r"\b(TODO|FIXME|XXX|HACK)\b"), "unfinished work; do it or drop it"),
    (r"tests/", "code", re.compile(r"\b(GTEST_SKIP|DISABLED_\w+)"), "a skipped test; a test runs or goes"),
    (r"tests/", "code", re.compile(r"\b(sleep_for|SleepFor|usleep|nanosleep)\b"),
     "a sleep in place of a condition; wait for what the test needs, or say `// paces ...` what loop it paces"),
    (r"sidecar/(?!base/mutex\.h)", "code", re.compile(r"\babsl::(Mutex(Lock)?|CondVar)\b"),
     "ThreadSanitizer cannot see absl::Mutex; use base::Mutex"),
    (r"", "code", re.compile(r"^\s*using namespace\b(?! (std|absl)::(\w+::)?\w*literals;)", re.MULTILINE),
     "using namespace; name what you use"),
]
# Polling a condition with a pause in between is what these files are for.
WAITERS = re.compile(r"tests/(testing|benchmarks)/|tests/e2e/process\.|tests/[\w/]*(eventually|wait|poll)[\w]*\.(h|cc)$")


def check_tokens(path: str, text: str) -> list[str]:
    found = []
    lines = text.splitlines()
    for token in rule.tokens(text):
        for place, kind, pattern, why in BANNED:
            if kind != token.kind or not re.match(place, path) or ("sleep" in why and WAITERS.match(path)):
                continue
            for match in pattern.finditer(token.text):
                line = token.line + token.text.count("\n", 0, match.end())
                if "sleep" in why and "// paces " in lines[line - 1]:
                    continue
                found.append(f"{path}:{line}: {match[0].strip()}: {why}")
    return found


def check(root: pathlib.Path) -> list[str]:
    found = []
    for path in rule.files(root, rule.CPP):
        text = (root / path).read_text(encoding="utf-8")
        found += check_tokens(str(path), text)
        if path.suffix == ".h" and not text.startswith("//"):
            found.append(f"{path}:1: a header is a contract: begin with a comment that says what it is")
        if path.suffix == ".h" and "\n#pragma once\n" not in text:
            found.append(f"{path}:1: no #pragma once")
        if not text.endswith("\n"):
            found.append(f"{path}: no newline at the end")
    return found


PLANTED = [
    Planted("sidecar/a.cc", "int a;  // TODO: b\n", "a.cc:1: TODO"),
    Planted("tests/a.cc", "TEST(A, B) {\n  GTEST_SKIP();\n}\n", "a.cc:2: GTEST_SKIP"),
    Planted("tests/a.cc", "TEST(A, DISABLED_B) {}\n", "a skipped test"),
    Planted("tests/e2e/a_test.cc", "\n\nstd::this_thread::sleep_for(s);\n", "a_test.cc:3: sleep_for"),
    Planted("tests/testing/eventually.cc", "std::this_thread::sleep_for(s);\n", ""),
    Planted("tests/e2e/a_test.cc", "SleepFor(a);  // paces the retries\n", ""),
    Planted("sidecar/a.cc", "absl::Mutex mu;\n", "use base::Mutex"),
    Planted("sidecar/a.cc", "using namespace std;\n", "using namespace"),
    Planted("sidecar/a.cc", "using namespace std::string_literals;\n", ""),
    Planted("sidecar/a.h", "#pragma once\nint a;\n", "a header is a contract"),
    Planted("sidecar/a.h", "// What a is.\nint a;\n", "no #pragma once"),
    Planted("sidecar/a.h", "// What a is.\n#pragma once\n\nint a;\n", ""),
]

if __name__ == "__main__":
    sys.exit(rule.main(check, PLANTED))
