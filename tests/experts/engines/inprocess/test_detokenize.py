from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from experts.engines.inprocess.detokenize import Vocabulary


@pytest.fixture(scope="module")
def byte_level(models: dict[str, Any]) -> Any:
    return AutoTokenizer.from_pretrained(models["llama"])


@pytest.fixture(scope="module")
def byte_fallback() -> Any:
    """As Llama 2's: words, blanks as U+2581, single bytes as <0x41>."""
    table = {"<unk>": 0, "\u2581he": 1, "llo": 2, "\u2581": 3, "\u2581world": 4}
    table |= {f"<0x{byte:02X}>": 5 + byte for byte in range(256)}
    tokenizer = Tokenizer(models.BPE(vocab=table, merges=[], byte_fallback=True, unk_token="<unk>"))
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


def stream(tokenizer: Any, tokens: list[int]) -> list[str]:
    text = Vocabulary(tokenizer).stream()
    return [*(text.feed(token) for token in tokens), text.flush()]


@given(st.text())
def test_any_text_comes_back_without_half_characters(byte_level: Any, text: str) -> None:
    pieces = stream(byte_level, byte_level(text)["input_ids"])
    assert "".join(pieces) == text
    if "\ufffd" not in text:
        assert all("\ufffd" not in piece for piece in pieces)


@given(st.lists(st.integers(0, 258)))
def test_any_tokens_give_what_the_tokenizer_decodes(byte_level: Any, tokens: list[int]) -> None:
    whole = byte_level.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert "".join(stream(byte_level, tokens)) == whole


@given(st.lists(st.sampled_from([1, 2, 3, 4, *(5 + b for b in "é漢😀".encode())])))
def test_window_agrees_with_the_tokenizer(byte_fallback: Any, tokens: list[int]) -> None:
    whole = byte_fallback.decode(tokens, clean_up_tokenization_spaces=False)
    if "\ufffd" not in whole:
        assert "".join(stream(byte_fallback, tokens)) == whole


def test_window_never_shows_half_a_character(byte_fallback: Any) -> None:
    pieces = stream(byte_fallback, [1, *(5 + b for b in "é漢😀".encode()), 4])
    assert "".join(pieces) == "heé漢😀 world"
    assert all("\ufffd" not in piece for piece in pieces)


def test_special_tokens_have_names_but_no_text(byte_level: Any) -> None:
    end = byte_level.convert_tokens_to_ids("<|end|>")
    assert stream(byte_level, [end]) == ["", ""]
    assert Vocabulary(byte_level).bytes_of(end) == b"<|end|>"


def test_tokens_beyond_the_tokenizer_are_empty(byte_level: Any) -> None:
    assert stream(byte_level, [263]) == ["", ""]
