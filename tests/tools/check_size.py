#!/usr/bin/env python3
"""Functions fit a screen, files stay short, names say what a thing does, and the top level holds what the design lists."""
import pathlib
import re
import sys
from collections.abc import Iterator

import rule
from rule import Planted

FUNCTION_MAX = 70
FILE_MAX = {".cc": 400, ".h": 250, ".py": 400, "": 400}
TOP_LEVEL = {"CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md", "build", "clients", "compile_commands.json",
             "deploy", "migrations", "protos", "sidecar", "tests"}
BANNED_TYPE = re.compile(
    r"\b(?:class|struct|enum|enum class|using)\s+((?:\w*[a-z0-9])?(?:Manager|Utils?|Helpers?|Impl|Base|Common))\s*[;:={]")
BANNED_FILE = re.compile(r"(^|_)(managers?|utils?|helpers?|impl|common|misc)(_test)?\.(cc|h|py)$")

# Files that may be over a limit for now. It must stay empty: split the file instead.
RATCHET: dict[str, str] = {}


def declarations(text: str) -> Iterator[tuple[int, int, str]]:
    """(first line, last line, head) of every braced declaration that is not a namespace or a type around others."""
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", "", rule.code_only(text), flags=re.MULTILINE)
    line, start, head, depth = 1, 0, "", 0
    for position, char in enumerate(code):
        if char == "\n":
            line += 1
            if depth == 0 and re.fullmatch(r"\s*[A-Z][A-Z_]+\(.*\)\s*", head):
                head = ""  # a macro that needs no semicolon
        if depth == 0 and not head and not char.isspace() and char not in "{};":
            start = line
        if depth > 0:
            depth += {"{": 1, "}": -1}.get(char, 0)
            # A brace initialiser in a constructor's list, or a default argument: the declaration goes on.
            if depth == 0 and not re.match(r"\s*[,{)]", code[position + 1:position + 200]):
                yield start, line, head.strip()
                head = ""
        elif char == "{":
            if re.match(r"\s*(inline\s+)?(namespace\b|extern\s+\"|(template\b.*>\s*)?(class|struct|union)\b[^()=]*$)",
                        head, re.DOTALL):
                head = ""
            else:
                depth = 1
        elif char in ";}":
            head = ""
        elif re.match(r"\s*(public|private|protected)\s*$", head) and char == ":":
            head = ""
        else:
            head += char
        if not head.strip() and depth == 0:
            head = ""


def is_function(head: str) -> bool:
    return "(" in head and not re.search(r"(?<![=!<>])=(?!=)", head.split("(")[0])


def check_functions(path: pathlib.PurePosixPath, text: str) -> list[str]:
    return [f"{path}:{first}: a function of {last - first + 1} lines; the limit is {FUNCTION_MAX}: split it by concept"
            for first, last, head in declarations(text) if is_function(head) and last - first + 1 > FUNCTION_MAX]


def check_names(path: pathlib.PurePosixPath, text: str) -> list[str]:
    found = []
    if BANNED_FILE.search(path.name):
        found.append(f"{path}: this file name says nothing; name what it does")
    code = rule.code_only(text) if path.suffix in rule.CPP else ""
    for name in BANNED_TYPE.finditer(code):
        line = code.count("\n", 0, name.start()) + 1
        found.append(f"{path}:{line}: the name {name[1]} says nothing; name what it does")
    return found


def check(root: pathlib.Path) -> list[str]:
    found = [f"the ratchet must stay empty: {path}" for path in RATCHET]
    found += [f"{entry.name}: not in the design's list of the top level" for entry in sorted(root.iterdir())
              if not entry.name.startswith(".") and entry.name not in TOP_LEVEL]
    for path in rule.files(root, (".cc", ".h", ".py")):
        text = (root / path).read_text(encoding="utf-8")
        lines = text.count("\n")
        if lines > FILE_MAX[path.suffix]:
            found.append(f"{path}: {lines} lines; the limit is {FILE_MAX[path.suffix]}: split it by concept")
        if path.suffix in rule.CPP:
            found += check_functions(path, text)
        found += check_names(path, text)
    return found


def long_function(head: str, lines: int) -> str:
    return head + " {\n" + "  Call();\n" * (lines - 2) + "}\n"


PLANTED = [
    Planted("sidecar/a.cc", "namespace a {\n" + long_function("void F(int a)", 71) + "}\n", "a.cc:2: a function of 71"),
    Planted("sidecar/a.cc", "namespace a {\n" + long_function("void F(int a)", 70) + "}\n", ""),
    Planted("sidecar/a.cc", long_function("A::A(int a)\n    : a_{a}, b_{1}", 80), "a function of 81"),
    Planted("sidecar/a.h", "class A final : public B {\n public:\n" + long_function("  int F() const", 71) + "};\n",
            "a.h:3: a function of 71"),
    Planted("tests/a.cc", long_function("TEST(AbcTest, DoesIt)", 90), "a function of 90"),
    Planted("tests/a.cc", "MACRO(A, b)\n\nnamespace {\n" + "int F() {}\n" * 90 + "}\n", ""),
    Planted("sidecar/a.cc", "constexpr int kTable[] = {\n" + "  1,\n" * 90 + "};\n", ""),
    Planted("sidecar/a.cc", "int a;\n" * 401, "401 lines"),
    Planted("sidecar/a.h", "int a;\n" * 251, "251 lines"),
    Planted("sidecar/string_utils.h", "int a;\n", "file name says nothing"),
    Planted("sidecar/a.h", "class WorkflowManager {\n};\n", "WorkflowManager says nothing"),
    Planted("sidecar/a.h", "struct Impl;\n", "Impl says nothing"),
    Planted("sidecar/a.h", "// class WorkflowManager {\nclass Database {\n};\n", ""),
    Planted("scripts/a.sh", "true\n", "scripts: not in the design's list"),
]

if __name__ == "__main__":
    sys.exit(rule.main(check, PLANTED))
