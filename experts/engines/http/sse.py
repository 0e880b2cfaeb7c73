"""Server-sent events, read as they come (WHATWG HTML, section 9.2.6)."""

from __future__ import annotations

from experts.errors import BadUpstream

BOM = b"\xef\xbb\xbf"


class EventReader:
    """Cuts a byte stream into the data of its events, however the stream was split.

    CR, LF and CRLF end a line; an event's ``data`` lines are joined by LF; comments and the other
    fields are skipped, and so are events without data. What follows the last blank line is not an
    event: ``rest`` says whether there is such a thing.

    Parameters
    ----------
    max_bytes : the longest event. Beyond it ``feed`` raises BadUpstream.
    """

    def __init__(self, max_bytes: int = 8 << 20) -> None:
        self.max_bytes = max_bytes
        self._buffer = bytearray()
        self._skip_lf = False
        self._started = False

    @property
    def rest(self) -> bool:
        """Whether an event has begun and not ended."""
        return bool(self._buffer.strip())

    def feed(self, data: bytes) -> list[bytes]:
        """The data of the events that these bytes complete."""
        buffer = self._buffer
        scanned = len(buffer)
        buffer += self._lines(data)
        end = buffer.rfind(b"\n\n", max(0, scanned - 1))
        if end < 0:
            self._check(len(buffer))
            return []
        blocks = bytes(buffer[:end])
        del buffer[: end + 2]
        self._check(len(buffer))
        if not self._started:
            self._started = True
            blocks = blocks.removeprefix(BOM)
        events = []
        for block in blocks.split(b"\n\n"):
            self._check(len(block))
            if block.startswith(b"data: ") and b"\n" not in block:
                events.append(block[6:])
            elif (event := _data(block)) is not None:
                events.append(event)
        return events

    def _lines(self, data: bytes) -> bytes:
        """The same lines, each ended by LF."""
        if self._skip_lf and data:
            data = data.removeprefix(b"\n")
            self._skip_lf = False
        if b"\r" in data:
            self._skip_lf = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data

    def _check(self, length: int) -> None:
        if length > self.max_bytes:
            raise BadUpstream(f"An event of the upstream exceeds {self.max_bytes} bytes.")


def _data(block: bytes) -> bytes | None:
    lines = []
    for line in block.split(b"\n"):
        name, _, value = line.partition(b":")
        if name == b"data":
            lines.append(value.removeprefix(b" "))
    return b"\n".join(lines) if lines else None
