"""What a device's list of images means, against lists written by hand after Zephyr's own flags."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.dfu.wire import image, make_set
from west_qspi.dfu.plan import plan_update
from west_qspi.dfu.state import (
    DeviceImage,
    Images,
    Situation,
    describe,
    judge,
    next_boot,
    running,
    runs_whole,
    waiting,
)
from west_qspi.dfu.updateset import Part, UpdateSet
from west_qspi.errors import NoSuchImage, NoVariant, OtherUpdatePending
from west_qspi.mcuboot import Version, parse_image

OLD, NEW = make_set("1.0.0"), make_set("1.1.0")


def listed(one: Part, slot: int, flags: str = "") -> DeviceImage:
    """Return an image as a device lists it; flags are their first letters: a, c, p, and P for permanent."""
    return DeviceImage(
        one.number,
        slot,
        one.version,
        one.digest,
        active="a" in flags,
        confirmed="c" in flags,
        pending="p" in flags,
        permanent="P" in flags,
    )


def device(*flags: str, first: UpdateSet = OLD, second: UpdateSet | None = NEW) -> Images:
    """Return a list: for each image the flags of its primary and, behind a slash, of its secondary slot."""
    found = []
    for number, words in enumerate(flags):
        primary, _, secondary = words.partition("/")
        found.append(listed(first.parts[number], 0, primary))
        if second is not None:
            found.append(listed(second.parts[number], 1, secondary))
    return tuple(found)


@pytest.mark.parametrize(
    ("flags", "situation"),
    [
        (("ac", "ac", "ac"), Situation.SETTLED),
        (("ac/p", "ac/p", "ac/p"), Situation.PENDING),
        (("ac/pP", "ac/pP", "ac/pP"), Situation.PENDING),
        (("a/c", "a/c", "a/c"), Situation.TESTING),
        (("ac/p", "ac", "ac"), Situation.HALF_MARKED),
        (("ac", "ac/p", "ac/p"), Situation.HALF_MARKED),
        (("a/c", "a/c", "ac"), Situation.HALF_CONFIRMED),
        (("ac", "a/c", "a/c"), Situation.HALF_CONFIRMED),
    ],
)
def test_how_a_device_stands_shows_without_any_package(flags: tuple[str, ...], situation: Situation) -> None:
    assert judge(device(*flags)).situation is situation
    assert judge(device(*flags)).situation.sound is (not situation.name.startswith(("HALF", "MIXED")))


def test_a_package_tells_more_than_versions() -> None:
    # What runs has a version for each image; of the set only image 1 is there, which could be all of it.
    mixed = tuple(listed(make_set(f"0.{each}.0").parts[each], 0, "ac") for each in (0, 1, 2))
    images = (*mixed, listed(NEW.parts[1], 1, "p"))
    assert judge(images).situation is Situation.PENDING
    assert judge(images, (NEW,)).situation is Situation.HALF_MARKED


def test_what_has_one_version_is_not_torn_apart_even_by_a_package_that_says_so() -> None:
    images = (*device("ac", "ac", "ac", second=None), listed(NEW.parts[1], 1, "p"))
    half = make_set("1.1.0", only=(1,))
    for known in ((), (half,)):
        judged = judge(images, known)
        assert judged.situation is Situation.HALF_MARKED
        assert [reason[:7] for reason in judged.reasons] == ["image 0", "image 2"]


def test_a_part_of_a_package_that_runs_alone_is_a_mixture() -> None:
    images = tuple(listed(each.parts[number], 0, "ac") for number, each in enumerate((NEW, OLD, OLD)))
    assert judge(images, (NEW,)).situation is Situation.MIXED
    assert judge(images, (NEW, OLD)).situation is Situation.MIXED
    assert judge(images).situation is Situation.SETTLED


def test_a_network_core_that_lists_nothing_in_its_primary_slot_is_not_missing() -> None:
    images = (listed(NEW.parts[0], 0, "ac"), listed(NEW.parts[1], 1), listed(NEW.parts[2], 0, "ac"))
    assert runs_whole(NEW, images)
    assert judge(images, (NEW,)).situation is Situation.SETTLED


def test_an_old_server_calls_only_the_application_active() -> None:
    images = device("ac/p", "c/p", "c/p")
    assert running(images).keys() == waiting(images).keys() == next_boot(images).keys() == {0, 1, 2}
    assert {each.slot for each in next_boot(images).values()} == {1}


def test_an_image_on_trial_with_nothing_to_go_back_to_stays() -> None:
    images = device("a", "a", "a", second=None)
    assert next_boot(images) == running(images)


def test_an_application_in_the_second_slot_is_what_runs() -> None:
    images = (listed(OLD.parts[0], 0), listed(NEW.parts[0], 1, "ac"))
    assert running(images)[0].slot == 1
    assert waiting(images)[0].slot == 0


def test_each_image_is_described_once_in_order() -> None:
    text = describe(tuple(reversed(device("ac/p"))), NEW)
    assert text == "image 0 slot 0: 1.0.0+0 (active confirmed); image 0 slot 1: 1.1.0+0 of this set (pending)"
    assert describe((), NEW) == "no image that it lists"


# --- the plan --------------------------------------------------------------------------------------


def test_the_application_is_uploaded_and_marked_last() -> None:
    plan = plan_update("device", device("ac", "ac", "ac", second=None), NEW)
    assert [part.number for part in plan.uploads] == [part.number for part in plan.marks] == [1, 2, 0]


def test_a_set_is_planned_by_what_is_there() -> None:
    images = (*device("ac", "ac", "ac", second=None), listed(NEW.parts[1], 1), listed(OLD.parts[2], 1))
    plan = plan_update("device", images, NEW)
    assert [part.number for part in plan.uploads] == [2, 0]
    assert [part.number for part in plan.present] == [1]
    assert plan.size == len(NEW.parts[0].data) + len(NEW.parts[2].data)


def test_of_direct_xip_twins_the_one_for_the_free_slot_is_taken() -> None:
    data = [image(0, version) for version in ("1.1.0", "1.1.1")]
    twins = UpdateSet(
        "twins.zip",
        tuple(
            Part(replace(OLD.parts[0].entry, slots=(slot,)), data[slot], parse_image(data[slot]))
            for slot in (0, 1)
        ),
    )
    first = (listed(OLD.parts[0], 0, "ac"),)
    second = (listed(OLD.parts[0], 1, "ac"),)
    assert plan_update("device", first, twins).uploads == (twins.parts[1],)
    assert plan_update("device", second, twins).uploads == (twins.parts[0],)
    with pytest.raises(NoVariant):
        plan_update("device", first, UpdateSet("half.zip", twins.parts[:1]))


def test_a_list_without_numbers_is_of_one_image() -> None:
    images = (replace(listed(OLD.parts[0], 0, "ac"), numbered=False),)
    with pytest.raises(NoSuchImage):
        plan_update("device", images, NEW)
    assert plan_update("device", images, make_set("1.1.0", only=(0,))).uploads == NEW.parts[:1]


def test_a_downgrade_that_is_marked_stops_what_already_runs() -> None:
    images = device("ac/p", "ac/p", "ac/p", first=NEW, second=OLD)
    with pytest.raises(OtherUpdatePending) as caught:
        plan_update("device", images, NEW)
    assert caught.value.version == str(Version(1, 0, 0))
