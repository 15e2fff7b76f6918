"""Modelled time of drivers of our own, against Nordic's library in the same run on the same kind of board."""

from __future__ import annotations

from pathlib import Path

from benchmarks.flash_time import results


def test_flashing_takes_the_share_of_the_librarys_time_that_it_may(jlink_library: Path) -> None:
    found = {case.name: (case.limit, all_, ours) for case, all_, ours in results(jlink_library, assets=False)}
    assert len(found) == 5
    shares = {name: (ours.total / all_, limit) for name, (limit, all_, ours) in found.items()}
    assert all(share <= limit for share, limit in shares.values()), shares
    # 256 KiB and 1 MiB over a wire that takes 46 clocks of 4 MHz for each word, and nothing else.
    assert abs(found["nothing changed"][2].floor - 3.768) < 0.001
    assert all(ours.floor < ours.total for _, _, ours in found.values())
