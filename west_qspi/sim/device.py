"""A simulated board with power: MCUboot at each reset, then an application that serves SMP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from threading import RLock

from west_qspi.build.model import UpdateMode
from west_qspi.errors import PowerLost, QspiError, TargetError
from west_qspi.sim.board import Board
from west_qspi.sim.linkfaults import LinkFaults
from west_qspi.sim.mcuboot import Booted, boot
from west_qspi.sim.slots import Area, FirmwareLayout
from west_qspi.sim.smp import OS, READ, WRITE, Code, Map, Refused, answer, cbor, field, parse_request, refusal
from west_qspi.sim.smpimages import ImageGroup
from west_qspi.sim.smpsettings import ServerSettings

_ECHO, _RESET, _PARAMETERS, _BOOTLOADER = 0, 5, 6, 8  # commands of the group os
_BUFFERS = 4
_QUERY_YIELDS_NO_ANSWER = 3
_MODES = {  # what the bootloader says of itself: enum mcuboot_mode
    UpdateMode.OVERWRITE: 2,
    UpdateMode.SWAP: 3,
    UpdateMode.DIRECT_XIP: 4,
    UpdateMode.DIRECT_XIP_REVERT: 5,
}


class Device:
    """A board that is switched on; it boots at once. All methods may be called from several threads.

    Power that is lost comes back at once, and the board starts again, unless ``power_returns`` is False;
    then ``power_cycle`` gives it back. ``faults`` are those of the link, and may be set at any time with
    ``set_faults``; those of the board itself are in ``Board.arm``. The application does not run, and nothing
    is answered, where MCUboot finds nothing to start, or where the halves of a split image that run are of
    different versions: it would crash. Raises UsageError for a layout that does not fit the board,
    PackageMissing without cbor2.
    """

    def __init__(
        self,
        board: Board,
        layout: FirmwareLayout,
        settings: ServerSettings | None = None,
        faults: LinkFaults | None = None,
        *,
        power_returns: bool = True,
    ) -> None:
        cbor()  # now, not when the first client comes
        self.board = board
        self.layout = layout
        self.settings = settings or ServerSettings()
        self.lock = RLock()
        self.booted: Booted | None = None
        self.boots: list[Booted] = []
        self._power_returns = power_returns
        self._commands: dict[tuple[int, int, int], Callable[[Map], Map]] = {}
        self._reset_due = False
        self.set_faults(faults)
        self.power_cycle()

    def set_faults(self, faults: LinkFaults | None = None) -> None:
        """Take other faults of the link, or none; requests count from 1 again."""
        with self.lock:
            self._faults = faults or LinkFaults()
            self.requests = 0
            self._seen: Counter[tuple[int, int, int]] = Counter()

    @property
    def runs(self) -> bool:
        """Tell whether the application runs."""
        return bool(self._commands)

    # --- power ---

    def power_cycle(self) -> None:
        """Take power away, give it back, and boot."""
        with self.lock:
            self._commands = {}
            self.board.power_cycle()
            self._boot()

    def reset(self) -> None:
        """Reset the SoC, and boot."""
        with self.lock:
            self._commands = {}
            self._boot()

    def _boot(self) -> None:
        self.booted = None
        while self.booted is None:
            try:
                self.booted = boot(self.board, self.layout)
            except PowerLost:
                if not self._power_returns:
                    break
                self.board.power_cycle()
            except TargetError:
                # Flash that cannot be changed: MCUboot gives up, and starts nothing.
                self.booted = Booted(None)
        self._reset_due = False
        if self.booted is not None:
            self.boots.append(self.booted)
            if self.booted.running is not None and self._halves_fit(self.booted.running):
                images = ImageGroup(self.board, self.layout, self.settings, self.booted.running)
                self._commands = {**images.commands, **self._os_commands}
        self.board.save()

    def _halves_fit(self, running: dict[int, int]) -> bool:
        """Compare the versions of a split image's halves; the external one is that of the same slot."""
        number = self.layout.external_number
        if number is None:
            return True
        place = running.get(0, 0)
        versions = set()
        for index in (place, 2 * number + place):
            slot = self.layout.slot(index)
            image = Area(self.board, slot).image() if slot is not None else None
            versions.add(image.version if image is not None and image.hash_ok is not False else None)
        return len(versions) == 1 and None not in versions

    # --- the group os ---

    @property
    def _os_commands(self) -> dict[tuple[int, int, int], Callable[[Map], Map]]:
        return {
            (WRITE, OS, _ECHO): lambda content: {"r": field(content, "d", str, "")},
            (READ, OS, _ECHO): lambda content: {"r": field(content, "d", str, "")},
            (WRITE, OS, _RESET): self._ask_for_reset,
            (READ, OS, _PARAMETERS): lambda _: {"buf_size": self.settings.buffer, "buf_count": _BUFFERS},
            (READ, OS, _BOOTLOADER): self._bootloader,
        }

    def _ask_for_reset(self, content: Map) -> Map:
        del content
        self._reset_due = True
        return {}

    def _bootloader(self, content: Map) -> Map:
        query = field(content, "query", str, "")
        if not query:
            return {"bootloader": "MCUboot"}
        if query != "mode":
            raise Refused(_QUERY_YIELDS_NO_ANSWER, OS)
        return {"mode": _MODES.get(self.layout.mode, -1)}

    # --- requests ---

    def handle(self, frame: bytes) -> list[bytes]:
        """Take what a client sent, and return what arrives of the answers."""
        with self.lock:
            self.requests += 1
            number, faults = self.requests, self._faults
            if number in faults.resets:
                self.reset()
                return []
            if not self.runs or faults.loses_request(number):
                return []
            times = 2 if faults.repeats(number) else 1
            answers = [self._carry_out(frame) for _ in range(times) if self.runs]
            self.board.flush()
            return [] if faults.loses_answer(number) else [each for each in answers if each is not None]

    def settle(self) -> None:
        """Do what was put off until the answer is out: the reset that a client asked for."""
        with self.lock:
            if self._reset_due:
                self.reset()

    @property
    def delay(self) -> float:
        """How many seconds pass before an answer."""
        return self._faults.delay

    def _carry_out(self, frame: bytes) -> bytes | None:
        # What does not fit the receive buffer is dropped before it is understood.
        request = parse_request(frame) if len(frame) <= self.settings.buffer else None
        if request is None:
            return None
        self._seen[request.key] += 1
        try:
            if request.problem is not None:
                raise Refused(request.problem)
            self._refuse(request.key)
            command = self._commands.get(request.key)
            if command is None:
                raise Refused(Code.NOT_SUPPORTED)
            return answer(request, command(request.content))
        except Refused as error:
            return answer(request, refusal(request, error))
        except PowerLost:
            self._commands = {}
            if self._power_returns:
                self.power_cycle()
            return None
        except QspiError:
            # What the driver of the flash would not do; mcumgr has one word for it.
            return answer(request, refusal(request, Refused(Code.UNKNOWN)))

    def _refuse(self, key: tuple[int, int, int]) -> None:
        for each in self._faults.refusals:
            if (each.operation, each.group, each.command) == key and each.nth in (0, self._seen[key]):
                raise Refused(each.code, None if each.general else each.group)
