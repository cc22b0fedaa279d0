"""Figures as the issue wants them: one JSON line each, with the spread of the rounds."""
import json
import statistics
import sys

USABLE_NOISE = 0.2  # rounds with more are shown, but leave the median alone while at least three quieter ones remain


def median(rounds: list[dict], side: str, key: str) -> float | None:
    """The median of one side over the rounds that were quiet enough."""
    values = [(entry[side].get("noise", 0), entry[side][key]) for entry in rounds if side in entry]
    quiet = [value for noise, value in values if noise <= USABLE_NOISE]
    chosen = quiet if len(quiet) >= 3 else [value for _, value in values]
    return statistics.median(chosen) if chosen else None


def ratio(ours: float | None, peer: float | None) -> float | None:
    return None if ours is None or not peer else ours / peer


def significant(value: object) -> object:
    """Four significant digits for every number, however deep."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: significant(entry) for key, entry in value.items()}
    return [significant(entry) for entry in value] if isinstance(value, list) else value


class Verdict:
    """What a figure is held to: `at_least` or `at_most` the floor; the aim is what we hope for."""

    def __init__(self, direction: str, floor: float, aim: float | None = None):
        assert direction in ("at_least", "at_most")
        self.direction, self.floor, self.aim = direction, floor, aim

    def reaches(self, value: float | None, goal: float | None) -> bool | None:
        if value is None or goal is None:
            return None
        return value >= goal if self.direction == "at_least" else value <= goal

    def fields(self, value: float | None) -> dict:
        return {self.direction: self.floor, "aim": self.aim, "met": self.reaches(value, self.floor)}


def show(figure: str, ours: float | None, peer: float | None, unit: str, rounds: list[dict], verdict: Verdict,
         judged: str = "ratio", **more: object) -> dict:
    """Prints one figure's line. `judged` says which of its numbers the floor is for."""
    line = {"figure": figure, "ours": ours, "peer": peer, "ratio": ratio(ours, peer), "unit": unit}
    line |= more
    line |= {"judged": judged} | verdict.fields(line[judged])
    line["met"] = line["met"] and all(part.get("met", True) for part in more.get("parts", []))
    line["rounds"] = rounds
    print(json.dumps(significant(line)), flush=True)
    return line


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
