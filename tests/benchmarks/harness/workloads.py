"""Workloads: each measures the bare database, the SDK and ours once, and is one round of the figures made from it."""
import pathlib
import tempfile
import time
from collections.abc import Callable

from .machine import Meter, resident_bytes
from .programs import Program, Sidecar
from .sides import Bench

Round = dict[str, dict]


def in_turn(number: int, sides: dict[str, Callable[[], dict]]) -> Round:
    """Runs the sides, each round beginning with another one, so that a drift of the machine favours nobody."""
    names = list(sides)
    start = number % len(names)
    done = {name: sides[name]() for name in names[start:] + names[:start]}
    return {name: done[name] for name in names}


def metered(bench: Bench, program: Program, request: dict, **pids: int) -> dict:
    """One request on a quiet machine, with the CPU that each process used and the noise of all others."""
    bench.quiet(**pids)
    with Meter(bench.groups(**pids)) as meter:
        answer = program.ask(**request)
    return answer | {"noise": round(meter.noise, 3), "cpu": meter.cpu}


def run_sdk(bench: Bench, warm_up: dict, request: dict) -> dict:
    with bench.sdk() as program:
        warm = program.ask(**warm_up)
        answer = metered(bench, program, request, client=program.pid)
    bench.expect_rows("bench_sdk", warm["workflows"] + answer["workflows"], request["steps"])
    return answer


def run_ours(bench: Bench, warm_up: dict, request: dict) -> dict:
    with bench.ours() as (sidecar, program):
        warm = program.ask(**warm_up)
        answer = metered(bench, program, request, client=program.pid, sidecar=sidecar.pid)
    bench.expect_rows("bench_ours", warm["workflows"] + answer["workflows"], request["steps"])
    return answer


def at_50(steps: int, workflows: int) -> Callable[[Bench, int], Round]:
    """A closed loop of 50 callers. `rate` is steps per second, or workflows per second when there are none."""

    def measure(bench: Bench, number: int) -> Round:
        request = {"do": "throughput", "steps": steps, "concurrency": 50, "workflows": bench.scaled(workflows),
                   "seconds": bench.seconds}
        warm_up = request | {"workflows": bench.scaled(workflows // 2), "seconds": bench.seconds / 4}
        sides = in_turn(number, {"bare": lambda: bench.bare_postgres(32),
                                 "peer": lambda: run_sdk(bench, warm_up, request),
                                 "ours": lambda: run_ours(bench, warm_up, request)})
        for side in (sides["peer"], sides["ours"]):
            side["rate"] = side["workflows"] * max(steps, 1) / side["seconds"]
            side["cpu_us"] = {name: 1e6 * cpu / (side["workflows"] * max(steps, 1))
                              for name, cpu in side.pop("cpu").items()}
        ours = sides["ours"]
        ours["cpu_per_step_us"] = ours["cpu_us"]["sidecar"] + ours["cpu_us"]["postgres"]
        sides["peer"]["cpu_per_step_us"] = sum(sides["peer"]["cpu_us"].values())
        ours["per_bare_commit"] = ours["rate"] / sides["bare"]["rate"]
        return sides

    return measure


def alone(do: str, steps: int, workflows: int) -> Callable[[Bench, int], Round]:
    """One caller, one workflow after another; `median_us` is of a workflow or, for do=steps, of a step."""

    def measure(bench: Bench, number: int) -> Round:
        request = {"do": do, "steps": steps, "workflows": bench.scaled(workflows)}
        warm_up = request | {"workflows": bench.scaled(workflows // 2)}
        return in_turn(number, {"bare": lambda: bench.bare_postgres(1),
                                "peer": lambda: run_sdk(bench, warm_up, request),
                                "ours": lambda: run_ours(bench, warm_up, request)})

    return measure


# ---------------------------------------------------------------- recovery
STEPS, DONE = 10, 5


def wait_until_finished(bench: Bench, database: str, workflows: int, begin: float) -> float:
    psql = bench.postgres.database(database)
    while psql.number("SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'") < workflows:
        time.sleep(0.002)
    return time.monotonic() - begin


def expect_stranded(bench: Bench, database: str, workflows: int) -> None:
    psql = bench.postgres.database(database)
    pending = psql.number("SELECT count(*) FROM dbos.workflow_status WHERE status = 'PENDING'")
    recorded = psql.number("SELECT count(*) FROM dbos.operation_outputs")
    if (pending, recorded) != (workflows, workflows * DONE):
        raise RuntimeError(f"{database}: {pending} of {workflows} workflows are pending, {recorded} steps are recorded")
    bench.postgres.admin.rows("CHECKPOINT")
    bench.quiet()


def recover_sdk(bench: Bench, workflows: int) -> dict:
    with bench.sdk(BENCH_STRAND_AT=str(DONE)) as program:
        program.ask(do="strand", workflows=workflows, steps=STEPS)
        program.kill()
    expect_stranded(bench, "bench_sdk", workflows)
    program = bench.start_sdk()
    try:
        program.wait_for("launching")  # Node has started and loaded the SDK: that is not counted
        begin = time.monotonic()
        with Meter(bench.groups(client=program.pid)) as meter:
            program.wait_for("ready")
            program.ask(do="finish", workflows=workflows)
            seconds = wait_until_finished(bench, "bench_sdk", workflows, begin)
    finally:
        program.stop()
    bench.expect_rows("bench_sdk", workflows, STEPS)
    return {"seconds": seconds, "noise": round(meter.noise, 3), "cpu": meter.cpu}


def strand_ours(bench: Bench, url: str, directory: pathlib.Path, workflows: int) -> None:
    sidecar = Sidecar(bench.binaries.sidecar, url, directory)
    try:
        sidecar.wait_until_listening()
        stub = bench.start_stub(sidecar, workflows, STEPS, DONE)
        stub.line()
    finally:
        sidecar.kill()
    stub.kill()


def recover_ours(bench: Bench, workflows: int) -> dict:
    bench.postgres.database("bench_ours")
    bench.postgres.empty("bench_ours")
    url = bench.postgres.url("bench_ours")
    with tempfile.TemporaryDirectory(prefix="dbos-bench.") as name:
        directory = pathlib.Path(name)
        strand_ours(bench, url, directory, workflows)
        expect_stranded(bench, "bench_ours", workflows)
        begin = time.monotonic()  # the start of both processes is counted
        sidecar = Sidecar(bench.binaries.sidecar, url, directory)
        load = bench.start_load(sidecar)
        try:
            with Meter(bench.groups(client=load.pid, sidecar=sidecar.pid)) as meter:
                load.wait_for("ready")
                load.ask(do="finish", workflows=workflows)
                seconds = wait_until_finished(bench, "bench_ours", workflows, begin)
        finally:
            load.stop()
            sidecar.stop()
    bench.expect_rows("bench_ours", workflows, STEPS)
    return {"seconds": seconds, "noise": round(meter.noise, 3), "cpu": meter.cpu}


def recovery(bench: Bench, number: int) -> Round:
    workflows = bench.scaled(1000)
    return in_turn(number, {"bare": lambda: bench.bare_postgres(32), "peer": lambda: recover_sdk(bench, workflows),
                            "ours": lambda: recover_ours(bench, workflows)})


# ---------------------------------------------------------------- SQLite
def sqlite_at_50(bench: Bench, number: int) -> Round:
    """The peer is SQLite itself: single rows committed by the bare library with synchronous=FULL, on the same disk."""
    request = {"do": "throughput", "steps": STEPS, "concurrency": 50, "workflows": bench.scaled(500),
               "seconds": bench.seconds}

    def ours() -> dict:
        with tempfile.TemporaryDirectory(prefix="dbos-bench.") as directory:
            with bench.ours(url=f"sqlite:///{directory}/bench.sqlite") as (sidecar, program):
                warm = program.ask(**request | {"workflows": bench.scaled(200), "seconds": bench.seconds / 4})
                answer = metered(bench, program, request, client=program.pid, sidecar=sidecar.pid)
            expect_sqlite_rows(f"{directory}/bench.sqlite", warm["workflows"] + answer["workflows"])
        return answer | {"rate": answer["workflows"] * STEPS / answer["seconds"]}

    def bare() -> dict:
        with tempfile.TemporaryDirectory(prefix="dbos-bench.") as directory:
            return bench.bare("sqlite", f"{directory}/bare.sqlite")

    return in_turn(number, {"peer": bare, "ours": ours})


def expect_sqlite_rows(path: str, workflows: int) -> None:
    import sqlite3
    with sqlite3.connect(path) as database:
        [[ended]] = database.execute("SELECT count(*) FROM workflow_status WHERE status = 'SUCCESS'")
        [[recorded]] = database.execute("SELECT count(*) FROM operation_outputs")
    if (ended, recorded) != (workflows, workflows * STEPS):
        raise RuntimeError(f"SQLite: {ended} of {workflows} workflows, {recorded} of {workflows * STEPS} steps")


# ---------------------------------------------------------------- memory
def memory(bench: Bench, number: int) -> Round:
    """Resident memory and CPU of the sidecar idle, and with executions held open by a client on bare stubs."""
    del number
    workflows = bench.scaled(10_000)
    seconds = 2 if bench.quick else 20
    with bench.ours(load=False) as (sidecar, _):
        idle = resident_and_cpu(sidecar, seconds)
        stub = bench.start_stub(sidecar, workflows, STEPS, 0)
        try:
            stub.line()
            held = resident_and_cpu(sidecar, seconds)
            open_now = bench.postgres.database("bench_ours").number(
                "SELECT count(*) FROM dbos.workflow_status WHERE status = 'PENDING'")
        finally:
            stub.kill()
    if open_now != workflows:
        raise RuntimeError(f"{open_now} of {workflows} executions are PENDING in the database")
    return {"idle": idle, "held": held | {"executions": workflows}}


def resident_and_cpu(sidecar: Sidecar, seconds: float) -> dict:
    with Meter({"sidecar": sidecar.pid}) as meter:
        time.sleep(seconds)
    return {"resident_mb": resident_bytes(sidecar.pid) / 1e6,
            "cpu_percent_of_a_core": 100 * meter.cpu["sidecar"] / meter.seconds, "seconds": meter.seconds}
