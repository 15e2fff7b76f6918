"""The base of the runners: what changed in it from 3.4 to main is what ``FORM`` tells apart."""

import abc
import argparse
import logging
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from enum import Enum
from inspect import isabstract
from typing import NamedTuple

from runners.form import FORM


class MissingProgram(FileNotFoundError):
    def __init__(self, program):
        super().__init__(2, os.strerror(2), program)


class FileType(Enum):
    OTHER = 0
    HEX = 1


if FORM == "3.4":

    class RunnerCaps:
        def __init__(self, commands=frozenset({"flash"}), dev_id=False, erase=False, tool_opt=False, **unknown):
            if unknown.pop("reset", None) is None and unknown:
                raise TypeError(f"unknown: {unknown}")
            self.commands, self.dev_id, self.erase, self.tool_opt = commands, dev_id, erase, tool_opt

    class RunnerConfig(NamedTuple):
        build_dir: str
        board_dir: str
        elf_file: str | None
        hex_file: str | None
        bin_file: str | None
        uf2_file: str | None
        file: str | None
        file_type: FileType | None = FileType.OTHER
        gdb: str | None = None
        openocd: str | None = None
        openocd_search: list = []  # noqa: RUF012

else:

    @dataclass
    class RunnerCaps:
        commands: set = field(default_factory=lambda: {"flash", "debug"})
        dev_id: bool = False
        erase: bool = False
        reset: bool = False
        tool_opt: bool = False

    if FORM == "3.7":

        class RunnerConfig(NamedTuple):
            build_dir: str
            board_dir: str
            elf_file: str | None
            exe_file: str | None
            hex_file: str | None
            bin_file: str | None
            uf2_file: str | None
            file: str | None
            file_type: FileType | None = FileType.OTHER
            gdb: str | None = None
            openocd: str | None = None
            openocd_search: list = []  # noqa: RUF012
            rtt_address: int | None = None

    else:

        class RunnerConfig(NamedTuple):
            build_dir: str
            board_dir: str
            elf_file: str | None
            exe_file: str | None
            hex_file: str | None
            bin_file: str | None
            uf2_file: str | None
            mot_file: str | None
            file: str | None
            file_type: FileType | None = FileType.OTHER
            gdb: str | None = None
            openocd: str | None = None
            openocd_search: list = []  # noqa: RUF012
            rtt_address: int | None = None


class _Toggle(argparse.Action):
    def __call__(self, parser, args, ignored, option):
        setattr(args, self.dest, not option.startswith("--no-"))


class ZephyrBinaryRunner(abc.ABC):
    def __init__(self, cfg):
        self.cfg = cfg
        self.logger = logging.getLogger(f"runners.{self.name()}")

    @staticmethod
    def get_runners():
        found, work = set(), [ZephyrBinaryRunner]
        while work:
            for child in work.pop().__subclasses__():
                work.append(child)
                if not isabstract(child):
                    found.add(child)
        return found

    @classmethod
    @abc.abstractmethod
    def name(cls): ...

    @classmethod
    def capabilities(cls):
        return RunnerCaps()

    @classmethod
    def add_parser(cls, parser):
        caps = cls.capabilities()
        parser.add_argument("-i", "--dev-id", dest="dev_id")
        parser.add_argument("--dt-flash", default="n")
        parser.add_argument("--hex-file")
        parser.add_argument("--erase", "--no-erase", nargs=0, action=_Toggle)
        # Without the capability the option is there, and refused.
        if FORM != "3.4":
            parser.add_argument("--reset", "--no-reset", nargs=0, action=_Toggle, dest="reset")
        parser.add_argument("-O", "--tool-opt", dest="tool_opt", default=[], action="append")
        cls.do_add_parser(parser)

    @classmethod
    @abc.abstractmethod
    def do_add_parser(cls, parser): ...

    @classmethod
    def create(cls, cfg, args):
        caps = cls.capabilities()
        if args.dev_id and not caps.dev_id:
            raise ValueError(f"{cls.name()} doesn't support --dev-id option")
        if args.erase and not caps.erase:
            raise ValueError(f"{cls.name()} doesn't support --erase option")
        return cls.do_create(cfg, args)

    @classmethod
    @abc.abstractmethod
    def do_create(cls, cfg, args): ...

    def run(self, command, **kwargs):
        if command not in self.capabilities().commands:
            raise ValueError(f"runner {self.name()} does not implement command {command}")
        self.do_run(command, **kwargs)

    @abc.abstractmethod
    def do_run(self, command, **kwargs): ...

    @property
    def build_conf(self):
        with open(os.path.join(self.cfg.build_dir, "zephyr", ".config"), encoding="utf-8") as file:
            return dict(line.rstrip().split("=", 1) for line in file if line.startswith("CONFIG_"))

    @staticmethod
    def require(program):
        found = shutil.which(program)
        if found is None:
            raise MissingProgram(program)
        return found

    def call(self, command, **kwargs):
        return subprocess.call(command, **kwargs)

    def check_call(self, command, **kwargs):
        subprocess.check_call(command, **kwargs)

    def check_output(self, command, **kwargs):
        return subprocess.check_output(command, **kwargs)
