"""From tokens to text, one token at a time, without ever showing half a character."""

from __future__ import annotations

import codecs
import json
from typing import Any, Protocol

__all__ = ["TextStream", "Vocabulary"]

_MAX_HELD = 8
"""Tokens held back for a character that does not complete. No tokenizer spreads one over more."""


class TextStream(Protocol):
    def feed(self, token: int) -> str:
        """The text that this token completes; often "" inside a character."""

    def flush(self) -> str:
        """What is left when no more tokens come."""


class Vocabulary:
    """What the tokens of a tokenizer stand for.

    Byte-level tokenizers (GPT-2, Llama 3, Qwen, OLMo ...) are decoded by table, exactly and in
    under a microsecond a token; all others by asking the tokenizer about a short window.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder
        self._added = frozenset(added)
        # all_special_ids alone leaves out what only tokenizer.json calls special.
        marked = (token for token, content in added.items() if content.special)
        self._special = frozenset(tokenizer.all_special_ids).union(marked)
        self._byte_level = _is_byte_level(tokenizer)
        self._from_char = _byte_alphabet()
        self._known: dict[int, bytes] = {}

    def stream(self) -> TextStream:
        return _ByteStream(self) if self._byte_level else _WindowStream(self._tokenizer)

    def is_special(self, token: int) -> bool:
        return token in self._special

    def bytes_of(self, token: int) -> bytes:
        """The bytes of a token's text; of a special token, of its name."""
        known = self._known.get(token)
        if known is None:
            known = self._known[token] = self._look_up(token)
        return known

    def _look_up(self, token: int) -> bytes:
        piece = self._tokenizer.convert_ids_to_tokens(token)
        if piece is None:  # the model's vocabulary may be padded beyond the tokenizer's
            return b""
        if self._byte_level and token not in self._added:
            return bytes(self._from_char[char] for char in piece if char in self._from_char)
        if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
            return bytes([int(piece[3:5], 16)])
        text: str = piece
        return text.replace("\u2581", " ").encode()


class _ByteStream:
    __slots__ = ("_decoder", "_vocabulary")

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, token: int) -> str:
        if self._vocabulary.is_special(token):
            return ""
        return self._decoder.decode(self._vocabulary.bytes_of(token))

    def flush(self) -> str:
        return self._decoder.decode(b"", final=True)


class _WindowStream:
    """Decodes a window twice, without and with the newest tokens, and takes the difference.

    The window begins with tokens whose text was sent already, because what a token looks like
    (a leading blank, mostly) depends on the one before.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._window: list[int] = []
        self._sent = 0

    def _decode(self, tokens: list[int]) -> str:
        text: str = self._tokenizer.decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text

    def feed(self, token: int) -> str:
        self._window.append(token)
        return self._new_text(final=False)

    def flush(self) -> str:
        return self._new_text(final=True)

    def _new_text(self, final: bool) -> str:
        window = self._window
        before = self._decode(window[: self._sent])
        after = self._decode(window)
        held = len(window) - self._sent
        if after.endswith("\ufffd") and not final and held < _MAX_HELD:
            return ""
        if len(after) <= len(before):
            return ""
        self._window = window[self._sent :]
        self._sent = len(self._window)
        return after[len(before) :]


def _is_byte_level(tokenizer: Any) -> bool:
    decoder = getattr(getattr(tokenizer, "backend_tokenizer", None), "decoder", None)
    if decoder is None:
        return False
    state = json.loads(decoder.__getstate__())
    if state.get("type") == "Sequence":
        return [part.get("type") for part in state.get("decoders", ())] == ["ByteLevel"]
    return bool(state.get("type") == "ByteLevel")


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's table of printable stand-ins for the 256 bytes, inverted.

    Reference: openai/gpt-2, ``encoder.bytes_to_unicode``.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable}
    table.update({chr(256 + index): byte for index, byte in enumerate(others)})
    return table
