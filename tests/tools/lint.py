#!/usr/bin/env python3
"""Runs clang-tidy 14 over the C++ of the sidecar and the client, what changed last first, for as long as it may take.

It needs what `build asan` leaves in build/asan: compile commands for Clang, and the generated headers. A whole run takes
many minutes, so a run has a budget; its last line says how many files it did not look at, and lists them before.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import rule

CLANG_TIDY = "clang-tidy-14"
FINDING = re.compile(r"^(?=\S+:\d+:\d+: (?:error|warning): )", re.MULTILINE)


def newest_first(paths: list[str]) -> list[str]:
    """What is not committed, then what the latest commits touched; a header counts for the file of the same name."""
    changed = ""
    for command in (["diff", "--name-only", "HEAD"], ["log", "--format=", "--name-only"]):
        changed += subprocess.run(["git", *command], cwd=rule.REPOSITORY, capture_output=True, text=True,
                                  check=False).stdout
    age: dict[str, int] = {}
    for number, path in enumerate(changed.splitlines()):
        age.setdefault(re.sub(r"\.h$", ".cc", path), number)
    return sorted(paths, key=lambda path: (age.get(path, len(changed)), path))


def lint(path: str, build: pathlib.Path, deadline: float) -> tuple[int, str] | None:
    """The exit code and what was found; nothing when there was no time left to begin."""
    if time.monotonic() >= deadline:
        return None
    done = subprocess.run([CLANG_TIDY, "--quiet", "-p", str(build), str(rule.REPOSITORY / path)], capture_output=True,
                          text=True, check=False)
    return done.returncode, done.stdout if FINDING.search(done.stdout) else done.stdout + done.stderr


def lint_all(paths: list[str], build: pathlib.Path, seconds: float) -> int:
    deadline = time.monotonic() + seconds if seconds > 0 else float("inf")
    failed, left, seen = 0, [], set()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, done in zip(paths, pool.map(lambda path: lint(path, build, deadline), paths)):
            if done is None:
                left.append(path)
            elif done[0] != 0:
                failed += 1
                for finding in FINDING.split(done[1]):  # what stands in a header is found again in every file
                    if finding.strip() and finding not in seen:
                        print(finding.strip().replace(f"{rule.REPOSITORY}/", ""), flush=True)
                    seen.add(finding)
    for path in left:
        print(f"not looked at: {path}")
    print(f"lint: looked at {len(paths) - len(left)} of {len(paths)} files, {failed} with findings, "
          f"{len(left)} not looked at for lack of time")
    return 1 if failed or len(left) == len(paths) else 0


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("-p", dest="build", type=pathlib.Path, default=rule.REPOSITORY / "build" / "asan",
                         help="the directory with compile_commands.json (build/asan)")
    options.add_argument("--seconds", type=float, default=150, help="begin no file after this; 0: all files (150)")
    options.add_argument("under", nargs="*", default=["sidecar", "clients/cpp/src"], help="directories to look at")
    given = options.parse_args()
    commands = given.build / "compile_commands.json"
    if shutil.which(CLANG_TIDY) is None or not commands.exists():
        print(f"lint needs {CLANG_TIDY} (apt-get install {CLANG_TIDY}) and {commands} (cmake --build --preset asan)")
        return 2
    known = {os.path.realpath(os.path.join(entry["directory"], entry["file"]))
             for entry in json.loads(commands.read_text(encoding="utf-8"))}
    paths = [str(path) for under in given.under for path in rule.files(rule.REPOSITORY, (".cc",), under)]
    unknown = [path for path in paths if os.path.realpath(rule.REPOSITORY / path) not in known]
    for path in unknown:
        print(f"{path}: not in {commands}; is it in a CMakeLists.txt?")
    if not paths or unknown:
        return 1
    return lint_all(newest_first(paths), given.build, given.seconds)


if __name__ == "__main__":
    sys.exit(main())
