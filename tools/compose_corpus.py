"""Check every pair of transformations, and random triples, on every program of the corpus.

Each chain is compared with differences of what is inside it. A run shows where it is, writes what
it has done to a file so that it can be resumed, and prints every chain that is wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from compositions import PAIRS, TRIPLES, check, fits, vector_program
from corpus import PROGRAMS


def arguments_of(line: list[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--pairs", type=int, help="how many pairs on programs (all)")
    parser.add_argument("--triples", type=int, default=2000, help="how many triples on programs")
    parser.add_argument("--seed", type=int, default=0, help="of the random order and choice")
    parser.add_argument("--state", type=Path, help="a file to resume from and to keep up to date")
    return parser.parse_args(line)


def chains(options: argparse.Namespace) -> list[tuple[tuple[str, ...], str]]:
    """Return chains with programs, in a random order that the seed determines."""
    generator = random.Random(options.seed)
    pairs = [(names, name) for names in PAIRS for name in PROGRAMS if fits(names, name)]
    generator.shuffle(pairs)
    triples: list[tuple[tuple[str, ...], str]] = []
    while len(triples) < options.triples:
        names, name = generator.choice(TRIPLES), generator.choice(list(PROGRAMS))
        if fits(names, name):
            triples.append((names, name))
    return [*pairs[: options.pairs], *triples]


def failure_of(names: tuple[str, ...], name: str) -> str | None:
    """Return what is wrong with a chain on a program, None where nothing is."""
    try:
        check(names, vector_program(name))
    except Exception as error:
        message = " ".join(str(error).split())[:200]
        return f"{'-'.join(names)} on {name}: {type(error).__name__}: {message}"
    return None


def main(line: list[str] | None = None) -> int:
    """Check the chains; return 1 if any failed."""
    options = arguments_of(line)
    every = chains(options)
    done, failed = 0, []
    if options.state and options.state.exists():
        state = json.loads(options.state.read_text(encoding="utf-8"))
        done, failed = state["done"], state["failed"]
    first = done
    began = time.monotonic()
    warnings.simplefilter("error")
    for names, name in every[first:]:
        problem = failure_of(names, name)
        done += 1
        if problem is not None:
            failed.append(problem)
            print("\n" + problem, flush=True)
        if done % 100 == 0 or done == len(every):
            rate = (done - first) / (time.monotonic() - began)
            print(
                f"\r{done} of {len(every)} chains, {len(failed)} failed, {rate:.1f} a second, "
                f"{(len(every) - done) / rate / 60:.0f} min left",
                end="",
                flush=True,
            )
            if options.state:
                state = {"done": done, "failed": failed}
                options.state.write_text(json.dumps(state), encoding="utf-8")
    print()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
