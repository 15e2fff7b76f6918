"""Stands in for the runner that calls nrfjprog: how it erases, and what it can be told, is that of its time."""

import sys

from runners.core import RunnerCaps, ZephyrBinaryRunner
from runners.form import FORM

NETWORK = range(0x0100_0000, 0x0104_0000)
XIP = range(0x1000_0000, 0x2000_0000)


class NrfJprogBinaryRunner(ZephyrBinaryRunner):
    # The order of the arguments is another one in each release, so that nobody gets away with calling this.
    if FORM == "3.4":

        def __init__(self, cfg, softreset, dev_id, erase, recover):
            self._begin(cfg, dev_id, erase, recover, True, softreset)

    elif FORM == "3.7":

        def __init__(self, cfg, softreset, dev_id, erase, reset, recover):
            self._begin(cfg, dev_id, erase, recover, reset, softreset)

    else:

        def __init__(self, cfg, softreset, pinreset, dev_id, erase, erase_mode, ext_erase_mode, reset, recover, ini):
            if erase and (erase_mode or ext_erase_mode):
                raise RuntimeError("Options --erase and --erase-mode are mutually exclusive.")
            self._begin(cfg, dev_id, erase, recover, reset, softreset)
            self.erase_mode, self.ext_erase_mode, self.ini = erase_mode, ext_erase_mode, ini

    def _begin(self, cfg, dev_id, erase, recover, reset, softreset):
        super().__init__(cfg)
        self.dev_id, self.erase, self.recover, self.reset = dev_id, bool(erase), recover, reset
        self.erase_mode = self.ext_erase_mode = self.ini = None

    @classmethod
    def name(cls):
        return "nrfjprog"

    @classmethod
    def capabilities(cls):
        return RunnerCaps(commands={"flash"}, dev_id=True, erase=True, reset=True, tool_opt=True)

    @classmethod
    def do_add_parser(cls, parser):
        parser.add_argument("--softreset", action="store_true")
        parser.add_argument("--snr", dest="dev_id")
        parser.add_argument("--recover", action="store_true")
        if FORM == "main":
            parser.add_argument("--pinreset", action="store_true")
            parser.add_argument("--erase-mode", choices=["none", "ranges", "all"])
            parser.add_argument("--ext-erase-mode", choices=["none", "ranges", "all"])
            parser.add_argument("--qspiini", dest="ini")
        if FORM != "3.4":
            parser.set_defaults(reset=True)

    @classmethod
    def do_create(cls, cfg, args):
        if FORM == "3.4":
            return cls(cfg, args.softreset, args.dev_id, args.erase, args.recover)
        if FORM == "3.7":
            return cls(cfg, args.softreset, args.dev_id, args.erase, args.reset, args.recover)
        modes = (args.erase_mode, args.ext_erase_mode)
        return cls(cfg, args.softreset, args.pinreset, args.dev_id, args.erase, *modes, args.reset, args.recover, args.ini)

    def do_run(self, command, **kwargs):
        self.require("nrfjprog")
        if not self.dev_id:
            boards = self.check_output(["nrfjprog", "--ids"]).decode().split()
            if len(boards) != 1:
                raise RuntimeError(f"refusing to guess which of {len(boards)} connected boards to use.")
            self.dev_id = boards[0]
        if self.recover:
            self.call("--recover")
        self.logger.info(f"Flashing file: {self.cfg.hex_file}")
        starts = self.segment_starts()
        cores = []
        if FORM == "main":
            on_network = "CONFIG_SOC_NRF5340_CPUNET" in self.build_conf
            cores = [("CP_NETWORK" if on_network else "CP_APPLICATION")]
        else:
            cores += ["CP_NETWORK"] if any(start in NETWORK for start in starts) else []
            cores += ["CP_APPLICATION"] if any(start not in NETWORK for start in starts) else []
        for core in cores:
            self.call("--program", self.cfg.hex_file, *self.erasing(starts), "--verify", "--coprocessor", core)
        if self.reset:
            self.call("--pinreset")

    def erasing(self, starts):
        whole = self.erase or self.erase_mode == "all"
        options = ["--chiperase" if whole else "--sectorerase"]
        if any(start in XIP for start in starts):
            whole = self.ext_erase_mode == "all" or (FORM == "main" and self.erase)
            options.append("--qspichiperase" if whole else "--qspisectorerase")
        if self.ini:
            options += ["--qspiini", self.ini]
        return options

    def segment_starts(self):
        base, starts, end = 0, [], None
        with open(self.cfg.hex_file, encoding="ascii") as file:
            for line in file:
                count, address, kind = int(line[1:3], 16), int(line[3:7], 16), int(line[7:9], 16)
                if kind == 4:
                    base = int(line[9:13], 16) << 16
                elif kind == 0 and base + address != end:
                    starts.append(base + address)
                if kind == 0:
                    end = base + address + count
        return starts

    def call(self, *arguments):
        sys.stdout.flush()
        self.check_call(["nrfjprog", *arguments, "-f", "NRF53", "--snr", self.dev_id])
