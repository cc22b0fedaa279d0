"""The three sides of a comparison: the bare database, the official SDK, and ours (sidecar and C++ load program)."""
import contextlib
import json
import pathlib
import subprocess
import tempfile
import time
from collections.abc import Iterator

from .machine import Meter, raise_priority, wait_until_quiet
from .programs import Binaries, Program, Sidecar
from .server import Postgres


class Bench:
    """Everything that figures share: programs, PostgreSQL, how long and how patiently to measure."""

    def __init__(self, binaries: Binaries, seconds: float, patience: float, quick: bool):
        self.binaries = binaries
        self.seconds = seconds
        self.patience = patience
        self.quick = quick
        self.postgres = Postgres()

    def scaled(self, count: int) -> int:
        """A number of workflows; a twentieth of it in a quick run."""
        return max(10, count // 20) if self.quick else count

    def groups(self, **programs: int) -> dict[str, int]:
        return {"postgres": self.postgres.pid} | programs

    def quiet(self, **programs: int) -> None:
        wait_until_quiet(self.groups(**programs), self.patience)

    # ------------------------------------------------------------ bare
    def bare(self, *arguments: object) -> dict:
        """Single-row commits by the bare driver: {"rate", "median_us", "noise"}."""
        self.quiet()
        command = [self.binaries.bare, *arguments, self.seconds / 2]
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True,
                                   start_new_session=True)
        with Meter(self.groups(bare=process.pid)) as meter:
            time.sleep(0.2)  # its connections are there by now
            raise_priority([self.postgres.pid])
            answer = json.loads(process.communicate()[0])
        return {"rate": answer["commits"] / answer["seconds"], "median_us": answer["median_us"]} | _noise(meter)

    def bare_postgres(self, clients: int) -> dict:
        self.postgres.empty("bench_bare")
        return self.bare("postgres", self.postgres.url("bench_bare"), clients)

    # ------------------------------------------------------------ the official SDK
    @contextlib.contextmanager
    def sdk(self, url: str | None = None, **environment: str) -> Iterator[Program]:
        self.postgres.database("bench_sdk")
        self.postgres.empty("bench_sdk")
        program = self.start_sdk(url, **environment)
        try:
            program.wait_for("ready")
            yield program
        finally:
            program.stop()

    def start_sdk(self, url: str | None = None, **environment: str) -> Program:
        variables = {"BENCH_DATABASE_URL": url or self.postgres.url("bench_sdk"), **environment}
        return Program(["node", self.binaries.peer], variables, self.postgres.directory_for_programs)

    # ------------------------------------------------------------ ours
    @contextlib.contextmanager
    def ours(self, url: str | None = None, load: bool = True,
             **variables: str) -> Iterator[tuple[Sidecar, Program | None]]:
        if url is None:
            self.postgres.database("bench_ours")
            self.postgres.empty("bench_ours")
        sidecar = Sidecar(self.binaries.sidecar, url or self.postgres.url("bench_ours"), **variables)
        program = None
        try:
            sidecar.wait_until_listening()
            if load:
                program = self.start_load(sidecar)
                program.wait_for("ready")
            yield sidecar, program
        finally:
            if program:
                program.stop()
            sidecar.stop()

    def start_load(self, sidecar: Sidecar) -> Program:
        return Program([self.binaries.load], {"DBOS_SIDECAR_ADDRESS": sidecar.address}, sidecar.directory)

    def start_stub(self, sidecar: Sidecar, workflows: int, steps: int, done: int) -> Program:
        return Program([self.binaries.stub, workflows, steps, done], {"DBOS_SIDECAR_ADDRESS": sidecar.address},
                       sidecar.directory)

    @contextlib.contextmanager
    def proxy(self) -> Iterator[tuple[Program, str]]:
        """A PostgreSQL-aware proxy before the server, and the directory of its socket."""
        with tempfile.TemporaryDirectory(prefix="dbos-bench.") as directory:
            command = [self.binaries.proxy, "--upstream", self.postgres.socket, "--listen",
                       f"{directory}/.s.PGSQL.5432"]
            program = Program(command, {}, pathlib.Path(directory))
            try:
                program.line()
                yield program, directory
            finally:
                program.stop()

    # ------------------------------------------------------------ proof
    def expect_rows(self, database: str, workflows: int, steps: int) -> None:
        """Every workflow that was answered is there, finished, with all its steps."""
        psql = self.postgres.database(database)
        ended = psql.number("SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'")
        recorded = psql.number("SELECT count(*) FROM dbos.operation_outputs")
        if (ended, recorded) != (workflows, workflows * steps):
            raise RuntimeError(f"{database}: {ended} of {workflows} workflows ended with SUCCESS, "
                               f"{recorded} of {workflows * steps} steps are recorded")

    def stop(self) -> None:
        self.postgres.stop()


def _noise(meter: Meter) -> dict:
    return {"noise": round(meter.noise, 3)}
