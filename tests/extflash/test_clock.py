"""The clocks that the SoCs can make, and what nrfjprog's names stand for on each of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from west_qspi.extflash.clock import CODES, SAFE, actual_clock, code_clocks, code_of, fastest_code
from west_qspi.extflash.model import ExternalFlash, Kind
from west_qspi.soc import NRF5340, NRF52840, Soc

MHZ = 1_000_000
SOCS = st.sampled_from([NRF5340, NRF52840])
FILES_OF_NRFJPROG = [Kind.INI, Kind.TOML]
OTHERS = [kind for kind in Kind if kind not in FILES_OF_NRFJPROG]


def flash(kind: Kind, megahertz: int | None) -> ExternalFlash:
    return ExternalFlash(kind, "f", frequency=None if megahertz is None else megahertz * MHZ)


@pytest.mark.parametrize("code", CODES)
def test_the_nrf52840s_names_are_the_clocks(code: str) -> None:
    """Its QSPI makes 32 MHz / (SCKFREQ + 1), SCKFREQ from 0 to 15: 2 to 32 MHz (Product Specification)."""
    megahertz = int(code[1:])
    possible = 32 % megahertz == 0 and 2 <= megahertz <= 32
    assert code_clocks(NRF52840).get(code) == (megahertz * MHZ if possible else None)


def test_the_nrf5340_makes_only_what_its_divider_can() -> None:
    """Its QSPI makes 192 MHz / (2 * (SCKFREQ + 1)), SCKFREQ from 0 to 15: 6 to 96 MHz."""
    possible = {96 * MHZ // (divider + 1) for divider in range(16)}
    assert set(code_clocks(NRF5340).values()) <= possible


@pytest.mark.parametrize(
    ("code", "megahertz"),
    [("M2", 6), ("M4", 12), ("M8", 8), ("M16", 16), ("M32", 32), ("M64", None), ("M96", 96)],
)
def test_names_that_are_no_clock_of_the_nrf5340_make_another_one_or_none(
    code: str, megahertz: int | None
) -> None:
    """Read off the registers that nrfjprog 10.24.2 writes."""
    assert code_clocks(NRF5340).get(code) == (megahertz * MHZ if megahertz else None)


@pytest.mark.parametrize("kind", FILES_OF_NRFJPROG)
@pytest.mark.parametrize(
    ("soc", "nominal", "actual"),
    [
        (NRF5340, 2, 6),
        (NRF5340, 4, 12),
        (NRF5340, 16, 16),
        (NRF5340, 64, None),
        (NRF52840, 2, 2),
        (NRF52840, 64, None),
        (NRF52840, 96, None),
        (NRF52840, None, None),
    ],
)
def test_in_nrfjprogs_files_a_clock_is_a_name(
    kind: Kind, soc: Soc, nominal: int | None, actual: int | None
) -> None:
    assert actual_clock(flash(kind, nominal), soc) == (actual * MHZ if actual else None)


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("soc", [NRF5340, NRF52840])
def test_everywhere_else_a_clock_is_what_it_says(kind: Kind, soc: Soc) -> None:
    assert actual_clock(flash(kind, 2), soc) == 2 * MHZ
    assert actual_clock(flash(kind, 64), soc) == 64 * MHZ
    assert actual_clock(flash(kind, None), soc) is None


def test_the_name_of_a_frequency() -> None:
    assert [code_of(int(code[1:]) * MHZ) for code in CODES] == list(CODES)


@pytest.mark.parametrize(
    ("soc", "limit", "code"),
    [
        (NRF5340, 8, "M8"),
        (NRF5340, 15, "M4"),  # M4 makes 12 MHz there, which is the fastest below 16
        (NRF5340, 7, "M2"),
        (NRF5340, 5, "M2"),  # none is slow enough, so the slowest
        (NRF5340, 133, "M32"),
        (NRF52840, 8, "M8"),
        (NRF52840, 15, "M8"),
        (NRF52840, 1, "M2"),
        (NRF52840, 133, "M32"),
    ],
)
def test_the_fastest_name_within_a_limit(soc: Soc, limit: int, code: str) -> None:
    assert fastest_code(soc, limit * MHZ) == code


@given(SOCS, st.integers(1, 200 * MHZ))
@settings(derandomize=True, deadline=None)
def test_the_fastest_name_is_safe_and_nothing_between_it_and_the_limit_is(soc: Soc, limit: int) -> None:
    clocks = code_clocks(soc)
    chosen = clocks[fastest_code(soc, limit)]
    allowed = [clock for clock in clocks.values() if clock <= min(limit, SAFE)]
    assert chosen == (max(allowed) if allowed else min(clocks.values()))
    assert chosen <= SAFE == 32 * MHZ
