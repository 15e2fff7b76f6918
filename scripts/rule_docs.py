"""Write docs/rules.md from the rules' own documentation."""

from __future__ import annotations

import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "docs" / "rules.md"


def main() -> None:
    # As a script this has its own folder on the path, not the project's.
    sys.path.insert(0, str(PROJECT))
    from west_qspi.check.rule import reported_rules
    from west_qspi.check.ruledocs import rules_markdown

    PAGE.write_text(rules_markdown(reported_rules().values()), encoding="utf-8", newline="\n")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
