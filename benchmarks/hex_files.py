"""Time and memory of Intel HEX work against intelhex (what Zephyr's mergehex.py uses) and srec_cat.

Run it from the root of the project:

    python benchmarks/hex_files.py [--runs N]

It makes its own inputs, 1 MiB of internal flash and 8 MiB of external flash at 0x10120200, in a temporary
folder. Every figure but "parse, in process" is of a whole process: start, imports, reading, writing. The exit
status is 1 where a target is missed or a result is wrong. intelhex (pip install intelhex) and srec_cat (apt
install srecord) are left out, with a word about it, where they are not installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1 << 20
INTERNAL, EXTERNAL = 0x0000_0000, 0x1012_0200
INTERNAL_SIZE, EXTERNAL_SIZE = MIB, 8 * MIB
ROOT = Path(__file__).resolve().parent.parent

# Targets, in the order of the table.
FASTER_THAN_INTELHEX = 20
FASTER_THAN_SREC_CAT = 2
PARSE_MS_PER_MIB = 15
IMAGES_BESIDE_TEXT = 1.3

# A process counts as its own peak what its parent held when it started it; so a bare interpreter starts them.
LAUNCH = """
import os, sys, time
start = time.perf_counter()
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
print(time.perf_counter() - start, usage.ru_maxrss, os.waitstatus_to_exitcode(status))
"""
NOTHING = "pass"
IMPORTS = "import west_qspi.hexfile, west_qspi.firmware"
PARSE = """
import sys
from pathlib import Path
from west_qspi import hexfile
hexfile.read(Path(sys.argv[1]))
"""
MERGE = """
import sys
from pathlib import Path
from west_qspi import hexfile
from west_qspi.firmware import Firmware
first, second, result = map(Path, sys.argv[1:])
parts = [hexfile.read(first), hexfile.read(second)]
hexfile.write(result, Firmware.merged(item for part in parts for item in part.segments))
"""
MERGE_INTELHEX = """
import sys
from intelhex import IntelHex
first, second, result = sys.argv[1:]
merged = IntelHex()
for name in first, second:
    part = IntelHex(name)
    part.start_addr = None
    merged.merge(part, overlap="error")
merged.write_hex_file(result)
"""
PARSE_IN_PROCESS = """
import statistics, sys, time
from pathlib import Path
from west_qspi import hexfile
text = Path(sys.argv[1]).read_bytes()
seconds = []
for _ in range(7):
    start = time.perf_counter()
    hexfile.loads(text)
    seconds.append(time.perf_counter() - start)
print(statistics.median(seconds))
"""
COMPARE = """
import sys
from pathlib import Path
from west_qspi import hexfile
first, *others = ([(s.start, s.data) for s in hexfile.read(Path(name)).segments] for name in sys.argv[1:])
sys.exit(any(other != first for other in others))
"""


@dataclass
class Measured:
    """Seconds and peak memory (KiB) of the runs of one command."""

    seconds: list[float] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The middle one of the times."""
        return statistics.median(self.seconds)

    @property
    def peak(self) -> int:
        """The largest of the peaks, in bytes."""
        return max(self.peaks) * 1024


def make_inputs(folder: Path) -> None:
    """Write both inputs; in a process of its own, so that its memory does not show in what is measured."""
    source = random.Random(2024)
    for name, start, size in (
        ("internal", INTERNAL, INTERNAL_SIZE),
        ("external", EXTERNAL, EXTERNAL_SIZE),
    ):
        lines = [*data_lines(source, start, size), record(0, 1, b"")]
        (folder / f"{name}.hex").write_bytes(b"".join(lines))


def data_lines(source: random.Random, start: int, size: int) -> Iterator[bytes]:
    """Yield random, cleared and erased pieces with a few holes, as objcopy would write them."""
    content = bytearray()
    while len(content) < size:
        piece = source.randrange(1, 0x1000) * 16
        noise = source.randbytes(piece)
        content += source.choice((noise, noise, bytes(piece), b"\xff" * piece))
    holes = {source.randrange(1, size // 16) for _ in range(size // MIB)}
    base = None
    for row in range(size // 16):
        address = start + 16 * row
        if row in holes:
            continue
        if base != address >> 16:
            base = address >> 16
            yield record(0, 4, base.to_bytes(2, "big"))
        yield record(address & 0xFFFF, 0, bytes(content[16 * row : 16 * row + 16]))


def record(address: int, kind: int, data: bytes) -> bytes:
    values = bytes((len(data), *address.to_bytes(2, "big"), kind)) + data
    return f":{values.hex()}{-sum(values) & 0xFF:02x}\r\n".upper().encode()


def run(command: list[str], measured: Measured) -> None:
    launcher = [sys.executable, "-I", "-S", "-c", LAUNCH, *command]
    done = subprocess.run(launcher, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    seconds, peak, status = done.stdout.split()
    if int(status):
        raise SystemExit(f"failed with {int(status)}: {' '.join(command)}")
    measured.seconds.append(float(seconds))
    measured.peaks.append(int(peak))


def python(code: str, *arguments: Path) -> list[str]:
    return [sys.executable, "-c", code, *map(str, arguments)]


def measure(commands: dict[str, list[str]], runs: int) -> dict[str, Measured]:
    """Run all commands in turn, so that a busy moment of the machine hits them alike."""
    result = {name: Measured() for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            run(command, result[name])
    return result


def merge_commands(folder: Path) -> dict[str, list[str]]:
    """Return what merges the two inputs, by name; the result goes to a file of that name."""
    inputs = folder / "internal.hex", folder / "external.hex"
    commands = {"west_qspi": python(MERGE, *inputs, folder / "west_qspi.out")}
    if importlib.util.find_spec("intelhex"):
        commands["intelhex"] = python(MERGE_INTELHEX, *inputs, folder / "intelhex.out")
    else:
        print("intelhex is not installed: skipped")
    if srec_cat := shutil.which("srec_cat"):
        first, second = map(str, inputs)
        result = str(folder / "srec_cat.out")
        commands["srec_cat"] = [srec_cat, first, "-Intel", second, "-Intel", "-o", result, "-Intel"]
    else:
        print("srec_cat is not installed: skipped")
    return commands


def main() -> int:
    parser = argparse.ArgumentParser(description="Time and memory of Intel HEX work")
    parser.add_argument("--runs", type=int, default=5, help="runs of each command (default: 5)")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make_inputs(options.make)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return report(Path(folder), options.runs)


def report(folder: Path, runs: int) -> int:
    subprocess.run([sys.executable, __file__, "--make", str(folder)], check=True)
    external = folder / "external.hex"
    commands = merge_commands(folder)
    merged = measure(commands, runs)
    small = measure(
        {
            "nothing": python(NOTHING),
            "imports": python(IMPORTS),
            "parse": python(PARSE, external),
        },
        runs,
    )
    in_process = subprocess.run(python(PARSE_IN_PROCESS, external), cwd=ROOT, check=True, capture_output=True)
    same = subprocess.run(python(COMPARE, *(folder / f"{name}.out" for name in commands)), cwd=ROOT)

    print(f"\n{'whole process, median of ' + str(runs):32}{'ms':>9}{'peak MiB':>10}{'west_qspi is':>16}")
    own = merged["west_qspi"].median
    for name, item in merged.items():
        print(row(f"merge 1 + 8 MiB, {name}", item, f"{item.median / own:.1f}x as fast"))
    for name, item in small.items():
        print(row({"parse": "parse 8 MiB"}.get(name, name), item, ""))

    text, idle = external.stat().st_size, small["nothing"].peak
    both = INTERNAL_SIZE + EXTERNAL_SIZE
    targets = [
        at_most(
            "parse 8 MiB, in process, ms/MiB",
            float(in_process.stdout) * 1000 / (EXTERNAL_SIZE / MIB),
            PARSE_MS_PER_MIB,
        ),
        at_most(
            "parse 8 MiB, peak MiB over nothing",
            (small["parse"].peak - idle) / MIB,
            (text + IMAGES_BESIDE_TEXT * EXTERNAL_SIZE) / MIB,
        ),
        at_most(
            "merge, peak MiB over nothing",
            (merged["west_qspi"].peak - idle) / MIB,
            (text + IMAGES_BESIDE_TEXT * both) / MIB,
        ),
    ]
    for name, wanted in (("intelhex", FASTER_THAN_INTELHEX), ("srec_cat", FASTER_THAN_SREC_CAT)):
        if name in merged:
            targets.append(at_least(f"merge, times as fast as {name}", merged[name].median / own, wanted))
    print(f"\n{'target':40}{'is':>8}{'wanted':>12}")
    for name, value, limit, met in targets:
        print(f"{name:40}{value:8.1f}{limit:>12}  {'met' if met else 'MISSED'}")
    print("all merges have the same bytes" if not same.returncode else "the merges DIFFER")
    return int(bool(same.returncode) or not all(target[3] for target in targets))


def row(name: str, item: Measured, ratio: str) -> str:
    return f"{name:32}{item.median * 1000:9.0f}{item.peak / MIB:10.1f}{ratio:>16}"


def at_most(name: str, value: float, limit: float) -> tuple[str, float, str, bool]:
    return name, value, f"<= {limit:.1f}", value <= limit


def at_least(name: str, value: float, limit: float) -> tuple[str, float, str, bool]:
    return name, value, f">= {limit:.1f}", value >= limit


if __name__ == "__main__":
    sys.exit(main())
