"""The programs of a benchmark: each side is a long-lived process that answers one JSON line per request line."""
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time

PEER_DIRECTORIES = {"DBOS_TEST_PEER_DIR", "DBOS_TEST_DATASOURCE_PEER_DIR"}
ANSWER_SECONDS = 300  # a program that says nothing for so long is killed, and the run ends with its last words


class Program:
    """A process with one JSON line in, one JSON line out. Its standard error goes to a file that failures quote."""

    def __init__(self, command: list, environment: dict[str, str], directory: pathlib.Path):
        self.errors = directory / f"{pathlib.Path(str(command[0])).name}.err"
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen([str(part) for part in command], env=os.environ | environment,
                                            cwd=directory, text=True, stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=errors,
                                            start_new_session=True)

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self) -> str:
        assert self.process.stdout
        watchdog = threading.Timer(ANSWER_SECONDS, self.process.kill)
        watchdog.start()
        try:
            text = self.process.stdout.readline()
        finally:  # also when the run is interrupted: Python does not end before its threads
            watchdog.cancel()
        if not text:
            self.process.wait()
            raise RuntimeError(f"{self.process.args[0]} ended with {self.process.returncode}:\n"
                               + self.errors.read_text()[-2000:])
        return text.strip()

    def send(self, text: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def ask(self, **request: object) -> dict:
        self.send(json.dumps(request))
        return json.loads(self.line())

    def wait_for(self, key: str) -> dict:
        while key not in (answer := json.loads(self.line())):
            pass
        return answer

    def stop(self) -> None:
        """Closes standard input, which ends every program of ours in good order."""
        if self.process.poll() is None:
            try:
                self.process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


class Sidecar:
    """dbos-sidecar serve, in a directory of its own that survives a restart."""

    def __init__(self, binary: pathlib.Path, database_url: str, directory: pathlib.Path | None = None,
                 **variables: str):
        self._own = tempfile.TemporaryDirectory(prefix="dbos-bench.") if directory is None else None
        self.directory = pathlib.Path(self._own.name) if self._own else directory
        self.address = f"unix:{self.directory}/sidecar.sock"
        environment = {"DBOS_APP_NAME": "bench", "DBOS_SYSTEM_DATABASE_URL": database_url,
                       "DBOS_SIDECAR_ADDRESS": self.address, "DBOS_STATE_DIR": str(self.directory / "state"),
                       "DBOS_LOG_LEVEL": "warning", **variables}
        self.log = self.directory / "sidecar.log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([binary, "serve"], env=os.environ | environment, cwd=self.directory,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_until_listening(self) -> None:
        end = time.monotonic() + 30
        while not (self.directory / "sidecar.sock").exists():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("dbos-sidecar did not start:\n" + self.log.read_text()[-2000:])
            time.sleep(0.01)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError("dbos-sidecar did not stop on SIGTERM:\n" + self.log.read_text()[-2000:]) from None
        if code != 0:
            raise RuntimeError(f"dbos-sidecar ended with {code}:\n" + self.log.read_text()[-2000:])
        self._clean()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._clean()

    def _clean(self) -> None:
        if self._own:
            self._own.cleanup()


class Binaries:
    """Where the programs are. Missing ones are built, with the release preset."""

    def __init__(self, root: pathlib.Path, build: pathlib.Path):
        self.root = root
        self.sidecar = build / "sidecar/server/dbos-sidecar"
        self.load = build / "tests/benchmarks/dbos-bench-load"
        self.stub = build / "tests/benchmarks/dbos-bench-stub"
        self.transactions = build / "tests/benchmarks/dbos-bench-transactions"
        self.bare = build / "tests/benchmarks/dbos-bench-bare"
        self.pipeline = build / "tests/benchmarks/dbos-bench-pipeline"
        self.relay = build / "tests/benchmarks/dbos-bench-relay"
        self.relay_load = build / "tests/benchmarks/dbos-bench-relay-load"
        self.proxy = build / "tests/testing/proxy/dbos-pg-proxy"
        self.peer = root / "tests/peer/bench_sdk.mjs"
        self.datasource_peer = root / "tests/peer/bench_datasource.mjs"
        wanted = [self.sidecar, self.load, self.stub, self.transactions, self.bare, self.pipeline, self.relay,
                  self.relay_load, self.proxy]
        if not all(path.exists() for path in wanted):
            if not (build / "build.ninja").exists():
                subprocess.run(["cmake", "--preset", "release", "-B", build], cwd=root, check=True, stdout=2)
            subprocess.run(["ninja", "-C", build, *[path.name for path in wanted]], check=True, stdout=2)
        if not PEER_DIRECTORIES <= os.environ.keys():
            self._install_peers()

    def _install_peers(self) -> None:
        script = 'root=$PWD; source deploy/ci/node.sh; prepare_node >&2 && env -0'
        answer = subprocess.run(["bash", "-c", script], cwd=self.root, check=True, text=True, stdout=subprocess.PIPE)
        environment = dict(line.split("=", 1) for line in answer.stdout.split("\0") if line)
        os.environ.update({name: environment[name] for name in PEER_DIRECTORIES | {"PATH"}})
