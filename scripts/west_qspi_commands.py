"""What west loads: puts the project on the path and hands out the command classes.

West appends this file's folder, not the project's, to ``sys.path``, and imports this file by its path.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from west_qspi.commands.west import (
    QspiCheck,
    QspiConfig,
    QspiDfu,
    QspiErase,
    QspiFlash,
    QspiInfo,
    QspiMap,
    QspiRead,
)

__all__ = [
    "QspiCheck",
    "QspiConfig",
    "QspiDfu",
    "QspiErase",
    "QspiFlash",
    "QspiInfo",
    "QspiMap",
    "QspiRead",
]
