"""The process that holds the probe's library, so that a run can end it when it hangs or breaks.

It carries out what is asked for on one pipe and answers on another. Where the pipe is closed without a word
the run has died: the process ends itself, and with it all that the library has started.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from west_qspi.probe.wire import Call, Do, Failure, Reply, Request, Value, receive, send
from west_qspi.processes import end_myself, take_pipes

_FAMILY = "UNKNOWN"
"""Told a family that the device is not of, the library goes astray; to find out takes it 80 calls."""

_SETTINGS = {
    # By default the firmware of a probe is brought up to date without a word when it is connected.
    "jlink": {"auto_update_fw": False},
    # Every line costs a call back into Python.
    "log": {"dll": {"level": "ERROR"}},
}


class Library:
    """The vendor's library, opened once; one probe at a time."""

    def __init__(self) -> None:
        self._api: Any = None
        self._errors: Callable[[], list[str]] = list
        self._seen = 0

    def carry_out(self, request: Request) -> Reply:
        """Carry out calls until one fails."""
        values: list[Value] = []
        failure: Failure | None = None
        try:
            for call in request.calls:
                values.append(self._call(call))
        except Exception as error:
            failure = self._failure(error)
        return Reply(request.number, tuple(values), failure)

    def _call(self, call: Call) -> Value:
        if call.do is Do.OPEN:
            self._open(*call.arguments)
            return None
        return _WORK[call.do](self._api, *call.arguments)

    def _open(self, path: Value) -> None:
        from pynrfjprog import LowLevel

        api = LowLevel.API(_FAMILY, jlink_arm_dll_path=path, log=True)
        self._api, self._seen = api, 0
        # Each error would wait half a second for the log, and quote all that was ever written there.
        self._errors, api.get_errors = api.get_errors, list
        api.open()
        api.configure(_SETTINGS)

    def _failure(self, error: Exception) -> Failure:
        code = getattr(error, "err_code", None)
        if code is None:
            return Failure(None, (f"{type(error).__name__}: {error}",))
        lines = self._errors() if self._api is not None else []
        new, self._seen = lines[self._seen :], len(lines)
        return Failure(int(code), tuple(new))


def _connect_ip(api: Any, host: str, port: int, kilohertz: int) -> int:
    api.connect_to_emu_with_ip(host, port, 0, kilohertz)
    return int(api.read_connected_emu_snr())


def _start_qspi(
    api: Any,
    read: int,
    write: int,
    four_bytes: bool,
    long_page: bool,
    clock: int,
    spi_mode: int,
    delay: int,
    *pins: int,
) -> None:
    from pynrfjprog.Parameters import QSPIInitParams, QSPILevelIO

    high = QSPILevelIO.LEVEL_HIGH
    # SCK, CSN, IO0 to IO3; the library has the chip select first.
    ordered = (pins[1], pins[0], *pins[2:])
    places = [number for pin in ordered for number in (pin % 32, pin // 32)]
    api.qspi_init(
        False,
        QSPIInitParams(read, write, four_bytes, clock, spi_mode, delay, high, high, *places, 0, long_page),
    )


def _send_custom(api: Any, opcode: int, data: bytes, answered: bool) -> bytes | None:
    answer = api.qspi_custom(opcode, len(data) + 1, data or None, answered)
    return bytes(answer) if answer is not None else None


_WORK: Mapping[Do, Callable[..., Value]] = {
    Do.PROBES: lambda api: tuple(api.enum_emu_snr() or ()),
    Do.CONNECT: lambda api, serial, kilohertz: api.connect_to_emu_with_snr(serial, kilohertz),
    Do.CONNECT_IP: _connect_ip,
    Do.CONNECTED: lambda api: bool(api.is_connected_to_emu()),
    Do.FAMILY: lambda api, family: api.select_family(family),
    Do.SELECT: lambda api, core: api.select_coprocessor(core),
    Do.READ: lambda api, address, size: bytes(api.read(address, size)),
    # Without the library's own control of the flash's controller. It takes fewer calls than ``write_u32``.
    Do.WRITE: lambda api, address, data: api.write(address, data, False),
    Do.READ_PORT: lambda api, port, register: int(api.read_access_port_register(port, register)),
    Do.WRITE_PORT: lambda api, port, register, value: api.write_access_port_register(port, register, value),
    Do.RESET: lambda api: api.sys_reset(),
    Do.GO: lambda api: api.go(),
    Do.QSPI_START: _start_qspi,
    Do.QSPI_DELAY: lambda api, delay: api.qspi_set_rx_delay(delay),
    Do.QSPI_STOP: lambda api: api.qspi_uninit(),
    Do.QSPI_READ: lambda api, offset, size: bytes(api.qspi_read(offset, size)),
    Do.QSPI_WRITE: lambda api, offset, data: api.qspi_write(offset, data),
    Do.QSPI_ERASE: lambda api, offset, kind: api.qspi_erase(offset, kind),
    Do.QSPI_CUSTOM: _send_custom,
    Do.ERASE_PAGE: lambda api, address: api.erase_page(address),
    Do.PROGRAM: lambda api, address, data: api.write(address, data, True),
    Do.CLOSE: lambda api: api.close() if api is not None else None,
}


def _listen(stream: BinaryIO, waiting: queue.SimpleQueue[Request]) -> None:
    """Take requests while calls are under way, so that the end of the run is known at once."""
    while isinstance(request := receive(stream), Request):
        waiting.put(request)
    end_myself()


def main() -> None:
    """Carry out requests until the run closes the pipe."""
    requests, replies = take_pipes()
    waiting: queue.SimpleQueue[Request] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, waiting), daemon=True).start()
    library = Library()
    while True:
        send(replies, library.carry_out(waiting.get()))
