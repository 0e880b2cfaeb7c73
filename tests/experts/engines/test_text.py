from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from experts.engines.text import StopMatcher, words

letters = st.text(alphabet="ab", max_size=12)
stops = st.lists(st.text(alphabet="ab", min_size=1, max_size=4), max_size=3)


def cut(text: str, stops: list[str]) -> str:
    """The definition: read letter by letter, and cut at the stop string that is complete first."""
    for end in range(len(text) + 1):
        ended = [stop for stop in stops if text[:end].endswith(stop)]
        if ended:
            return text[: end - len(max(ended, key=len))]
    return text


@given(st.lists(letters, max_size=6), stops)
def test_cuts_at_the_first_stop_however_the_text_is_cut(
    pieces: list[str], stops: list[str]
) -> None:
    matcher = StopMatcher(stops)
    sent = "".join(matcher.feed(piece) for piece in pieces)
    if not matcher.stopped:
        sent += matcher.flush()
    assert sent == cut("".join(pieces), stops)


@given(st.lists(letters, max_size=6), stops)
def test_holds_back_no_more_than_it_must(pieces: list[str], stops: list[str]) -> None:
    matcher = StopMatcher(stops)
    sent, text = "", ""
    for piece in pieces:
        sent += matcher.feed(piece)
        text += piece
        if matcher.stopped:
            return
        held = text[len(sent) :]
        assert sent + held == text
        assert not held or any(len(held) < len(s) and s.startswith(held) for s in stops)


@given(st.text())
def test_words_join_to_the_text(text: str) -> None:
    assert "".join(words(text)) == text
