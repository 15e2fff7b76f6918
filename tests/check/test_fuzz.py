"""Mutated files: every reader of a check ends in its own kind of error only, in bounded time."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from time import process_time

import pytest

from tests.helpers.mutation import mutated
from west_qspi.check.baseline import read_baseline
from west_qspi.check.code import Code
from west_qspi.check.devicetree import View
from west_qspi.check.ignores import find_ignores
from west_qspi.check.parse.cmake import parse_cmake
from west_qspi.check.parse.dtsource import parse_dtsource
from west_qspi.check.parse.kconf import parse_kconf
from west_qspi.check.parse.kconfigfile import parse_selected
from west_qspi.check.parse.ldscript import parse_ldscript
from west_qspi.check.parse.manifest import parse_manifest
from west_qspi.check.parse.pmfile import NotYaml, PmFile, parse_pm
from west_qspi.check.rule import reported_rules
from west_qspi.check.runners import default_runner, located_argument, runner_arguments, under_conditions
from west_qspi.check.settings import load_settings
from west_qspi.errors import ConfigurationError, SettingsError
from west_qspi.extflash.configfile import Format, parse_config
from west_qspi.extflash.lint import check_config

# Thousands of cases: coverage would make them twice as long, and sees their lines in other tests.
pytestmark = pytest.mark.no_cover

Record = Callable[[str, object], None]

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
KCONF = '# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_C="a # b"\nmcuboot_CONFIG_D=0x1000 # why\n#if X\n'
PM = (
    "app: &a {address: 0x10000, size: 0x1000, region: external_flash}\n"
    "b:\n  <<: *a\n  end_address: 0x2000\n  span: [app, c]\nc:\n  orig_span: &s\n  - app\n  span: *s\n"
    "  placement:\n    align: {start: 0x1000}\nd:\n"
)
DTS = (
    '#include "a.dtsi"\n/ { chosen { nordic,pm-ext-flash = &mx; }; /* c */ };\n&qspi { // c\n'
    ' mx: flash@0 { compatible = "nordic,qspi-nor"; reg = <0 (1 << 2)>; jedec-id = [c2 28 17]; flag; };\n'
    "#ifdef A\n /delete-node/ &old; /delete-property/ p;\n#endif\n};\n"
    "/delete-node/ &mx;\n&{/soc/a} { r = &{/soc}; };\n"
)
LD = (
    "MEMORY {\n#if defined(CONFIG_NCS_IS_VARIANT_IMAGE)\n"
    " EXTFLASH (wx) : ORIGIN = 0x10120200, LENGTH = 0xffe00\n"
    "#else\n EXTFLASH : org = (0x1000 + 2K), len = 1M - 010 /* c */\n#endif\n}\n"
)
CMAKE = (
    'cmake_minimum_required(VERSION 3.20)\n#[=[ c ]=]\nset(A "b \\" ${C}") # c\n'
    "zephyr_code_relocate(FILES a.c b.c LOCATION EXTFLASH_TEXT NOCOPY)\nif(A AND (B OR C))\nendif()\n"
)
KCONFIG = (
    "menuconfig A\n\tbool\n\tdefault y if B\n\tselect C\n\timply D if E\n\thelp\n\t  Words.\n\n"
    'config F\n\tstring\n\tdefault "f.ld"\n\nconfigdefault G\n\tdef_int 3\n\nsource "Kconfig.zephyr"\n'
)
MANIFEST = (
    "manifest:\n  remotes:\n    - name: nrf\n      url-base: https://github.com/nrfconnect\n  projects:\n"
    '    - name: "ncs"\n      repo-path: sdk-nrf # c\n      revision: v2.9.1-rc1\n      import: a\n'
    "    - {name: nrf, revision: v1}\n"
)
CODE = (
    '#include "xip.h"\n/* xip */ static int xip_on; // xip\nint f(void)\n{\n\treturn a_xip(1) /* c\n */;\n}\n'
)
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


def read_kconf(text: str) -> None:
    for setting in parse_kconf(text, Path("f")):
        assert setting.number is None or isinstance(setting.number, int)


def read_pm(text: str) -> None:
    found = understood(text)
    if isinstance(found, NotYaml):
        assert min(found.line, found.column) >= 1
        return
    for entry in found.entries:
        assert (entry.end is None) == (entry.address is None or entry.size is None)


def understood(text: str) -> PmFile | NotYaml:
    try:
        return parse_pm(text, Path("f"))
    except NotYaml as error:
        return error


def read_dts(text: str) -> None:
    source = parse_dtsource(text, Path("f"))
    lines = text.count("\n") + 1
    for node in source.walk():
        assert 1 <= node.spot.line <= lines
        for item in node.properties:
            assert (item.number is None) or item.number in item.numbers
            assert all(isinstance(word, str) for word in (*item.strings, item.reference or ""))
            assert item.data is None or isinstance(item.data, bytes)
    View((source, source)).chosen("nordic,pm-ext-flash")


def read_ld(text: str) -> None:
    lines = text.count("\n") + 1
    assert all(1 <= region.spot.line <= lines for region in parse_ldscript(text, Path("f")))


def read_cmake(text: str) -> None:
    lines = text.count("\n") + 1
    for call in parse_cmake(text, Path("f")):
        assert 1 <= call.spot.line <= lines
        call.after("FILES", ("LOCATION",))


def read_kconfigfile(text: str) -> None:
    assert all(symbol.startswith("CONFIG_") for symbol in parse_selected(text, Path("f")))


def read_manifest(text: str) -> None:
    found = parse_manifest(text, Path("f"))
    assert found is None or 1 <= found.spot.line <= text.count("\n") + 1


def read_code(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    lines = data.count(b"\n") + 1
    assert all(1 <= line.spot.line <= lines for line in Code(Path(), [(Path("f"), data)]).lines("xip"))


BOARD_CMAKE = (
    'if(EXISTS ${BOARD_DIR}/x.ini)\n board_runner_args(nrfjprog "--qspiini=${BOARD_DIR}/support/q.ini")\n'
    "elseif(CONFIG_BOARD_WATCH_NRF5340_CPUAPP OR CONFIG_BOARD_X)\n"
    ' board_runner_args(nrfutil "--ext-mem-config-file=${APP_DIR}/q.json")\nendif()\n'
    "board_set_flasher_ifnset(nrfutil)\ninclude(${ZEPHYR_BASE}/boards/common/nrfutil.board.cmake)\n"
)


def read_runners(text: str) -> None:
    calls = parse_cmake(text, Path("board.cmake"))
    found = [*runner_arguments(calls), *filter(None, [default_runner(calls)])]
    assert all(1 <= item.spot.line <= text.count("\n") + 1 for item in found)
    assert [call for call, _ in under_conditions(calls)] == list(calls)
    for item in found:
        assert all("$" not in str(path) for path in located_argument(item, Path("app"), (Path("board"),)))


FUZZED: dict[str, tuple[str, Callable[[str], object]]] = {
    "ini": (INI, read_config(Format.INI)),
    "json": (JSON, read_config(Format.JSON)),
    "toml": (TOML, read_config(Format.TOML)),
    "ignores": (IGNORES, read_ignores),
    "kconf": (KCONF, read_kconf),
    "pmfile": (PM, read_pm),
    "dtsource": (DTS, read_dts),
    "ldscript": (LD, read_ld),
    "cmake": (CMAKE, read_cmake),
    "kconfigfile": (KCONFIG, read_kconfigfile),
    "manifest": (MANIFEST, read_manifest),
    "code": (CODE, read_code),
    "runners": (BOARD_CMAKE, read_runners),
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
