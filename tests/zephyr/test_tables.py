"""What is known of Zephyr's runners, and which options one shot of them gets."""

from __future__ import annotations

import pytest

from west_qspi.zephyr.reach import erases_all_external, reach_of, reaches_external
from west_qspi.zephyr.tool import Offer

OLD = Offer(frozenset({"--erase", "--dev-id"}), frozenset({"dev_id", "erase"}))
NEW = Offer(
    frozenset({"--erase", "--dev-id", "--erase-mode", "--ext-erase-mode", "--no-reset"}),
    frozenset({"dev_id", "erase", "reset"}),
)


def test_every_shot_says_how_it_erases_where_that_can_be_said() -> None:
    assert NEW.options_for(None, external=False) == ["--erase-mode", "ranges", "--no-reset"]
    assert NEW.options_for("1", external=True, reset=True) == [
        *("--dev-id", "1", "--erase-mode", "ranges", "--ext-erase-mode", "ranges", "--reset"),
    ]
    assert NEW.options_for(None, external=True, erase=True) == [
        *("--erase-mode", "all", "--ext-erase-mode", "all", "--no-reset"),
    ]


def test_an_old_runner_gets_no_option_that_it_does_not_know() -> None:
    assert OLD.options_for("1", external=True, reset=True) == ["--dev-id", "1"]
    assert OLD.options_for(None, external=True, erase=True) == ["--erase"]


def test_a_runner_that_knows_no_boards_is_not_told_one() -> None:
    assert Offer(frozenset(), frozenset()).options_for("1", external=False) == []


@pytest.mark.parametrize(
    ("name", "arguments", "reached"),
    [
        ("nrfjprog", (), True),
        ("jlink", ("--device=nRF52840_xxAA",), False),
        ("jlink", ("--device=nRF52840_xxAA", "--loader=BankAddr=0x12000000&Loader=QSPI"), True),
        ("jlink", ("--loader", "x"), True),
        ("pyocd", (), False),
        ("openocd", (), False),
        ("probe-rs", (), False),
        ("unheard-of", (), False),
    ],
)
def test_who_reaches_external_flash(name: str, arguments: tuple[str, ...], reached: bool) -> None:
    assert reaches_external(name, arguments) is reached


def test_a_runner_that_nobody_knows_gets_everything_at_once() -> None:
    assert not reach_of("unheard-of").ranges
    assert reach_of("openocd").ranges


def test_zephyrs_nrfutil_erased_the_whole_chip_up_to_3_7() -> None:
    # Options of nrf_common.py in sdk-zephyr 3.4 and 3.7, in zephyr 4.0, and in 4.2.
    common = {"--softreset", "--snr", "--force", "--recover"}
    assert erases_all_external("nrfutil", common)
    assert not erases_all_external("nrfutil", common | {"--pinreset"})
    assert not erases_all_external("nrfutil", common | {"--pinreset", "--erase-mode", "--ext-erase-mode"})
    assert not erases_all_external("nrfjprog", common)
