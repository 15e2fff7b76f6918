"""Runners that end in the other ways that runners end in, and one that does not know external flash."""

import os
import subprocess
import sys

from runners.core import RunnerCaps, ZephyrBinaryRunner


class JLinkBinaryRunner(ZephyrBinaryRunner):
    def __init__(self, cfg, device, dev_id):
        super().__init__(cfg)
        self.device, self.dev_id = device, dev_id

    @classmethod
    def name(cls):
        return "jlink"

    @classmethod
    def capabilities(cls):
        return RunnerCaps(commands={"flash", "debug"}, dev_id=True, erase=True)

    @classmethod
    def do_add_parser(cls, parser):
        parser.add_argument("--device", required=True)
        parser.add_argument("--loader")
        parser.add_argument("--speed", default="auto")

    @classmethod
    def do_create(cls, cfg, args):
        return cls(cfg, args.device, args.dev_id)

    def do_run(self, command, **kwargs):
        self.require("JLinkExe")
        self.check_call(["JLinkExe", self.device, self.cfg.hex_file])


class OddBinaryRunner(ZephyrBinaryRunner):
    """Ends as the environment says."""

    def __init__(self, cfg, way):
        super().__init__(cfg)
        self.way = way

    @classmethod
    def name(cls):
        return "odd"

    @classmethod
    def capabilities(cls):
        return RunnerCaps(commands={"flash"})

    @classmethod
    def do_add_parser(cls, parser):
        parser.add_argument("--way", default="well")

    @classmethod
    def do_create(cls, cfg, args):
        if args.way == "value":
            raise ValueError("no such thing")
        return cls(cfg, args.way)

    def do_run(self, command, **kwargs):
        if self.way == "runtime":
            raise RuntimeError("there is no board")
        if self.way == "exit":
            sys.exit(0)
        if self.way == "missing":
            self.require("no-such-tool-anywhere")
        if self.way == "dies":
            os._exit(7)
        if self.way == "key":
            raise KeyError("CONFIG_X")
        if self.way == "called":
            self.check_call([sys.executable, "-c", "print('10%\\ra \\x1b[31mred\\x1b[0m bar 20%\\r'); print('the end', end=''); raise SystemExit(3)"])
        if self.way == "hangs":
            self.check_call([sys.executable, "-c", "import time; import os; print('waiting', os.getpid(), flush=True); time.sleep(600)"])
        if self.way == "leaves":
            left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            print("left behind:", left.pid)


class DebugOnlyRunner(OddBinaryRunner):
    @classmethod
    def name(cls):
        return "debugonly"

    @classmethod
    def capabilities(cls):
        return RunnerCaps(commands={"debug"})
