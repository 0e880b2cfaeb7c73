"""Exact match, after a normalisation that is stated here and nowhere else.

Space around the answer and one closing period do not count. Letter case does not
count either, except where it is what was asked for (capital letters, chemical
symbols): such examples carry the verifier ``exact``, all others ``folded``.
"""

from experts.minis.data import Example


def normalise(text: str, verifier: str) -> str:
    """Return `text` as it is compared.

    Raises
    ------
    ValueError
        If `verifier` is neither ``exact`` nor ``folded``.
    """
    if verifier not in ("exact", "folded"):
        raise ValueError(f"unknown verifier {verifier!r}: expected 'exact' or 'folded'")
    text = " ".join(text.split())
    if len(text) > 1:
        text = text.removesuffix(".")
    return text if verifier == "exact" else text.casefold()


def verify(example: Example, answer: str) -> float:
    """Return 1.0 if `answer` is the example's answer, else 0.0."""
    expected = normalise(example.answer, example.verifier)
    return float(normalise(answer, example.verifier) == expected)


__all__ = ["normalise", "verify"]
