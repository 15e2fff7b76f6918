"""West manifests: which nRF Connect SDK they ask for, where, and what says nothing of it."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pytest

from west_qspi.check.model import Spot
from west_qspi.check.parse.manifest import SdkVersion, parse_manifest

PATH = Path("west.yml")


def release(text: str) -> tuple[int, int] | None:
    found = parse_manifest(text, PATH)
    return found.release if found else None


@pytest.mark.parametrize(
    "project",
    [
        "- name: sdk-nrf\n  revision: v2.9.0\n",
        "- name: nrf\n  remote: ncs\n  repo-path: sdk-nrf\n  revision: v2.9.0\n",
        "  -   name:   'nrf'\n      revision: \"v2.9.0\"  # pinned\n",
        "- name: ncs\n  url: https://github.com/nrfconnect/sdk-nrf.git\n  revision: 2.9.0\n",
        "- name: ncs\n  repo-path: sdk-nrf\n  revision: v2.9.1-rc2\n  import:\n    file: a\n",
        "- revision: v2.9\n  name: nrf\n",
        "- name: zephyr\n  revision: v4.0.0\n- name: nrf\n  revision: v2.9.0\n",
        "- name: nrf\n  url-base: https://example.com\nprojects:\n- name: sdk-nrf\n  revision: v2.9.0\n",
    ],
)
def test_the_release_of_the_sdk_is_found_in_every_shape(project: str) -> None:
    assert release(f"manifest:\n{project}") == (2, 9)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "manifest:\n",
        "- name: zephyr\n  revision: v4.0.0\n",
        "- name: nrf\n",
        "- name: nrf\n  revision: main\n",
        "- name: nrf\n  revision: 18682391decaaa989c362ec8c5b65fd6203a5fdb\n",
        "- name: nrf\n  revision: v9999.1.0\n",
        "- name: nrfxlib\n  revision: v2.9.0\n",
        "# - name: nrf\n#   revision: v2.9.0\n",
        "- name: nrf\n- revision: v2.9.0\n",
        "- name: nrf\n  revision: v\u0662.\u0669.0\n",
        "\0\x85\u2028",
    ],
)
def test_what_names_no_release_of_the_sdk_is_none(text: str) -> None:
    assert release(text) is None


def test_the_place_is_the_revisions() -> None:
    text = "manifest:\n  projects:\n    - name: nrf\n      revision: v3.1.0\n"
    assert parse_manifest(text, PATH) == SdkVersion(3, 1, Spot(PATH, 4, 17))


@pytest.mark.parametrize(
    "text",
    [
        " " * 1_000_000 + "x",
        "-" * 1_000_000,
        "name:" + " " * 1_000_000,
        "- name: nrf\n" * 90_000,
        "- name: nrf\n  revision: v" + "9" * 1_000_000,
        "- name: nrf\n  revision: v2.9.0-" + "a" * 1_000_000,
        "- name: " + "/" * 1_000_000 + "\n  revision: v2.9.0",
    ],
)
def test_hostile_manifests_take_time_by_their_length_only(text: str) -> None:
    begun = process_time()
    release(text)
    assert process_time() - begun < 2
