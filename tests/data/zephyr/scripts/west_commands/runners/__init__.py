"""A stand-in for Zephyr's package of this name, as far as programs other than west rely on it."""

from runners import nrfjprog, others  # noqa: F401
from runners.core import MissingProgram, ZephyrBinaryRunner


def get_runner_cls(runner):
    for cls in ZephyrBinaryRunner.get_runners():
        if cls.name() == runner:
            return cls
    raise ValueError(f'unknown runner "{runner}"')


__all__ = ["MissingProgram", "ZephyrBinaryRunner", "get_runner_cls"]
