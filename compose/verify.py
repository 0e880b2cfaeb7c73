"""When an answer counts as right, by name: ``verifier(response, answer) -> 0.0 or 1.0``."""

from __future__ import annotations

import re
from collections.abc import Callable

from experts.minis.verify import normalise

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_CHOICE = re.compile(r"\b([A-Z])\b")


def exact(response: str, answer: str) -> float:
    """The same text, but for space around it and a closing full stop; case counts."""
    return float(normalise(response, "exact") == normalise(answer, "exact"))


def folded(response: str, answer: str) -> float:
    """As ``exact``, whatever the case of the letters."""
    return float(normalise(response, "folded") == normalise(answer, "folded"))


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
    "folded": folded,
    "number": number,
    "choice": choice,
}
