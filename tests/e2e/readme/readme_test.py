#!/usr/bin/env python3
"""Runs what README.md and the others show, in the order they show it, and compares the output with what they say.

  sh          commands that must succeed, from the root of the repository; the two commands at the top are only looked
              at, because continuous integration runs exactly those
  console     `$ command` lines with the output that must follow
  cpp, cmake  written to the file that the fence names; a CMakeLists.txt is configured and built
  yaml        written likewise, and read by `dbos-sidecar migrate`, which must get as far as the database; it is there
              for the next block too

Usage: readme_test.py BUILD-DIRECTORY. Paths like build/release in the README mean that directory.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TIMEOUT_SECONDS = 240
OTHERS = ["clients/README.md", "protos/README.md"]
FIRST_COMMANDS = ["./deploy/quickstart\n", "./tests/run\n"]
VOLATILE = [
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "<time>"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<uuid>"),
]


class Scene:
    """A directory to play the README in, with the environment that its `export` lines build up."""

    def __init__(self, directory: str, build: pathlib.Path) -> None:
        self.directory = pathlib.Path(directory)
        self.build = build
        # A short path of its own for the socket, whatever this machine has in /run/dbos.
        self.environment = {**os.environ, "DBOS_SIDECAR_ADDRESS": f"unix:{directory}/sidecar.sock"}

    def run(self, script: str, where: pathlib.Path) -> str:
        """What the script prints to standard output. Raises with all it said when it fails."""
        process = subprocess.Popen(["bash", "-euc", script], cwd=where, env=self.environment, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        try:
            output, errors = process.communicate(timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, errors = process.communicate()
            raise AssertionError(f"no end within {TIMEOUT_SECONDS} s: {script}\n{output}{errors}") from None
        if process.returncode != 0:
            raise AssertionError(f"exit code {process.returncode}: {script}\n{output}{errors}")
        return output

    def shell(self, text: str) -> None:
        """Runs the commands and keeps the variables that they export."""
        prefix = str(self.directory / "install")
        script = text.replace("build/release", str(self.build)).replace("$PWD/build/install", prefix)
        script = script.replace("build/install", prefix)
        printed = self.run(script + "\nenv -0 >" + str(self.directory / "environment"), ROOT)
        del printed
        for pair in (self.directory / "environment").read_text(encoding="utf-8").split("\0"):
            name, _, value = pair.partition("=")
            if name in ("PATH", "PKG_CONFIG_PATH"):
                self.environment[name] = value

    def console(self, text: str) -> None:
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            found = self.run(command, self.directory)
            for pattern, name in VOLATILE:
                found = pattern.sub(name, found)
            if found != expected:
                raise AssertionError(f"$ {command}\nthe README says:\n{expected}\nit prints:\n{found}")

    def file(self, kind: str, name: str, text: str) -> None:
        (self.directory / name).write_text(text, encoding="utf-8")
        if kind == "cmake":
            self.run("cmake -S . -B cmake-build -G Ninja -DCMAKE_PREFIX_PATH=$PWD/install && cmake --build cmake-build",
                     self.directory)
        if kind == "yaml":
            self.configuration(name)

    def configuration(self, name: str) -> None:
        """Nobody serves the database that the example names: the right end is "cannot be reached", exit code 3."""
        migrate = subprocess.run(["dbos-sidecar", "migrate", "--database-wait", "0"], cwd=self.directory,
                                 env={**self.environment, "SHOP_PASSWORD": "secret"}, text=True, capture_output=True,
                                 timeout=TIMEOUT_SECONDS, check=False)
        if migrate.returncode != 3 or "secret" in migrate.stdout + migrate.stderr:
            raise AssertionError(f"{name}: exit code {migrate.returncode} instead of 3, or the password is printed:\n"
                                 f"{migrate.stdout}{migrate.stderr}")


def play(scene: Scene, blocks: list[tuple[str, str, str]]) -> None:
    configuration = None
    for kind, name, text in blocks:
        print(f"-- {kind} {name or text.splitlines()[0]}", flush=True)
        if kind == "sh":
            scene.shell(text)
        elif kind == "console":
            scene.console(text)
        elif name:
            scene.file(kind, name, text)
        else:
            raise AssertionError(f"a block of kind {kind} must name its file: ```{kind} hello.cc")
        if configuration is not None:
            configuration.unlink()
        configuration = scene.directory / name if kind == "yaml" else None


def blocks_of(page: str) -> list[tuple[str, str, str]]:
    return FENCE.findall((ROOT / page).read_text(encoding="utf-8"))


def main() -> int:
    build = pathlib.Path(sys.argv[1]).resolve()
    blocks = blocks_of("README.md")
    if [text for _, _, text in blocks[:2]] != FIRST_COMMANDS:
        print(f"README.md must begin with the two commands {FIRST_COMMANDS}")
        return 1
    directory = tempfile.mkdtemp(prefix="readme.")
    try:
        scene = Scene(directory, build)
        play(scene, blocks[2:])
        for page in OTHERS:
            play(scene, blocks_of(page))
    except AssertionError as error:
        print(error)
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
