"""When an answer counts as right, by name: ``verifier(response, answer) -> 0.0 or 1.0``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_CHOICE = re.compile(r"\b([A-Z])\b")


def normalised(text: str) -> str:
    """Without surrounding space, a closing full stop, and differences of Unicode form."""
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    return text[:-1].rstrip() if text.endswith(".") else text


def exact(response: str, answer: str) -> float:
    """The same text after :func:`normalised`; case counts."""
    return float(normalised(response) == normalised(answer))


def exact_any_case(response: str, answer: str) -> float:
    """The same text after :func:`normalised`, whatever its case."""
    return float(normalised(response).casefold() == normalised(answer).casefold())


def number(response: str, answer: str) -> float:
    """The last number in the response equals the answer."""
    found = _NUMBER.findall(response)
    if not found:
        return 0.0
    try:
        return float(float(found[-1].replace(",", "")) == float(answer.replace(",", "")))
    except ValueError:
        return 0.0


def choice(response: str, answer: str) -> float:
    """The last capital letter that stands alone is the answer (multiple choice)."""
    found = _CHOICE.findall(response)
    return float(bool(found) and found[-1] == answer.strip())


VERIFIERS: dict[str, Callable[[str, str], float]] = {
    "exact": exact,
    "exact_any_case": exact_any_case,
    "number": number,
    "choice": choice,
}
