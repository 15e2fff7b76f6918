"""Modelled time of drivers of our own, against Nordic's library in the same run on the same kind of board."""

from __future__ import annotations

from pathlib import Path

from benchmarks.flash_time import cases


def test_flashing_takes_the_share_of_the_librarys_time_that_it_may(jlink_library: Path) -> None:
    shares = {
        name: (spent.total / baseline, limit) for name, limit, baseline, spent in cases(jlink_library, False)
    }
    assert len(shares) == 4
    assert all(share <= limit for share, limit in shares.values()), shares
