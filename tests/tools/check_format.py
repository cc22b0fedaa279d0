#!/usr/bin/env python3
"""Every C++ file is formatted as .clang-format says (clang-format 14, the version Debian 12 has)."""
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys

import rule
from rule import Planted

CLANG_FORMAT = "clang-format-14"
BATCH = 16


def check_batch(root: pathlib.Path, paths: list[str]) -> list[str]:
    style = f"--style=file:{rule.REPOSITORY / '.clang-format'}"
    run = subprocess.run([CLANG_FORMAT, style, "--dry-run", "-Werror", *paths], cwd=root, capture_output=True, text=True,
                         check=False)
    places = [line for line in run.stderr.splitlines() if "error:" in line]
    # The first place of each file is enough: one command repairs them all.
    first = {line.split(":")[0]: line for line in reversed(places)}
    return [f"{line} (repair: {CLANG_FORMAT} -i {path})" for path, line in sorted(first.items())]


def check(root: pathlib.Path) -> list[str]:
    if shutil.which(CLANG_FORMAT) is None:
        return [f"{CLANG_FORMAT} is not installed: apt-get install {CLANG_FORMAT}"]
    paths = [str(path) for path in rule.files(root, rule.CPP)]
    batches = [paths[start:start + BATCH] for start in range(0, len(paths), BATCH)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [line for found in pool.map(lambda batch: check_batch(root, batch), batches) for line in found]


PLANTED = [
    Planted("sidecar/a.cc", "int  a;\n", "sidecar/a.cc:1:4"),
    Planted("sidecar/a.h", "#pragma once\nint* a;\n", ""),
]

if __name__ == "__main__":
    sys.exit(rule.main(check, PLANTED))
