"""What the checks of this directory share: finding files, splitting C++ into tokens, and the command line.

A check is a function from a repository root to a list of violations, plus planted examples of what it must find and of
what it must leave alone. `check_x.py` checks this repository; `check_x.py --self-test` checks the check.
"""
import os
import pathlib
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import NamedTuple

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SKIPPED_DIRECTORIES = {"build", "node_modules", "__pycache__"}
CPP = (".cc", ".h")


class Planted(NamedTuple):
    """A file for the self-test. `finds` is part of the expected message; empty means that nothing may be found."""
    path: str
    text: str
    finds: str


class Token(NamedTuple):
    kind: str  # "code", "comment" or "string"
    text: str  # of a string: what stands between the quotes
    line: int


def files(root: pathlib.Path, suffixes: tuple[str, ...], under: str = "") -> Iterator[pathlib.PurePosixPath]:
    """Paths relative to the root, in order; hidden and generated directories are left out."""
    for folder, names, leaves in os.walk(root / under):
        names[:] = sorted(n for n in names if n not in SKIPPED_DIRECTORIES and not n.startswith("."))
        for leaf in sorted(leaves):
            if leaf.endswith(suffixes):
                yield pathlib.PurePosixPath((pathlib.Path(folder) / leaf).relative_to(root).as_posix())


TOKEN = re.compile(
    r'(?P<comment>//[^\n]*|/\*.*?\*/)'
    r'|(?:u8|[uUL])?R"(?P<mark>[^(\s]*)\((?P<raw>.*?)\)(?P=mark)"'
    r'|"(?P<string>(?:[^"\\\n]|\\.)*)"'
    r"|(?P<char>(?<![0-9a-fA-F])'(?:[^'\\\n]|\\.)+')", re.DOTALL)


def tokens(text: str) -> Iterator[Token]:
    """Splits C++ into comments, string literals (raw ones too) and the code between them."""
    position, line = 0, 1
    for match in TOKEN.finditer(text):
        if match.start() > position:
            yield Token("code", text[position:match.start()], line)
            line += text.count("\n", position, match.start())
        if match["comment"] is not None:
            yield Token("comment", match["comment"], line)
        elif match["char"] is not None:
            yield Token("code", "' '", line)
        else:
            yield Token("string", match["raw"] if match["raw"] is not None else match["string"], line)
        line += match[0].count("\n")
        position = match.end()
    if position < len(text):
        yield Token("code", text[position:], line)


def code_only(text: str) -> str:
    """The same text with comments and the insides of strings blanked; every line stays where it was."""
    parts = []
    for token in tokens(text):
        if token.kind == "code":
            parts.append(token.text)
        else:
            parts.append('""' if token.kind == "string" else " ")
            parts.append("\n" * token.text.count("\n"))
    return "".join(parts)


def self_test(check: Callable[[pathlib.Path], list[str]], planted: list[Planted]) -> list[str]:
    """Plants one file at a time in an empty tree and compares what the check says with what it should say."""
    failures = []
    for case in planted:
        with tempfile.TemporaryDirectory() as directory:
            root = pathlib.Path(directory)
            (root / case.path).parent.mkdir(parents=True, exist_ok=True)
            (root / case.path).write_text(case.text, encoding="utf-8")
            found = check(root)
        if case.finds and not any(case.finds in message for message in found):
            failures.append(f"self-test: planted {case.path}, expected '{case.finds}', found {found}")
        if not case.finds and found:
            failures.append(f"self-test: {case.path} is fine, but found {found}")
    return failures


def report(violations: list[str]) -> int:
    for violation in violations:
        print(violation)
    return 1 if violations else 0


def main(check: Callable[[pathlib.Path], list[str]], planted: list[Planted]) -> int:
    if sys.argv[1:] == ["--self-test"]:
        return report(self_test(check, planted))
    if sys.argv[1:]:
        print(f"usage: {sys.argv[0]} [--self-test]", file=sys.stderr)
        return 2
    return report(check(REPOSITORY))
