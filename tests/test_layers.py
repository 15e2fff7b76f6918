"""The picture of the layers in docs/architecture.md, held against the imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "west_qspi"

# Lower layers first; a module imports from its own layer (within one package or not) and below.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors",),
    ("events", "memory"),
    ("soc", "fileio", "processes", "_hexcolumns", "_hexrecord"),
    ("firmware",),
    ("hexfile", "elffile", "elfsections", "mcuboot", "trailer"),
    ("files", "journal"),
    ("build",),
    ("extflash",),
    ("looseimages", "plan", "sim"),
    ("targets",),
    ("probe", "nrfutil"),
    ("boot",),
    ("littlefs",),
    ("dfu",),
    ("data",),
    ("job",),
    ("preflight", "policy", "reading", "report", "areas", "loose"),
    ("settling",),
    ("preparation",),
    ("execution", "flasher", "runners", "render", "mapview"),
    ("work",),
    ("looserun",),
    ("fleet",),
    ("zephyr",),
    ("chipview", "dfuview", "updateview", "check"),
    ("console", "terminal"),
    ("commands",),
    ("__main__",),
)

ONLY_IN = {
    "west": "commands/west.py",
    "cryptography": "mcuboot",
    "intelhex": "firmware",
    "littlefs": "littlefs",
    "tomllib": "extflash",
    "tomli": "extflash",
    "pynrfjprog": "probe/child.py",
    "smpclient": "dfu/transport.py",
}

RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Yield every module name that a file imports, type-only ones left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            if node.module == "west_qspi":
                yield from ((f"west_qspi.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield str(node.module), node.lineno


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_only(path: Path) -> None:
    assert layer_of(path) in RANK, f"{layer_of(path)} has no layer: add it to LAYERS and to the picture"
    own = RANK[layer_of(path)]
    for name, line in imports(path):
        parts = name.split(".")
        if parts[0] == "west_qspi" and len(parts) > 1 and parts[1] != "__version__":
            assert RANK[parts[1]] <= own, f"{path}:{line}: {layer_of(path)} must not know {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_foreign_package_has_one_door(path: Path) -> None:
    where = path.relative_to(PACKAGE).as_posix()
    for name, line in imports(path):
        door = ONLY_IN.get(name.split(".")[0])
        assert door is None or where.startswith(door), f"{path}:{line}: only {door} may import {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_console_prints(path: Path) -> None:
    if layer_of(path) in ("console", "__main__"):
        pytest.skip("this is where printing belongs")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"{path}:{node.lineno}: prints"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sys":
            assert node.attr != "argv", f"{path}:{node.lineno}: reads sys.argv"
            assert node.attr != "exit" or layer_of(path) == "commands", f"{path}:{node.lineno}: exits"


def test_every_layer_exists() -> None:
    present = {layer_of(path) for path in modules()}
    assert present == set(RANK)
