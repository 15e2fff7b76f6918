"""Mutated files: readers end in their own kinds of errors only, and no rule stumbles over what they return.

The readers of sources themselves are in ``test_sources.py``, with their grammar.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from time import process_time

import pytest

from tests.helpers.mutation import mutated
from west_qspi.check.baseline import read_baseline
from west_qspi.check.engine import check_sources
from west_qspi.check.fixes import mended
from west_qspi.check.ignores import find_ignores
from west_qspi.check.parse.cmake import parse_cmake
from west_qspi.check.parse.dtsource import parse_dtsource
from west_qspi.check.parse.kconf import parse_kconf
from west_qspi.check.parse.kconfigfile import parse_selected
from west_qspi.check.parse.ldscript import parse_ldscript
from west_qspi.check.parse.manifest import parse_manifest
from west_qspi.check.report import github_lines, junit_text, result_json, text_lines
from west_qspi.check.rule import reported_rules
from west_qspi.check.sarif import sarif_text
from west_qspi.check.settings import Settings, load_settings
from west_qspi.errors import ConfigurationError, SettingsError
from west_qspi.extflash.configfile import Format, parse_config
from west_qspi.extflash.lint import check_config

Record = Callable[[str, object], None]

DATA = Path(__file__).parents[1] / "data" / "check"
SECONDS = 20

INI = (
    "[DEFAULT_CONFIGURATION]\n; Size in bytes.\nMemSize = 0x800000\nReadMode=READ4IO\nWriteMode = PP4IO\n"
    "AddressMode = BIT24\nFrequency = M16\nSpiMode = MODE0\nSckDelay = 0x80\n"
    "CustomInstructionIO2 = HIGH\nInitializationCustomInstruction = [0x06]\n"
    "InitializationCustomInstruction = [0x01, [0x40, 0x00]]\n"
)
JSON = (
    '{"firmware_config": {"peripheral": "QSPI"}, "pins": {"sck": 17, "csn": 18, "io0": 13},\n'
    '"flash_size": 8388608, "sck_frequency": 8000000, "address_mode": "MODE24BIT", "readoc": "READ4IO",\n'
    '"initialization_commands": [{"command": 6}, {"command": 1, "command_data": [64]}], "page_size": 256}\n'
)
TOML = (
    '[qspi]\nmem_size = 0x800000 # why\nread_mode = "READ4IO"\naddress_mode = "BIT24"\nfrequency = "M16"\n'
    "[[qspi.init]]\ncode = 0x06\n[[qspi.init]]\ncode = 1\ndata = [64, 0]\n"
)
MANIFEST = (
    "manifest:\n  remotes:\n    - name: ncs\n      url-base: https://example.org\n  projects:\n"
    "    - name: sdk-nrf\n      repo-path: sdk-nrf\n      revision: v2.6.1 # pinned\n      import: true\n"
)
KCONFIG = 'menu "m"\nconfig A\n\tbool "a"\n\tselect B if C\n\timply D\n\tdefault y\nendmenu\nsource "x"\n'
IGNORES = (
    "a: 1 # qspi-check: ignore[QX101, QX102] why\n// qspi-check: ignore[]\n"
    "/* qspi-check: ignore[QX1] so */ b\n; qspi-check: ignore[\n"
)


def read_config(format: Format) -> Callable[[str], None]:
    def read(text: str) -> None:
        lines = text.count("\n") + 1
        try:
            flash = parse_config(text, "f", format)
        except ConfigurationError as error:
            if not 0 <= error.line <= lines:
                raise AssertionError(error.line) from None
            return
        assert all(finding.text and finding.source.line <= lines for finding in check_config(flash))

    return read


def read_ignores(text: str) -> None:
    lines = text.count("\n") + 1
    assert all(1 <= item.spot.line <= lines for item in find_ignores(text, Path("f")))


FUZZED: dict[str, tuple[str, Callable[[str], object]]] = {
    "ini": (INI, read_config(Format.INI)),
    "json": (JSON, read_config(Format.JSON)),
    "toml": (TOML, read_config(Format.TOML)),
    "manifest": (MANIFEST, lambda text: parse_manifest(text, Path("f"))),
    "kconfigfile": (KCONFIG, lambda text: parse_selected(text, Path("f"))),
    "ignores": (IGNORES, read_ignores),
}


@pytest.mark.parametrize("kind", FUZZED)
def test_a_reader_survives_whatever_is_written(kind: str, record_property: Record) -> None:
    seed, read = FUZZED[kind]
    read(seed)
    dice, begun, inputs = random.Random(f"qspi-check {kind}"), process_time(), 5_000
    for _ in range(inputs):
        text = mutated(seed, dice)
        try:
            read(text)
        except BaseException as error:
            error.args = (*error.args, f"input: {text!r}")
            raise
    assert process_time() - begun < SECONDS
    record_property(f"count: mutated inputs read by {kind}", inputs)


LONG = 400_000
# What searching begins anew at each of, so that it takes the square of their number where it looks too far.
REPEATED = {
    "ignores": ("# qspi-check: ignore[", "# qspi-check: ", "#", "# qspi-check: ignore[a] */ "),
    "ldscript": ("MEMORY { A (x) : ORIGIN = ", "A (x) : o = 1, l = 1 ", "/*", "A(", " ", "1+"),
    "cmake": ("set(", "#[", "[=", "\\", '"', "a "),
    "dtsource": ("a{", "/*", "<(", "&{", "a:", '"', "/delete-node/ ", "#if\n", "\\\n", "a=<1>,"),
    "kconf": ("CONFIG_A", "# CONFIG_A is ", "CONFIG_A=", '\\"'),
    "manifest": ("- ", "name: ", "- name: nrf\n"),
    "kconfigfile": (" ", "config ", "select a\n"),
}
READERS: dict[str, Callable[[str, Path], object]] = {
    "ignores": find_ignores,
    "ldscript": parse_ldscript,
    "cmake": parse_cmake,
    "dtsource": parse_dtsource,
    "kconf": parse_kconf,
    "manifest": parse_manifest,
    "kconfigfile": parse_selected,
}


@pytest.mark.parametrize(("kind", "piece"), [(kind, each) for kind, all in REPEATED.items() for each in all])
def test_what_is_repeated_takes_no_more_than_its_length(kind: str, piece: str) -> None:
    begun = process_time()
    READERS[kind](piece * (LONG // len(piece)), Path("f"))
    # Those that took the square took 20 seconds and more.
    assert process_time() - begun < 5


@pytest.mark.parametrize("kind", ["settings", "baseline"])
def test_settings_and_baselines_end_in_their_own_error_only(
    tmp_path: Path, kind: str, record_property: Record
) -> None:
    entry = {"rule": "QX101", "path": "a/pm_static.yml", "text": "it says \u00e4"}
    texts = {
        "settings": 'select = ["QX1", "QX404"]\n[severity]\nQX101 = "note"\n[per-path]\n"a/**" = ["QX105"]\n',
        "baseline": json.dumps({"schema": 1, "type": "baseline", "findings": [entry, entry]}),
    }
    path = tmp_path / (".west-qspi.toml" if kind == "settings" else "known.json")
    dice, inputs, refused = random.Random(kind), 1_000, 0
    for _ in range(inputs):
        path.write_bytes(mutated(texts[kind], dice).encode("utf-8", "surrogatepass"))
        try:
            if kind == "settings":
                load_settings(tmp_path, reported_rules())
            else:
                read_baseline(path)
        except SettingsError:
            refused += 1
    assert 0 < refused < inputs
    record_property(f"count: mutated files of {kind}", inputs)


# --- all rules over all of an application ----------------------------------------------------------

CASES = sorted(path for path in DATA.glob("QX*/*") if not list(path.rglob("*.hex")))


def test_no_rule_stumbles_over_mutated_applications(tmp_path: Path, record_property: Record) -> None:
    dice, begun, inputs, findings = random.Random("applications"), process_time(), 0, 0
    folder = tmp_path / "app"
    for case in dice.sample(CASES, min(len(CASES), 120)):
        files = [path for path in case.rglob("*") if path.is_file() and path.name != "expect"]
        for _ in range(8):
            shutil.copytree(case, folder)
            changed = {}
            for path in dice.sample(files, min(len(files), 2)):
                text = mutated(path.read_bytes().decode("latin-1"), dice)
                changed[path.name] = text
                (folder / path.relative_to(case)).write_bytes(text.encode("utf-8", "surrogatepass"))
            try:
                findings += look_at(folder)
            except BaseException as error:
                error.args = (*error.args, f"{case}: {changed!r}")
                raise
            shutil.rmtree(folder)
            inputs += 1
    assert findings > inputs / 4
    assert process_time() - begun < SECONDS
    record_property("count: mutated applications checked", inputs)


def look_at(folder: Path) -> int:
    """Check an application and write all reports of it; return how much is found."""
    result = check_sources([folder], Settings(root=folder))
    for finding in result.findings:
        assert finding.text
        assert finding.spot.line >= 0
        if finding.spot.line:
            data = finding.spot.path.read_bytes()
            assert finding.spot.line <= len(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))
    list(text_lines(result, folder))
    list(github_lines(result, folder))
    json.dumps(result_json(result, folder))
    junit_text(result, folder)
    sarif_text(result, reported_rules(), folder)
    list(mended(result.findings))
    return len(result.findings)
