"""Intel HEX to and from firmware: strict, and fast because equal lines are taken thousands at a time.

Source of the format: Intel, "Hexadecimal Object File Format Specification", revision A, 1988. Beyond the
letter of it the reader accepts lines that end in LF or CR LF, in any mixture; lower case digits; addresses in
any order; and after the end-of-file record no line end, or any white space. Nothing else.

Where other readers disagree about what a file means, it is refused: data that crosses the end of a 64 KiB
segment under a type 02 record (some wrap around, some go on), and a type 02 and a type 04 base at the same
time (some add them, some take the later). A start address (types 03 and 05) is checked and left out: nothing
here runs from it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from west_qspi._hexcolumns import PAGE, ROW, decode, encode
from west_qspi._hexrecord import BadRecord, Kind, Record, parse
from west_qspi.errors import HexError
from west_qspi.fileio import opened, replace_bytes
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.memory import Range

_SPACE = 1 << 32
_BLANK = b" \t\r\n"
# Text held at a time, so that a file takes hardly more memory than what is in it.
_BLOCK = 1 << 20
# Lines taken at a time: enough that calls do not count, few enough to stay in the processor's cache.
_MOST = 4096
# After lines of changing shape so few are tried, until a run of equal ones makes it more again.
_FEWEST = 8


def loads(data: bytes, path: str = "<hex>", origin: Origin | None = None) -> Firmware:
    """Read the text of an Intel HEX file; one with no data records gives a firmware without segments.

    ``path`` is how errors name the file, and the origin's file where no ``origin`` is given. Raises HexError
    with the line.
    """
    return _firmware([data], path, origin)


def load(stream: BinaryIO, path: str, origin: Origin | None = None) -> Firmware:
    """Read Intel HEX from an open file, as ``loads`` does from its text. Raises HexError."""
    return _firmware(_whole_lines(stream), path, origin)


def dumps(firmware: Firmware) -> bytes:
    """Return the text of an Intel HEX file: type 04 bases, at most 16 data bytes a record, upper case, LF.

    Records begin at multiples of 16, so that none crosses a 64 KiB page. The line end is LF on every system,
    so that one firmware gives one text. Addresses must be below 4 GiB.
    """
    return b"".join(_pieces(firmware))


def read(path: Path, image: str | None = None) -> Firmware:
    """Read an Intel HEX file that belongs to ``image``. Raises FileUnreadable and HexError."""
    with opened(path) as stream:
        return load(stream, str(path), Origin(str(path), image))


def write(path: Path, firmware: Firmware) -> None:
    """Write an Intel HEX file as ``dumps`` makes it, whole or not at all. Raises FileUnwritable."""
    replace_bytes(path, _pieces(firmware))


def _whole_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the text in blocks that end where a line does."""
    while block := stream.read(_BLOCK):
        yield block + stream.readline()


def _firmware(texts: Iterable[bytes], path: str, origin: Origin | None) -> Firmware:
    reader = _Reader()
    try:
        for text in texts:
            reader.read(text)
        reader.finish()
    except BadRecord as error:
        raise HexError(path, reader.line, str(error)) from None
    return reader.firmware(origin or Origin(path))


class _Reader:
    """What the records so far add up to: the base in force, and the bytes by address."""

    def __init__(self) -> None:
        self.line = 0  # the last one taken, which is the one that an error is about
        self._blanks = 0
        self._ended = False
        self._base = 0
        self._segmented = False
        self._start_given = False
        self._reach = _MOST
        # Runs of bytes by their first address, disjoint. BytesIO hands out its bytes without copying them.
        self._starts: list[int] = []
        self._runs: list[BytesIO] = []
        self._next = 0

    def read(self, text: bytes) -> None:
        """Take whole lines. Raises BadRecord for the one in ``line``."""
        at = 0
        while at < len(text):
            end = text.find(b"\n", at) + 1 or len(text)
            record = self._record(text[at:end].removesuffix(b"\n").removesuffix(b"\r"))
            if record and record.kind is Kind.DATA and record.data:
                end += self._equal_lines(text, end, end - at, record)
            at = end

    def finish(self) -> None:
        """Refuse a text that ends too early. Raises BadRecord for the line in ``line``."""
        if not self._ended:
            self.line = max(self.line - self._blanks, 1)
            raise BadRecord("there is no end-of-file record (type 01) after this line")

    def firmware(self, origin: Origin) -> Firmware:
        """Return all bytes so far."""
        pairs = zip(self._starts, self._runs, strict=True)
        return Firmware.merged(Segment(start, run.getvalue(), origin) for start, run in pairs)

    def _record(self, line: bytes) -> Record | None:
        """Take the next line; the record in it, or None for a blank one."""
        self.line += 1
        if not line.strip(_BLANK):
            self._blanks += 1
            return None
        if self._ended:
            raise BadRecord("there is something after the end-of-file record")
        if self._blanks:
            self.line -= self._blanks
            raise BadRecord("blank line between records")
        record = parse(line)
        self._take(record)
        return record

    def _equal_lines(self, text: bytes, at: int, stride: int, record: Record) -> int:
        """Take the lines that go on like ``record``, the one before; return how many characters they are."""
        length = len(record.data)
        most = min(self._reach, self._room // length)
        data = decode(text, at, stride, record.address + length, most)
        self._add(data)
        lines = len(data) // length
        self.line += lines
        self._reach = max(_FEWEST, min(_MOST, 2 * lines))
        return lines * stride

    def _take(self, record: Record) -> None:
        """Do what one record says. Raises BadRecord where it does not fit those before."""
        if record.kind is Kind.DATA:
            self._take_data(record)
        elif record.kind is Kind.END_OF_FILE:
            self._ended = True
        elif record.kind in (Kind.SEGMENT_ADDRESS, Kind.LINEAR_ADDRESS):
            self._take_base(int.from_bytes(record.data, "big"), record.kind is Kind.SEGMENT_ADDRESS)
        elif self._start_given:
            raise BadRecord("a second start address (type 03 or 05)")
        else:
            self._start_given = True

    @property
    def _room(self) -> int:
        """How many bytes can follow the last ones before they meet others or the end of the addresses."""
        above = bisect_right(self._starts, self._next)
        if above and self._end(above - 1) > self._next:
            return 0
        return (self._starts[above] if above < len(self._starts) else _SPACE) - self._next

    def _add(self, data: bytes) -> None:
        """Put bytes, for which there is room, behind the last ones."""
        above = bisect_right(self._starts, self._next)
        if above and self._end(above - 1) == self._next:
            self._runs[above - 1].write(data)
        elif data:
            self._starts.insert(above, self._next)
            self._runs.insert(above, BytesIO())
            self._runs[above].write(data)
        self._next += len(data)

    def _end(self, index: int) -> int:
        return self._starts[index] + self._runs[index].tell()

    def _take_base(self, value: int, segmented: bool) -> None:
        if self._base and segmented is not self._segmented:
            new, old = ("02", "04") if segmented else ("04", "02")
            raise BadRecord(f"a base of type {new} while one of type {old} is in force ({self._base:#010x})")
        self._base = value << (4 if segmented else 16)
        self._segmented = segmented

    def _take_data(self, record: Record) -> None:
        end = record.address + len(record.data)
        if self._segmented and end > PAGE:
            raise BadRecord(f"the data crosses the end of its 64 KiB segment at {self._base + PAGE:#010x}")
        if self._base + end > _SPACE:
            raise BadRecord("the data crosses the end of the 32-bit addresses")
        self._next = self._base + record.address
        if len(record.data) > self._room:
            raise BadRecord(self._overlap(record.data))
        self._add(record.data)

    def _overlap(self, data: bytes) -> str:
        """Say what is wrong with bytes whose place is taken."""
        given = Range(self._next, len(data))
        before = Firmware.merged(self.firmware(Origin("")).pieces(given))
        for piece in before.segments:
            here = data[piece.start - given.start :]
            for index, (old, new) in enumerate(zip(piece.data, here, strict=False)):
                if old != new:
                    at = piece.start + index
                    return f"{at:#010x} was given before, and as {old:#04x}, not {new:#04x}"
        return f"{before.segments[0].start:#010x} was given before, with the same bytes"


def _pieces(firmware: Firmware) -> Iterator[bytes]:
    """Yield the text of an Intel HEX file, a page of 64 KiB or less at a time."""
    base = None
    for segment in firmware.segments:
        for part in segment.range.pieces(PAGE):
            if base != part.start // PAGE:
                base = part.start // PAGE
                yield _line(Kind.LINEAR_ADDRESS, 0, base.to_bytes(2, "big"))
            yield from _page(part.start % PAGE, segment.cut(part).data)
    yield _line(Kind.END_OF_FILE, 0, b"")


def _page(address: int, data: bytes) -> Iterator[bytes]:
    head = min(-address % ROW, len(data))
    tail = (len(data) - head) % ROW
    if head:
        yield _line(Kind.DATA, address, data[:head])
    if head + tail < len(data):
        yield encode(address + head, data[head : len(data) - tail])
    if tail:
        yield _line(Kind.DATA, address + len(data) - tail, data[len(data) - tail :])


def _line(kind: Kind, address: int, data: bytes) -> bytes:
    record = bytes((len(data), *address.to_bytes(2, "big"), kind)) + data
    return b":%s\n" % (record + bytes([-sum(record) & 0xFF])).hex().upper().encode()
