#!/usr/bin/env python3
"""Everything that must hold: ruff, formatting, types, and all tests with branch coverage.

Makes its own environment in ``.venv-test``. Arguments are passed on to pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys

from environment import PROJECT, EnvironmentProblem, ensure

COVERAGE_FLOOR = 95


def main(arguments: list[str]) -> int:
    try:
        python = str(ensure(PROJECT / ".venv-test", "test"))
    except EnvironmentProblem as problem:
        print(f"scripts/test.py: {problem}", file=sys.stderr)
        return 1
    coverage = [] if arguments else ["--cov", "--cov-report=term", f"--cov-fail-under={COVERAGE_FLOOR}"]
    steps = [
        ("style", ["ruff", "check", "."]),
        ("format", ["ruff", "format", "--check", "."]),
        ("types", ["mypy"]),
        ("tests", ["pytest", "-q", "-n", str(os.cpu_count() or 1), *coverage, *arguments]),
    ]
    for name, command in steps:
        print(f"== {name}: {' '.join(command)}", flush=True)
        status = subprocess.run([python, "-m", *command], cwd=PROJECT, check=False).returncode
        if status:
            print(f"scripts/test.py: {name} failed", file=sys.stderr)
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
