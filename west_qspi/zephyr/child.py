"""The process that runs one of Zephyr's runners: it changes ``sys.path``, may exit, and starts tools.

It is told in a JSON file what to do and answers in another one; what it and the tools print is passed on
as it is. Where the run dies, the pipe at its standard input is closed, and it ends itself and the tools.

Only ``add_parser`` and ``create`` of Zephyr's classes are called, and ``RunnerConfig`` by keyword, filtered
on its own fields: constructors change with every release.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from west_qspi.processes import end_with

# What Zephyr's ``flash`` command itself parses; some runners look for it in the arguments.
_COMMON = ("board_dir", "build_dir", "context", "domain", "gdb", "openocd", "openocd_search", "runner")


class _Refused(Exception):
    """The arguments are not what the runner takes."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _Refused(message)


def carry_out(request: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a runner, or flash with it; the answer says how that ended, whatever was raised."""
    try:
        return _carry_out(request)
    except SystemExit as end:
        # A status of 0 is no success either: runners end like that when nobody answers their question.
        return _ended("exit", f"it ended itself with status {end.code}")
    except _Refused as error:
        return _ended("refused", str(error))
    except subprocess.CalledProcessError as error:
        command = error.cmd if isinstance(error.cmd, str) else " ".join(map(str, error.cmd))
        return {**_ended("tool-failed", command), "status": error.returncode}
    except ImportError as error:
        return _ended("import", str(error))
    except Exception as error:
        if type(error).__name__ == "MissingProgram":
            return _ended("program-missing", str(getattr(error, "filename", None) or error))
        if isinstance(error, (ValueError, RuntimeError)):
            return _ended("refused", str(error))
        return _ended("broken", f"{type(error).__name__}: {error}")


def _ended(kind: str, text: str) -> dict[str, Any]:
    return {"kind": kind, "text": text}


def _carry_out(request: Mapping[str, Any]) -> dict[str, Any]:
    base = Path(request["zephyr_base"])
    os.environ["ZEPHYR_BASE"] = str(base)
    scripts = base / "scripts"
    devicetree = scripts / "dts" / "python-devicetree" / "src"
    sys.path[:0] = [str(scripts / "west_commands"), str(scripts), str(devicetree)]
    runners: Any = importlib.import_module("runners")
    core: Any = importlib.import_module("runners.core")
    name = request["runner"]
    known = {cls.name(): cls for cls in core.ZephyrBinaryRunner.get_runners()}
    if name not in known:
        return {**_ended("unknown", name), "known": sorted(known)}
    cls = runners.get_runner_cls(name)
    parser = _Parser(prog=name, allow_abbrev=False)
    cls.add_parser(parser)
    capabilities = cls.capabilities()
    if request["do"] == "describe":
        options = sorted(option for action in parser._actions for option in action.option_strings)
        able = [word for word in ("dev_id", "erase", "reset") if getattr(capabilities, word, False)]
        commands = sorted(getattr(capabilities, "commands", ()))
        return {**_ended("done", ""), "options": options, "able": able, "commands": commands}
    args = parser.parse_args(request["arguments"])
    for word in _COMMON:
        if not hasattr(args, word):
            setattr(args, word, None)
    cls.create(_config(core, request["config"]), args).run("flash")
    return _ended("done", "")


def _config(core: Any, values: Mapping[str, Any]) -> Any:
    """Return Zephyr's RunnerConfig, of whichever release."""
    cls = core.RunnerConfig
    given = {field: values[field] for field in cls._fields if field in values}
    lacking = [field for field in cls._fields if field not in given and field not in cls._field_defaults]
    return cls(**given, **dict.fromkeys(lacking))


def main(question: str, answer: str) -> None:
    """Read the request from the one file, carry it out, and write the answer to the other."""
    # The tools shall not find the run's pipe at their standard input, but nothing.
    pipe, nothing = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    threading.Thread(target=end_with, args=(pipe,), daemon=True).start()
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    result = carry_out(json.loads(Path(question).read_text(encoding="utf-8")))
    sys.stdout.flush()
    Path(answer).write_text(json.dumps(result), encoding="utf-8")
