"""What can be made to go wrong between a client and the firmware of a simulated board."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """The ``nth`` request of an operation, group and command ends with an error, and nothing is done.

    ``code`` is one of ``group``'s own, or with ``general`` one that is the same in all groups. ``nth``
    counts from 1, and 0 stands for every one. The operations are 0 to read and 2 to write.
    """

    operation: int
    group: int
    command: int
    code: int
    nth: int = 1
    general: bool = False


@dataclass(frozen=True)
class LinkFaults:
    """Requests count from 1, from when the faults were set; those that are lost count too.

    From request ``cut_request`` on nothing arrives; request ``cut_answer`` is carried out, but no answer
    leaves from there on. Such a cut lasts for ``cut_for`` requests, 0 for ever. Of every ``lose_every``
    requests one is lost, of every ``lose_answer_every`` answers one; each ``repeat_every``-th request arrives
    twice, so that there are two answers. ``delay`` seconds pass before each answer. The device resets when
    one of the requests ``resets`` arrives, which is then lost. 0 and an empty tuple are for no such fault.
    """

    cut_request: int = 0
    cut_answer: int = 0
    cut_for: int = 0
    lose_every: int = 0
    lose_answer_every: int = 0
    repeat_every: int = 0
    delay: float = 0.0
    resets: tuple[int, ...] = ()
    refusals: tuple[Refusal, ...] = ()

    def loses_request(self, number: int) -> bool:
        """Tell whether a request does not arrive."""
        return self._cut(self.cut_request, number) or _every(self.lose_every, number)

    def loses_answer(self, number: int) -> bool:
        """Tell whether the answer to a request does not arrive."""
        return self._cut(self.cut_answer, number) or _every(self.lose_answer_every, number)

    def repeats(self, number: int) -> bool:
        """Tell whether a request arrives twice."""
        return _every(self.repeat_every, number)

    def _cut(self, first: int, number: int) -> bool:
        return bool(first) and first <= number and (not self.cut_for or number < first + self.cut_for)


def _every(period: int, number: int) -> bool:
    return bool(period) and number % period == 0
