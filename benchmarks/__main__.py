"""``scripts/bench``: all workloads side by side in one run, or those that are named."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable

from benchmarks import at_once, first_answer, flood, output, report, sessions, warm
from benchmarks.workload import Options, Result

WORKLOADS: dict[str, Callable[[Options], Result]] = {
    "warm": warm.measure,
    "first_answer": first_answer.measure,
    "at_once": at_once.measure,
    "output": output.measure,
    "sessions": sessions.measure,
    "flood": flood.measure,
}


def main() -> int:
    """Measure, say what is going on, print the results, and write those of a whole run."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    wanted = _arguments()
    options = Options(wanted.rounds, wanted.seconds, wanted.many)
    results = {}
    try:
        for name in wanted.workloads or WORKLOADS:
            print(f"{name} …", file=sys.stderr, flush=True)
            results[name] = WORKLOADS[name](options)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    print(report.markdown(results))
    if not (wanted.workloads or wanted.rounds or wanted.seconds):
        report.write(results)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure this server and others side by side. A whole run takes about five "
        "minutes and is written to benchmarks/results; a part of it is only printed.",
    )
    parser.add_argument(
        "workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(WORKLOADS)}; default: all"
    )
    parser.add_argument("--rounds", type=int, help="calls of each contestant")
    parser.add_argument("--seconds", type=float, help="for at_once and flood")
    parser.add_argument("--many", action="store_true", help="500 and 1,000 sessions as well")
    wanted = parser.parse_args()
    if unknown := set(wanted.workloads) - set(WORKLOADS):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")
    return wanted


if __name__ == "__main__":
    sys.exit(main())
