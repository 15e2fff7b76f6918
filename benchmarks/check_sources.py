"""Time of ``west qspi-check`` over an application, against west itself and an empty command of west's.

Run it from the root of the project:

    python benchmarks/check_sources.py [--runs N] [--app FOLDER] [--profile]

It makes a west workspace in a temporary folder, with git and the west of this Python, and an application of
one board of its own, four that are known, and a static partition file for each: 6 variants, about what a
product has. Every figure is of a whole process; the commands are run in turn. The target is for processor
time, user and system, which has no waiting for a busy machine in it. The exit status is 1 where it is missed.
``--app`` takes another application, and ``--profile`` shows where the time goes instead.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from workspace import make_workspace  # noqa: E402  (the path is set above)

MOST_MS_OVER_EMPTY = 110

EMPTY_COMMAND = """\
from west.commands import WestCommand


class Empty(WestCommand):
    def __init__(self):
        super().__init__("empty", "", "do nothing")

    def do_add_parser(self, parser_adder):
        return parser_adder.add_parser(self.name, help=self.help)

    def do_run(self, args, unknown):
        pass
"""
EMPTY_LIST = """\
west-commands:
  - file: empty.py
    commands:
      - name: empty
        class: Empty
        help: do nothing
"""
BOARDS = (
    *("nrf5340dk_nrf5340_cpuapp", "nrf52840dk_nrf52840", "thingy53_nrf5340_cpuapp", "xiao_ble"),
    "watch_nrf5340_cpuapp",
)
CHIP = """\
/ { chosen { nordic,pm-ext-flash = &flash0; }; };
&qspi {
    status = "okay";
    flash0: mx25r6435f@0 {
        compatible = "nordic,qspi-nor";
        reg = <0>;
        jedec-id = [c2 28 17];
        size = <67108864>;
        readoc = "read4io";
        writeoc = "pp4io";
        sck-frequency = <8000000>;
    };
};
"""


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def partitions() -> str:
    """Return static partitions of two slots for each of two images, and data behind them."""
    lines = []
    internal = [("mcuboot", 0x0, 0x10000), ("mcuboot_pad", 0x10000, 0x200), ("app", 0x10200, 0xD3E00)]
    external = [("mcuboot_secondary", 0x0, 0xD4000), ("mcuboot_primary_1", 0xD4000, 0x100000)]
    external += [("mcuboot_primary_1_pad", 0xD4000, 0x200), ("mcuboot_primary_1_app", 0xD4200, 0xFFE00)]
    external += [("mcuboot_secondary_1", 0x1D4000, 0x100000)]
    external += [(f"data_{number}", 0x2D4000 + number * 0x10000, 0x10000) for number in range(16)]
    for region, entries in (("flash_primary", internal), ("external_flash", external)):
        for name, address, size in entries:
            lines += [f"{name}:", f"  address: {address:#x}", f"  size: {size:#x}", f"  region: {region}"]
            lines.append(f"  end_address: {address + size:#x}")
    return "\n".join(lines) + "\n"


def make_application(folder: Path) -> None:
    symbols = "".join(f"CONFIG_SYMBOL_{number}=y\n" for number in range(150))
    put(folder / "prj.conf", symbols)
    put(folder / "sysbuild.conf", "SB_CONFIG_BOOTLOADER_MCUBOOT=y\n")
    put(folder / "sysbuild" / "mcuboot.conf", "CONFIG_NORDIC_QSPI_NOR=y\n")
    put(folder / "CMakeLists.txt", "cmake_minimum_required(VERSION 3.20)\nproject(app)\n")
    home = folder / "boards" / "acme" / "watch"
    put(home / "board.yml", "board:\n  name: watch\n")
    put(home / "watch_nrf5340_cpuapp.dts", f"/dts-v1/;\n{CHIP}")
    put(home / "support" / "qspi.ini", "[DEFAULT_CONFIGURATION]\nMemSize = 0x800000\nAddressMode = BIT24\n")
    for board in BOARDS:
        put(folder / f"pm_static_{board}.yml", partitions())
        if board != BOARDS[-1]:
            put(folder / "boards" / f"{board}.overlay", CHIP)
            put(folder / "sysbuild" / "mcuboot" / "boards" / f"{board}.overlay", CHIP)


def add_empty_command(product: Path) -> None:
    manifest = product / "west.yml"
    text = manifest.read_text(encoding="utf-8").rstrip("\n")
    manifest.write_text(f"{text}\n    west-commands: empty.yml\n", encoding="utf-8")
    put(product / "empty.yml", EMPTY_LIST)
    put(product / "empty.py", EMPTY_COMMAND)


def environment() -> dict[str, str]:
    # As users run it: with the byte code of the run before.
    left_out = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH")
    return {name: value for name, value in os.environ.items() if name not in left_out}


def timed(command: list[str], folder: Path) -> tuple[float, float]:
    """Run a command; return its processor time and what a clock on the wall says, in milliseconds."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    wall, after = perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    # 1 says that something was found.
    if done.returncode not in (0, 1):
        raise SystemExit(f"failed with {done.returncode}: {' '.join(command)}\n{done.stderr}")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent * 1000, wall * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description="Time of west qspi-check over an application")
    parser.add_argument("--runs", type=int, default=15, help="runs of each command (default: 15)")
    parser.add_argument("--app", type=Path, help="check this application, not the one that is made")
    parser.add_argument("--profile", action="store_true", help="show what takes the time of a check")
    options = parser.parse_args()
    if shutil.which("git") is None:
        raise SystemExit("git is needed: west fetches projects with it")
    with tempfile.TemporaryDirectory() as folder:
        app = options.app.resolve() if options.app else Path(folder) / "app"
        if options.app is None:
            make_application(app)
        return profile(app) if options.profile else report(Path(folder), app, options.runs)


def report(folder: Path, app: Path, runs: int) -> int:
    product = make_workspace(folder / "workspace")
    add_empty_command(product)
    python = sys.executable
    west = [python, "-m", "west"]
    commands = {
        "python -c pass": [python, "-c", "pass"],
        "west topdir": [*west, "topdir"],
        "west empty": [*west, "empty"],
        "west qspi-check": [*west, "qspi-check", str(app)],
        "west qspi-check, SARIF": [*west, "qspi-check", "--format", "sarif", str(app)],
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for number in range(runs + 1):
        for name, command in commands.items():
            taken = timed(command, product)
            if number:  # the first run writes byte code
                times[name].append(taken)
    spent = {name: statistics.median(item[0] for item in values) for name, values in times.items()}
    heads = f"{'CPU ms':>8}{'x topdir':>10}{'over empty':>12}{'wall ms':>9}{'min':>6}"
    print(f"{'median of ' + str(runs):26}{heads}")
    for name, median in spent.items():
        walls = [item[1] for item in times[name]]
        ratio, over = median / spent["west topdir"], median - spent["west empty"]
        wall = f"{statistics.median(walls):9.0f}{min(walls):6.0f}"
        print(f"{name:26}{median:8.0f}{ratio:10.2f}{over:12.0f}{wall}")
    over = spent["west qspi-check"] - spent["west empty"]
    met = over <= MOST_MS_OVER_EMPTY
    print(f"west qspi-check over west empty: {over:.0f} ms, wanted <= {MOST_MS_OVER_EMPTY}  ", end="")
    print("met" if met else "MISSED")
    return 0 if met else 1


def profile(app: Path) -> int:
    import cProfile
    import pstats
    from contextlib import redirect_stdout
    from io import StringIO

    profiler = cProfile.Profile()
    with redirect_stdout(StringIO()):
        profiler.enable()
        from west_qspi.__main__ import main as check

        check(["check", str(app)])
        profiler.disable()
    pstats.Stats(profiler).sort_stats("cumulative").print_stats(40)
    return 0


if __name__ == "__main__":
    sys.exit(main())
