#!/usr/bin/env python3
"""The wire contract only grows: protos.golden lists every message, field, value and call that clients may rely on.

Whatever the golden file lists must stand in protos/ unchanged. `check_protos.py --update` adds what is new to the golden
file; it refuses to remove or change a line, because a breaking change belongs in a new package beside dbos/v1.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

import rule

GOLDEN = pathlib.Path(__file__).with_name("protos.golden")
SCALARS = ("TYPE_MESSAGE", "TYPE_ENUM")


class Node:
    """One block of protobuf text format: its scalar fields and its nested blocks, both in order."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.blocks: dict[str, list["Node"]] = {}

    def each(self, name: str) -> list["Node"]:
        return self.blocks.get(name, [])


def parse(text: str) -> Node:
    stack = [Node()]
    for line in text.splitlines():
        line = line.strip()
        if line.endswith("{"):
            block = Node()
            stack[-1].blocks.setdefault(line[:-1].strip(), []).append(block)
            stack.append(block)
        elif line == "}":
            stack.pop()
        elif line:
            name, value = line.split(": ", 1)
            stack[-1].values[name] = value.strip('"')
    return stack[0]


def describe_field(owner: str, message: Node, field: Node) -> str:
    value = field.values
    kind = value["type"] if value["type"] not in SCALARS else value["type_name"].lstrip(".")
    kind = kind.removeprefix("TYPE_").lower() if kind.startswith("TYPE_") else kind
    repeated = "repeated " if value["label"] == "LABEL_REPEATED" else ""
    oneof = ""
    if "oneof_index" in value:
        oneof = " in oneof " + message.each("oneof_decl")[int(value["oneof_index"])].values["name"]
    return f"field {owner} {value['number']} {value['name']}: {repeated}{kind}{oneof}"


def describe_enum(scope: str, enum: Node) -> list[str]:
    name = f"{scope}.{enum.values['name']}"
    return [f"value {name} {v.values['number']} {v.values['name']}" for v in enum.each("value")]


def describe_message(scope: str, message: Node) -> list[str]:
    name = f"{scope}.{message.values['name']}"
    lines = [f"message {name}"] + [describe_field(name, message, field) for field in message.each("field")]
    for nested in message.each("nested_type"):
        lines += describe_message(name, nested)
    for enum in message.each("enum_type"):
        lines += describe_enum(name, enum)
    return lines


def describe_service(scope: str, service: Node) -> list[str]:
    lines = []
    for method in service.each("method"):
        value = method.values
        asks = ("stream " if value.get("client_streaming") == "true" else "") + value["input_type"].lstrip(".")
        answers = ("stream " if value.get("server_streaming") == "true" else "") + value["output_type"].lstrip(".")
        lines.append(f"rpc {scope}.{service.values['name']}.{value['name']}({asks}) returns ({answers})")
    return lines


def contract(protos: pathlib.Path) -> list[str]:
    """Every element of every .proto as one readable line, sorted; raises CalledProcessError if protoc refuses them."""
    sources = [str(p.relative_to(protos)) for p in sorted(protos.rglob("*.proto"))]
    with tempfile.NamedTemporaryFile() as binary:
        subprocess.run(["protoc", f"-I{protos}", f"--descriptor_set_out={binary.name}", *sources], check=True)
        decoded = subprocess.run(["protoc", "--decode=google.protobuf.FileDescriptorSet", "-I/usr/include",
                                  "google/protobuf/descriptor.proto"], check=True, stdin=binary, capture_output=True)
    lines = []
    for file in parse(decoded.stdout.decode()).each("file"):
        package = file.values["package"]
        for message in file.each("message_type"):
            lines += describe_message(package, message)
        for enum in file.each("enum_type"):
            lines += describe_enum(package, enum)
        for service in file.each("service"):
            lines += describe_service(package, service)
    return sorted(lines)


def compare(golden: list[str], current: list[str]) -> tuple[list[str], list[str]]:
    """What breaks clients, and what is new."""
    broken = [f"breaks the wire: gone or changed: {line}" for line in golden if line not in set(current)]
    new = [f"new, run tests/tools/check_protos.py --update: {line}" for line in current if line not in set(golden)]
    return broken, new


def update(golden: list[str], current: list[str]) -> int:
    broken, _ = compare(golden, current)
    if broken:
        return rule.report(broken)
    GOLDEN.write_text("\n".join(current) + "\n", encoding="utf-8")
    return 0


SAMPLE = """syntax = "proto3";
package p.v1;
enum E { E_UNSPECIFIED = 0; E_A = 1; }
message M { oneof o { int32 a = 1; E b = 2; } repeated string c = 3; message N { bool d = 1; } N n = 4; }
service S { rpc Call(M) returns (stream M); }
"""
# What is done to the sample -> part of the message that must come of it.
PLANTED = [
    (r"repeated string c = 3; ", "", "field p.v1.M 3 c: repeated string"),
    (r"c = 3", "c = 5", "breaks the wire: gone or changed: field p.v1.M 3 c"),
    (r"repeated string c", "repeated bytes c", "breaks the wire"),
    (r"repeated string c", "string c", "breaks the wire"),
    (r"string c", "string renamed", "breaks the wire"),
    (r"oneof o \{ int32 a = 1; E b = 2; \}", "int32 a = 1; E b = 2;", "in oneof o"),
    (r"E_A = 1", "E_A = 2", "value p.v1.E 1 E_A"),
    (r"bool d", "int32 d", "field p.v1.M.N 1 d: bool"),
    (r"returns \(stream M\)", "returns (M)", "rpc p.v1.S.Call"),
    (r"N n = 4;", "N n = 4; int64 e = 6;", "new, run tests/tools/check_protos.py --update: field p.v1.M 6 e: int64"),
    (r"^", "// A comment.\n", ""),
]


def self_test() -> list[str]:
    failures = []
    with tempfile.TemporaryDirectory() as directory:
        proto = pathlib.Path(directory) / "sample.proto"
        proto.write_text(SAMPLE, encoding="utf-8")
        golden = contract(proto.parent)
        for pattern, replacement, expected in PLANTED:
            proto.write_text(re.sub(pattern, replacement, SAMPLE, count=1), encoding="utf-8")
            broken, new = compare(golden, contract(proto.parent))
            if not any(expected in line for line in broken + new) if expected else broken + new:
                failures.append(f"self-test: {pattern} -> {replacement}: expected '{expected}', found {broken + new}")
    return failures


def main() -> int:
    if sys.argv[1:] == ["--self-test"]:
        return rule.report(self_test())
    current = contract(rule.REPOSITORY / "protos")
    golden = GOLDEN.read_text(encoding="utf-8").splitlines() if GOLDEN.exists() else []
    if sys.argv[1:] == ["--update"]:
        return update(golden, current)
    broken, new = compare(golden, current)
    return rule.report(broken + new)


if __name__ == "__main__":
    sys.exit(main())
