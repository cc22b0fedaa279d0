"""What the machine is doing: CPU of groups of processes, the noise of everybody else, resident memory."""
import os
import pathlib
import time

TICK = os.sysconf("SC_CLK_TCK")
CORES = os.cpu_count() or 1
QUIET = 0.15  # share of all cores that others may use during a measurement


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on, or None when the process is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def raise_priority(roots: list[int]) -> None:
    """The highest priority for processes and their descendants, so that other work on the machine disturbs less.

    Linux schedules by session (autogroup) and nice counts only within one. Each of our programs and each PostgreSQL
    backend is a session of its own, so it is the sessions that are raised.
    """
    tree, todo = _children(), list(roots)
    while todo:
        pid = todo.pop()
        todo += tree.get(pid, [])
        try:
            if os.getsid(pid) == os.getsid(0):
                continue  # a session shared with strangers
            pathlib.Path(f"/proc/{pid}/autogroup").write_text("-20")
        except OSError:  # not root, no autogroups, or the process has ended
            continue


def _children() -> dict[int, list[int]]:
    tree: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            tree.setdefault(int(fields[1]), []).append(int(entry.name))
    return tree


def cpu_seconds(root: int) -> float:
    """User and system time of a process, of its living descendants, and of the ended ones it has waited for."""
    tree, total, todo = _children(), 0, [root]
    while todo:
        pid = todo.pop()
        if fields := _stat(pid):
            total += sum(int(value) for value in fields[11:15])
        todo += tree.get(pid, [])
    return total / TICK


def busy_seconds() -> float:
    """Time that all cores together were not idle, time stolen by the hypervisor included."""
    fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _, _, irq, softirq, steal = (int(value) for value in fields[:8])
    return (user + nice + system + irq + softirq + steal) / TICK


def resident_bytes(pid: int) -> int:
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {pid} has no resident memory: it has ended")


class Meter:
    """CPU used by named processes, and the noise of all others, between start and stop."""

    def __init__(self, groups: dict[str, int]):
        self._groups = groups

    def _read(self) -> dict[str, float]:
        # This process is the harness: its own work is no noise either, nor is that of programs it has waited for.
        usage = {name: cpu_seconds(pid) for name, pid in self._groups.items()}
        own = sum(os.times()[:4])
        return usage | {"_own": own, "_busy": busy_seconds(), "_time": time.monotonic()}

    def __enter__(self) -> "Meter":
        raise_priority(list(self._groups.values()))
        self._before = self._read()
        return self

    def __exit__(self, *_: object) -> None:
        after = self._read()
        delta = {name: after[name] - self._before[name] for name in after}
        self.seconds = delta.pop("_time")
        busy, own = delta.pop("_busy"), delta.pop("_own")
        self.cpu = delta
        self.noise = max(0.0, (busy - own - sum(delta.values())) / (CORES * self.seconds))


def wait_until_quiet(groups: dict[str, int], patience: float) -> None:
    """Returns when others have used little for half a second, or when the patience is over."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        with Meter(groups) as meter:
            time.sleep(0.5)
        if meter.noise < QUIET:
            return
