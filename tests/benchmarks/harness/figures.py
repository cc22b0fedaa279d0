"""The figures of the issue: which workload makes each, what its floor is, and how its line is written."""
import statistics
from collections.abc import Callable

from . import workloads
from .report import Verdict, median, ratio, show
from .sides import Bench
from .transactions import transactions
from .wire import wire
from .workloads import Round

Rounds = list[Round]

# Several figures may come from one workload; it is run once for all of them.
WORKLOADS: dict[str, Callable[[Bench, int], Round]] = {
    "ten_steps_at_50": workloads.at_50(10, 500),
    "one_step_at_50": workloads.at_50(1, 1500),
    "no_step_at_50": workloads.at_50(0, 2500),
    "one_workflow": workloads.alone("latency", 1, 300),
    "one_step": workloads.alone("steps", 50, 10),
    "recovery": workloads.recovery,
    "wire": wire,
    "sqlite_at_50": workloads.sqlite_at_50,
    "memory": workloads.memory,
    "transactions": transactions,
}


def compare(figure: str, rounds: Rounds, key: str, unit: str, verdict: Verdict) -> dict:
    """Ours against the peer's, medians of the rounds, with the bare database's median beside them."""
    bare_key = key if key == "median_us" else "rate"
    return show(figure, median(rounds, "ours", key), median(rounds, "peer", key), unit, rounds, verdict,
                bare=median(rounds, "bare", bare_key))


def throughput(figure: str, unit: str, floor: float, aim: float) -> Callable[[Rounds], dict]:
    return lambda rounds: compare(figure, rounds, "rate", unit, Verdict("at_least", floor, aim))


def latency(figure: str, floor: float, aim: float) -> Callable[[Rounds], dict]:
    return lambda rounds: compare(figure, rounds, "median_us", "us", Verdict("at_most", floor, aim))


def recovery(rounds: Rounds) -> dict:
    return compare("recovery_1000", rounds, "seconds", "s", Verdict("at_most", 0.15, 0.08))


def cpu_per_step(rounds: Rounds) -> dict:
    key = "cpu_per_step_us"
    return show("cpu_per_step", median(rounds, "ours", key), median(rounds, "peer", key), "us", rounds,
                Verdict("at_most", 80, 50), judged="ours",
                scope="ours: sidecar + PostgreSQL; peer: the SDK's process + PostgreSQL")


def sqlite_steps(rounds: Rounds) -> dict:
    return show("sqlite_steps_50", median(rounds, "ours", "rate"), median(rounds, "peer", "rate"), "steps/s", rounds,
                Verdict("at_least", 2.5, 5), scope="peer: single rows committed by the bare library")


def part(name: str, ours: float | None, peer: float | None, verdict: Verdict, judged: str = "ours") -> dict:
    line = {"name": name, "ours": ours, "peer": peer, "ratio": ratio(ours, peer), "judged": judged}
    return line | verdict.fields(line[judged])


def round_trips(rounds: Rounds) -> dict:
    floors = {"alone_per_one_step_workflow": Verdict("at_most", 3), "at_50_per_step": Verdict("at_most", 0.2),
              "at_50_commits_per_step": Verdict("at_most", 0.1)}
    parts = [part(name, median(rounds, "ours", name), median(rounds, "peer", name), verdict)
             for name, verdict in floors.items()]
    # One a step, with room for a stray probe: the counts are of a living system.
    return show("round_trips", median(rounds, "ours", "alone_per_step"), median(rounds, "peer", "alone_per_step"),
                "round trips per step, alone", rounds, Verdict("at_most", 1.02, 1), judged="ours", parts=parts)


def memory(rounds: Rounds) -> dict:
    parts = [part("held_resident_mb", median(rounds, "held", "resident_mb"), None, Verdict("at_most", 80, 50)),
             part("idle_cpu_percent_of_a_core", median(rounds, "idle", "cpu_percent_of_a_core"), None,
                  Verdict("at_most", 0.5))]
    return show("memory", median(rounds, "idle", "resident_mb"), None, "MB resident, idle", rounds,
                Verdict("at_most", 32, 24), judged="ours", parts=parts)


def steadiness(rounds: Rounds) -> dict:
    """The worst round against the median one, each divided by the bare commit rate of its own round."""
    values = [entry["ours"]["per_bare_commit"] for entry in rounds]
    middle = statistics.median(values)
    return show("steadiness", min(values), middle, "steps per bare commit: worst and median round",
                [{"per_bare_commit": entry["ours"]["per_bare_commit"], "noise": entry["ours"]["noise"],
                  "bare_noise": entry["bare"]["noise"]} for entry in rounds], Verdict("at_least", 0.8))


LIMITS = ("bare", "relay")  # of the workload of transactions


def transaction(figure: str, kind: str, key: str, verdict: Verdict,
                limit: Verdict | None = None) -> Callable[[Rounds], dict]:
    """One kind of transactions. With two databases half of it is enough, beside the SDK and beside our one database."""

    def measure(all_kinds: Rounds) -> dict:
        rounds = [{side: done if side in LIMITS else done[kind] | {"rollbacks": done["rollbacks"]}
                   for side, done in entry.items()} for entry in all_kinds]
        middle = {side: median(rounds, side, key) for side in rounds[0]}
        # What a sidecar could do that does nothing but pass frames on: a floor above its ratio is out of reach here.
        relay = {"rate": middle["relay"], "ratio": ratio(middle["relay"], middle["peer"]),
                 "ours": ratio(middle["ours"], middle["relay"])} if kind == "two" else None
        half = 0.5 if verdict.direction == "at_least" else 2
        parts = [part("two_databases", middle["ours_apart"], middle["peer_apart"],
                      Verdict(verdict.direction, verdict.floor * half), judged="ratio"),
                 part("two_databases_beside_one", middle["ours_apart"], middle["ours"],
                      Verdict(verdict.direction, half), judged="ratio")]
        if limit:
            parts.insert(0, part("bare_pipelined", middle["ours"], middle["bare"], limit, judged="ratio"))
        return show(figure, middle["ours"], middle["peer"], "us" if key == "median_us" else "transactions/s", rounds,
                    verdict, isolation=all_kinds[0]["bare"]["isolation"]["one"], relay=relay, parts=parts)

    return measure


FIGURES: dict[str, tuple[str, Callable[[Rounds], dict]]] = {
    "steps_10x50": ("ten_steps_at_50", throughput("steps_10x50", "steps/s", 12, 20)),
    "workflows_1x50": ("one_step_at_50", throughput("workflows_1x50", "workflows/s", 9, 14)),
    "workflows_x50": ("no_step_at_50", throughput("workflows_x50", "workflows/s", 8, 12)),
    "workflow_latency": ("one_workflow", latency("workflow_latency", 0.4, 0.28)),
    "step_latency": ("one_step", latency("step_latency", 0.3, 0.2)),
    "recovery_1000": ("recovery", recovery),
    "round_trips": ("wire", round_trips),
    "cpu_per_step": ("ten_steps_at_50", cpu_per_step),
    "sqlite_steps_50": ("sqlite_at_50", sqlite_steps),
    "memory": ("memory", memory),
    "steadiness": ("ten_steps_at_50", steadiness),
    "tx_one_x50": ("transactions", transaction("tx_one_x50", "one", "rate", Verdict("at_least", 6, 10),
                                               limit=Verdict("at_least", 0.35, 0.5))),
    "tx_two_x50": ("transactions", transaction("tx_two_x50", "two", "rate", Verdict("at_least", 4, 6))),
    "tx_two_latency": ("transactions", transaction("tx_two_latency", "alone", "median_us",
                                                   Verdict("at_most", 0.5, 0.35))),
    # The same transaction where no side waits for the answer to its write.
    "tx_two_deferred_x50": ("transactions", transaction("tx_two_deferred_x50", "deferred", "rate",
                                                        Verdict("at_least", 4, 6))),
    "tx_two_deferred_latency": ("transactions", transaction("tx_two_deferred_latency", "deferred_alone", "median_us",
                                                            Verdict("at_most", 0.5, 0.35))),
}
