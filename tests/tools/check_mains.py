#!/usr/bin/env python3
"""Every main() begins by switching off Abseil's mutex deadlock detector, which Debian ships switched on and aborting.

Programs that include nothing of Abseil, gRPC, GoogleTest or the sidecar are left alone: the client's runtime does it
for those that use the client. So are the outside projects of tests/package, which show what users write.
"""
import pathlib
import re
import sys

import rule
from rule import Planted

MAIN = re.compile(r"^int main\([^)]*\)\s*(?:try\s*)?\{\s*([^;]*;)", re.MULTILINE)
FIRST = "absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);"
CONCERNED = re.compile(r"#include [<\"](absl|grpcpp|gtest|gmock|benchmark|sidecar|dbos/v1|tests/testing)[/.]")
READY_MADE = re.compile(r"(gtest|gmock|benchmark)_main")


def check(root: pathlib.Path) -> list[str]:
    found = []
    for path in rule.files(root, rule.CPP):
        text = (root / path).read_text(encoding="utf-8")
        if not CONCERNED.search(text) and not str(path).startswith("sidecar/") or "package" in path.parts:
            continue
        code = rule.code_only(text)
        for main in MAIN.finditer(code):
            if main[1].strip() != FIRST:
                line = code.count("\n", 0, main.start()) + 1
                found.append(f"{path}:{line}: the first line of main must be {FIRST}")
    for path in rule.files(root, ("CMakeLists.txt",)):
        for number, line in enumerate((root / path).read_text(encoding="utf-8").splitlines(), 1):
            if READY_MADE.search(line):
                found.append(f"{path}:{number}: a ready-made main does not begin with {FIRST}; write one")
    return found


GOOD = f"int main(int argc, char** argv) {{\n  {FIRST}\n  return argc;\n}}\n"
PLANTED = [
    Planted("sidecar/server/main.cc", GOOD, ""),
    Planted("sidecar/server/main.cc", "int main() {\n  return Run();\n}\n", "main.cc:1: the first line of main"),
    Planted("tests/a.cc", '#include "gtest/gtest.h"\nint main() {\n  Init();\n  ' + FIRST + "\n}\n", "a.cc:2:"),
    Planted("tests/a.cc", '#include "absl/time/time.h"\nint main() {\n  try {\n    F();\n  }\n}\n', "a.cc:2:"),
    Planted("clients/cpp/examples/a.cc", "#include <dbos/dbos.h>\nint main() {\n  return 0;\n}\n", ""),
    Planted("tests/CMakeLists.txt", "target_link_libraries(t GTest::gmock_main)\n", "a ready-made main"),
]

if __name__ == "__main__":
    sys.exit(rule.main(check, PLANTED))
