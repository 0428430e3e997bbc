"""Check every sample of every primitive under vmap, in vmap, and around and inside derivatives.

Each is compared with a loop over its examples. The tests take a part of these checks.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from primitive_calls import each, samples_of
from vmap.nested import WAYS, applies, check


def arguments_of(line: list[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--primitives", nargs="*", help="names of primitives (all)")
    parser.add_argument("--ways", nargs="*", choices=list(WAYS), default=list(WAYS))
    return parser.parse_args(line)


def main(line: list[str] | None = None) -> int:
    """Check the samples; return 1 if any failed."""
    options = arguments_of(line)
    warnings.simplefilter("ignore")
    calls = [
        (name, index, way)
        for name, index in (parameter.values for parameter in each(samples_of))
        if not options.primitives or name in options.primitives
        for way in options.ways
        if applies(name, index, way)
    ]
    counts: Counter[str] = Counter()
    failed = 0
    began = time.monotonic()
    for done, (name, index, way) in enumerate(calls, start=1):
        counts[way] += 1
        try:
            check(name, index, way)
        except Exception as error:
            failed += 1
            message = " ".join(str(error).split())[:200]
            print(f"\n{name} {index}, {way}: {type(error).__name__}: {message}", flush=True)
        if done % 50 == 0 or done == len(calls):
            left = (time.monotonic() - began) / done * (len(calls) - done) / 60
            print(
                f"\r{done} of {len(calls)} checks, {failed} failed, {left:.1f} min left",
                end="",
                flush=True,
            )
    print("\n" + ", ".join(f"{way}: {count}" for way, count in counts.items()))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
