"""QX317: what MCUboot's own devicetree lacks once a project configures it."""

from __future__ import annotations

from collections.abc import Iterator

from west_qspi.check.model import Severity, Spot
from west_qspi.check.rule import DEVZONE, Hit, rule
from west_qspi.check.variant import Variant

_CODE = "zephyr,code-partition"


@rule("QX317", "mcuboot-code-partition-lost", Severity.ERROR, f"{DEVZONE}127194/")
def mcuboot_code_partition_lost(variant: Variant) -> Iterator[Hit]:
    """MCUboot is not linked into its own partition, as the project's files stand in for MCUboot's.

    With a folder ``sysbuild/mcuboot`` MCUboot's own ``app.overlay`` is not read any more, which chooses
    ``boot_partition``. Without Partition Manager the bootloader is then linked to where the board's choice
    has the application, and nothing starts; the log may end with "D: context_boot_go".

    Fix: choose ``boot_partition`` in the project's overlay for MCUboot.

    Bad:
        / { chosen { nordic,pm-ext-flash = &mx25r64; }; };
    Good:
        / { chosen { zephyr,code-partition = &boot_partition; }; };
    """
    if variant.sysbuild.on("SB_CONFIG_PARTITION_MANAGER") is not False or variant.has_mcuboot is not True:
        return
    own = [path for path in variant.mcuboot_overlays if path.parent.name in ("boards", "mcuboot")]
    files = [file for file in variant.dt_mcuboot.files if file.path in variant.mcuboot_overlays]
    if own and not any(file.chosen(_CODE) for file in files):
        text = f"MCUboot's own app.overlay is not read, and nothing here chooses {_CODE}"
        yield Hit(Spot(own[-1]), text, f"Add / {{ chosen {{ {_CODE} = &boot_partition; }}; }};")
