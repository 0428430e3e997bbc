"""Search for random programs on which a transformation is wrong.

Each seed is one program. A run goes through a range of seeds, shows where it is, writes what it has
done to a file after every hundred so that it can be resumed, and prints every failure as source to
paste into `tests/random_failures.py`.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from random_checks import check_batched, check_compiled, check_program
from random_programs import random_program


def arguments_of(line: list[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--count", type=int, default=1000, help="how many programs")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--compile", action="store_true", help="compile each program, too")
    parser.add_argument("--state", type=Path, help="a file to resume from and to keep up to date")
    parser.add_argument("--failures", type=Path, help="a file to which failures are added")
    return parser.parse_args(line)


def failure_of(seed: int, counts: Counter[str], compiles: bool) -> str | None:
    """Return the source of a test where the program of a seed fails, else None."""
    program = random_program(random.Random(seed))
    try:
        check_program(program.compiled(), program.point, counts=counts)
        counts["batched"] += check_batched(program.compiled(), program.point)
        if compiles:
            check_compiled(program.compiled(), program.point)
            counts["compiled"] += 1
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        message = " ".join(str(error).split())[:200]
        problem = f"seed {seed}: {type(error).__name__}: {message} ({last.name}:{last.lineno})"
        return program.as_test(f"seed_{seed}", problem)
    return None


def main(line: list[str] | None = None) -> int:
    """Check a range of seeds; return 1 if any failed."""
    options = arguments_of(line)
    counts: Counter[str] = Counter()
    failed: list[int] = []
    first = options.start
    if options.state and options.state.exists():
        state = json.loads(options.state.read_text(encoding="utf-8"))
        counts.update(state["counts"])
        failed, first = state["failed"], state["next"]
    end = options.start + options.count
    began = time.monotonic()
    for seed in range(first, end):
        source = failure_of(seed, counts, options.compile)
        if source is not None:
            failed.append(seed)
            print("\n" + source, flush=True)
            if options.failures:
                with options.failures.open("a", encoding="utf-8") as file:
                    file.write(source + "\n")
        if (seed + 1) % 100 == 0 or seed + 1 == end:
            done = seed + 1 - first
            rate = done / (time.monotonic() - began)
            left = (end - seed - 1) / rate / 60
            print(
                f"\r{seed + 1 - options.start} of {options.count} programs, {len(failed)} failed, "
                f"{rate:.1f} a second, {left:.0f} min left",
                end="",
                flush=True,
            )
            if options.state:
                state = {"next": seed + 1, "failed": failed, "counts": dict(counts)}
                options.state.write_text(json.dumps(state), encoding="utf-8")
    print()
    for name, count in counts.most_common():
        print(f"{count:8}  {name}")
    print(f"{len(failed):8}  failed{': ' if failed else ''}{', '.join(map(str, failed))}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
