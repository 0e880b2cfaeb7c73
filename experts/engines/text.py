"""Text helpers that several engines share."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["StopMatcher", "words"]

_WORD = re.compile(r"\s*\S+\s*\Z|\s*\S+|\s+\Z")


def words(text: str) -> list[str]:
    """Pieces of a text, about a word each, which join to the text again."""
    return _WORD.findall(text)


class StopMatcher:
    """Cuts a streamed text at the first stop string.

    Text that may be the beginning of a stop string is held back until that is known, so nothing of
    a stop string is ever sent. The stop string that *ends* first wins, and the outcome does not
    depend on how the text was cut into pieces.
    """

    __slots__ = ("_held", "_stops", "stopped")

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.stopped = False

    def feed(self, text: str) -> str:
        """The text that may be sent now. After a stop string it is empty for ever."""
        if not self._stops:
            return text
        if self.stopped:
            return ""
        text = self._held + text
        found = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self.stopped = True
            self._held = ""
            return text[: min(found)[1]]
        keep = max(_overlap(text, stop) for stop in self._stops)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def flush(self) -> str:
        """What was held back, once no more text comes."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of ``text`` that is a proper beginning of ``stop``."""
    for size in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:size]):
            return size
    return 0
