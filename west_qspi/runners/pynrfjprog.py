"""The runner ``pynrfjprog``: a board behind a J-Link probe, reached through Nordic's library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.errors import AccessRefused, FlashBusy, LibraryMissing, ProbeFailed, TargetError, UsageError
from west_qspi.events import Noticed
from west_qspi.extflash.setup import FlashSetup
from west_qspi.journal import state_folder
from west_qspi.probe.access import find_layout, find_revision
from west_qspi.probe.choice import ProbeOptions, pick_several, probes
from west_qspi.probe.codes import RUNNER
from west_qspi.probe.controller import QspiController
from west_qspi.probe.direct import DirectTarget
from west_qspi.probe.jlink import Clock, JLink, RealClock, open_probe
from west_qspi.probe.layout import DEVICE_ID, device_name
from west_qspi.probe.link import Core
from west_qspi.probe.settings import QspiSettings
from west_qspi.probe.vendor import VendorController, VendorNvmc

if TYPE_CHECKING:
    from west_qspi.extflash.model import ExternalFlash
    from west_qspi.runners import Describe, RunnerOptions
    from west_qspi.soc import Soc

_SPEEDS = range(1, 50_001)


class ProbeTarget(DirectTarget):
    """A device behind a probe that is let go of with it."""

    def __init__(
        self, link: JLink, external: ExternalFlash | None, options: RunnerOptions, *, use_external: bool
    ) -> None:
        layout = find_layout(link)
        setup = FlashSetup.of(external, options.parts) if external is not None and use_external else None
        self._probe = link
        super().__init__(link, layout, setup, QspiSettings.of(external, layout.soc), options.parts)
        self._number: str | None = None

    @property
    def identity(self) -> str:
        """The device's own number: a board may be moved to another probe, and another one to this probe.

        A locked device does not tell it, and is named by the probe.
        """
        if Core.APPLICATION.value in self.protected:
            return self._probe.identity
        if self._number is None:
            data = self._probe.bus(Core.APPLICATION).read(DEVICE_ID[self.soc.name], 8)
            self._number = device_name(self.soc, data)
        return self._number

    @property
    def sample(self) -> int | None:
        """The revision of an engineering sample, None of a product, or where a locked device keeps it."""
        if self.protected:
            return None
        revision = find_revision(self._probe, self._layout)
        return revision if revision < self._layout.product else None

    def close(self) -> None:
        """Put back what was touched besides flash, and let go of device and probe."""
        try:
            super().close()
        finally:
            self._probe.close()


class VendorTarget(ProbeTarget):
    """One whose flash controllers are left to Nordic's library."""

    def __init__(
        self, link: JLink, external: ExternalFlash | None, options: RunnerOptions, *, use_external: bool
    ) -> None:
        super().__init__(link, external, options, use_external=use_external)
        internal = self._flash.internal
        internal.controllers = {
            core: VendorNvmc(link, core, partial(internal.bus, core)) for core in self._layout.nvmc
        }

    def _controller_with(self, settings: QspiSettings) -> QspiController:
        mode = self._setup.spi_mode if self._setup else 0
        return VendorController(self._probe, self._layout, settings, mode)


_ENGINES: Mapping[str, tuple[type[ProbeTarget], ...]] = {
    "auto": (ProbeTarget, VendorTarget),
    "direct": (ProbeTarget,),
    "vendor": (VendorTarget,),
}
# What another way of driving the same peripherals may not run into.
_CANNOT_START = (FlashBusy, ProbeFailed, AccessRefused)


class PynrfjprogRunner:
    """Reaches boards through Nordic's library, which must be installed; ``clock`` measures their work."""

    name = RUNNER

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or RealClock()

    def connect(
        self, soc: Soc, external: ExternalFlash | None, options: RunnerOptions, *, use_external: bool
    ) -> ProbeTarget:
        """Connect to the board behind the probe that the options name.

        Raises UsageError, RunnerUnavailable, what ``open_probe`` and ``open_direct`` raise.
        """
        return self._connect(external, options, lambda _: None, use_external=use_external)

    def identify(
        self, wires: ExternalFlash | None, options: RunnerOptions, describe: Describe
    ) -> ProbeTarget:
        """Connect to the board behind the probe that the options name, whichever SoC it has.

        Raises as ``connect`` does, and what ``describe`` raises.
        """
        return self._connect(wires, options, describe, use_external=False)

    def _connect(
        self,
        external: ExternalFlash | None,
        options: RunnerOptions,
        describe: Describe,
        *,
        use_external: bool,
    ) -> ProbeTarget:
        """Connect with one of the engines that may be used."""
        first, *others = _ENGINES[options.engine]
        for engine in others:
            try:
                return self._connect_by(first, external, options, describe, use_external=use_external)
            except _CANNOT_START as error:
                options.listen(Noticed("engine", f"{error}; going on with Nordic's own routines"))
                first = engine
        return self._connect_by(first, external, options, describe, use_external=use_external)

    def _connect_by(
        self,
        engine: type[ProbeTarget],
        external: ExternalFlash | None,
        options: RunnerOptions,
        describe: Describe,
        *,
        use_external: bool,
    ) -> ProbeTarget:
        link = open_probe(_probe_options(options), self._clock)
        try:
            target = engine(link, external, options, use_external=use_external)
            try:
                target.bring_up()
                _tell_sample(target, options)
                described = describe(target)
                if described is not None:
                    target.use_external(described)
            except BaseException:
                with suppress(TargetError):
                    target.close()
                raise
        except BaseException:
            link.close()
            raise
        return target

    def other_way(self, options: RunnerOptions) -> RunnerOptions | None:
        """Return the way over Nordic's own routines, where the user has not chosen one."""
        return replace(options, engine="vendor") if options.engine == "auto" else None

    def devices(self, options: RunnerOptions) -> tuple[str, ...]:
        """Return the serial numbers of the probes within reach. Raises RunnerUnavailable."""
        chosen = _probe_options(options)
        return (chosen.host,) if chosen.host is not None else probes(chosen)

    def boards(
        self, options: RunnerOptions, wanted: Sequence[str], *, every: bool
    ) -> dict[str, RunnerOptions]:
        """Return the boards behind the probes that are meant.

        Raises RunnerUnavailable, NoDevice, UsageError.
        """
        chosen = _probe_options(options)
        if chosen.host is not None:
            if wanted:
                raise UsageError("--ip names one probe, so it goes without several -i")
            return {chosen.host: options}
        serials = pick_several(probes(chosen), wanted, chosen, every=every)
        return {serial: replace(options, dev_id=serial) for serial in serials}

    def state_folder(self, options: RunnerOptions) -> Path | None:
        """Have journals kept in the user's own folder."""
        return None


def _tell_sample(target: ProbeTarget, options: RunnerOptions) -> None:
    sample = target.sample
    if sample is not None:
        text = f"the {target.soc.name} is an engineering sample, revision {sample}: it has its own anomalies"
        options.listen(Noticed("sample", f"{text}, also of flash and QSPI"))


def _probe_options(options: RunnerOptions) -> ProbeOptions:
    """Return what the options say of the probe. Raises UsageError, LibraryMissing."""
    if find_spec("pynrfjprog") is None:
        raise LibraryMissing(RUNNER, "the Python package 'pynrfjprog' is not installed")
    if options.speed is not None and options.speed not in _SPEEDS:
        raise UsageError(f"--speed {options.speed}: a number of kHz up to {_SPEEDS[-1]} is needed")
    chosen = ProbeOptions(
        options.dev_id,
        options.ip,
        options.speed,
        options.jlink_dll,
        options.choose,
        state_folder() / "probes",
    )
    return chosen if options.grace is None else replace(chosen, grace=options.grace)


def runner() -> PynrfjprogRunner:
    """Return the runner."""
    return PynrfjprogRunner()
