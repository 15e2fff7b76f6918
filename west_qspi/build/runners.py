"""An image's ``runners.yaml``: which runner flashes it, with which file and which arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from west_qspi.build.textfile import line_of
from west_qspi.build.yamlfile import as_list, as_mapping, as_text, parse_yaml


@dataclass(frozen=True)
class RunnersConfig:
    """What Zephyr's build wrote for its runners; paths as the machine that built it wrote them."""

    runners: tuple[str, ...] = ()
    flash_runner: str | None = None
    hex_file: str | None = None
    bin_file: str | None = None
    args: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def parse_runners(text: str, path: Path) -> RunnersConfig:
    """Understand the text of a ``runners.yaml``; every key may be absent. Raises BrokenBuildFile."""
    content = as_mapping(parse_yaml(text, path), path, "the file")

    def section(key: str) -> Mapping[str, object]:
        value = content.get(key)
        return {} if value is None else as_mapping(value, path, f"'{key}'", line_of(text, key))

    def optional(source: Mapping[str, object], key: str) -> str | None:
        value = source.get(key)
        return None if value is None else as_text(value, path, f"'{key}'", line_of(text, key))

    names = as_list(content.get("runners"), path, "'runners'", line_of(text, "runners"))
    config = section("config")
    return RunnersConfig(
        tuple(str(name) for name in names),
        optional(content, "flash-runner"),
        optional(config, "hex_file"),
        optional(config, "bin_file"),
        {
            runner: tuple(str(arg) for arg in as_list(args, path, f"'args' of runner '{runner}'"))
            for runner, args in section("args").items()
        },
    )
