#!/usr/bin/env python3
"""Write ``docs/rules.md`` from the rules of ``west qspi-check``."""

from __future__ import annotations

import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from west_qspi.check.guide import guide  # noqa: E402
from west_qspi.check.rule import all_rules  # noqa: E402

if __name__ == "__main__":
    (PROJECT / "docs" / "rules.md").write_text(guide(all_rules()), encoding="utf-8")
