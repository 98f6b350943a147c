"""``scripts/bench``: all workloads side by side in one run."""

from __future__ import annotations

import sys

from benchmarks import at_once, first_answer, flood, report, warm


def main() -> int:
    """Measure, say what is going on, and write the results."""
    steps = {
        "warm": ("warm 1+1", warm.measure),
        "first_answer": ("new sessions", first_answer.measure),
        "at_once": ("eight sessions at once", at_once.measure),
        "flood": ("a flood of 20 seconds", flood.measure),
    }
    measured = {}
    for number, (name, (title, measure)) in enumerate(steps.items(), 1):
        print(f"{number}/{len(steps)} {title} …", file=sys.stderr, flush=True)
        measured[name] = measure()
    print(report.write(report.Measured(**measured)))  # type: ignore[arg-type]
    return 0


if __name__ == "__main__":
    sys.exit(main())
