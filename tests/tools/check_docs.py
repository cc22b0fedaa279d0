#!/usr/bin/env python3
"""What the documentation names exists, and what it shows runs.

Every path in backquotes (`sidecar/engine/loop.h`, `migrations/`) is in the tree, every relative link leads somewhere,
every setting of sidecar/server/*settings.cc has its row in README.md, and every fenced block of README.md is of a kind
that tests/e2e/readme/readme_test.py executes.
"""
import pathlib
import re
import sys

import rule
from rule import Planted

TOP = r"(?:clients|deploy|migrations|protos|sidecar|tests)"
PATH = re.compile(rf"`(?:\./)?({TOP}/[\w./*-]*)(?:[ `])")
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)")
FENCE = re.compile(r"^```(\w*)[^\n]*\n.*?^```$", re.MULTILINE | re.DOTALL)
EXECUTED = {"sh", "console", "cpp", "cmake", "yaml"}
SETTINGS = "sidecar/server/*settings.cc"
SETTING = re.compile(r'\bMake\(\s*"([a-z_.]+)", "([A-Z_]*)", "([a-z-]*)",')


def exists(root: pathlib.Path, path: str) -> bool:
    return any(root.glob(path.rstrip("/"))) if "*" in path else (root / path).exists()


def check_page(root: pathlib.Path, path: pathlib.PurePosixPath) -> list[str]:
    text = (root / path).read_text(encoding="utf-8")
    prose = FENCE.sub("", text)
    found = [f"{path}: names {name}, which does not exist" for name in PATH.findall(prose) if not exists(root, name)]
    found += [f"{path}: links to {link}, which does not exist" for link in LINK.findall(prose)
              if not (root / path.parent / link).exists()]
    if str(path) == "README.md":
        found += [f"{path}: a block of kind '{kind}' is not executed; use one of {', '.join(sorted(EXECUTED))}"
                  for kind in FENCE.findall(text) if kind not in EXECUTED]
    return found


def check_settings(root: pathlib.Path) -> list[str]:
    """A row begins with `| key | ENVIRONMENT | --flag |`, each in backquotes."""
    readme = (root / "README.md").read_text(encoding="utf-8") if (root / "README.md").exists() else ""
    settings, found = [], []
    for path in sorted(root.glob(SETTINGS)):
        listed = SETTING.findall(path.read_text(encoding="utf-8"))
        settings += listed
        found += [] if listed else [f"{path.relative_to(root)}: no setting found; has its form changed?"]
    for key, variable, flag in settings:
        cells = [f"`{key}`", f"`{variable}`" if variable else "", f"`--{flag}`" if flag else ""]
        row = "| " + " | ".join(cells) + " |"
        if row not in readme:
            found.append(f"README.md: no row that begins with {row}")
    return found


def check(root: pathlib.Path) -> list[str]:
    return [line for path in rule.files(root, (".md",)) for line in check_page(root, path)] + check_settings(root)


PLANTED = [
    Planted("sidecar/README.md", "See `sidecar/gone.cc`.\n", "names sidecar/gone.cc"),
    Planted("sidecar/README.md", "See `sidecar/README.md` and `./sidecar/*.md`.\n", ""),
    Planted("README.md", "Run `./tests/run unit`.\n", "names tests/run"),
    Planted("README.md", "[here](sidecar/x.md) and [there](https://example.org)\n", "links to sidecar/x.md"),
    Planted("README.md", "```python\nprint()\n```\n", "a block of kind 'python' is not executed"),
    Planted("README.md", "```sh\ntrue\n```\n", ""),
    Planted("sidecar/server/settings.cc", '      Make("log.level", "DBOS_LEVEL", "level", "help"),\n',
            "begins with | `log.level` | `DBOS_LEVEL` | `--level` |"),
    Planted("sidecar/server/settings.cc", "other text\n", "no setting found"),
]

if __name__ == "__main__":
    sys.exit(rule.main(check, PLANTED))
