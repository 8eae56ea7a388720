"""Output of commands for a person at a terminal."""

import sys

from tools.stack import PartFailed


def complain(problem: Exception | str) -> None:
    """One line on stderr; below it, indented, the end of a failed part's log."""
    print(f"scriptorium: {problem}", file=sys.stderr)
    if isinstance(problem, PartFailed):
        for line in problem.last_lines:
            print(f"  | {line}", file=sys.stderr)


def say(line: str) -> None:
    """One line on stdout, at once; a closed pipe is no reason to stop serving."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        sys.stdout = None
