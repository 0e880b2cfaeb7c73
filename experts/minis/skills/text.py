"""Text manipulation: letters of words that were never seen in training."""

from collections.abc import Callable
from random import Random

from experts.minis.skills.task import Draw, Mark, Task
from experts.minis.skills.words import ORDINALS, word

# Beside "the word w" itself: other names for it, so that "word" does not give the skill away.
_CALLED = ("{w}", "{w}", '"{w}"', "the word {w}", "the text {w}", "the name {w}", "'{w}'")


def _quoted(rng: Random, drawn: str) -> str:
    return rng.choice(_CALLED).format(w=drawn)


def _of_word(answer: Callable[[str], str], longest: int = 8) -> Callable[[Random], Draw]:
    """Make a draw of one word with the answer that `answer` gives for it."""

    def draw(rng: Random) -> Draw:
        drawn = word(rng, longest)
        return Draw(f"word {drawn}", {"w": _quoted(rng, drawn)}, answer(drawn))

    return draw


def _nth(rng: Random) -> Draw:
    drawn = word(rng)
    index = rng.randrange(1, min(5, len(drawn)))
    return Draw(f"word {drawn}", {"w": _quoted(rng, drawn), "o": ORDINALS[index]}, drawn[index])


def _replaced(rng: Random) -> Draw:
    drawn, new = word(rng), rng.choice("abcdefghijklmnoprstuvwxyz")
    fields = {"w": _quoted(rng, drawn), "y": new}
    return Draw(f"word {drawn}", fields, new + drawn[1:])


def _joined(rng: Random) -> Draw:
    first, second = word(rng, 6), word(rng, 6)
    fields = {"w": first, "v": second}
    return Draw(f"word {first} & word {second}", fields, f"{first}-{second}")


def _without_vowels(drawn: str) -> str:
    return "".join(c for c in drawn if c not in "aeiou")


def _task(
    name: str,
    answer: Callable[[str], str],
    phrases: tuple[str, ...],
    asks: tuple[str, ...],
    weight: float = 1.0,
    longest: int = 8,
    mark: Mark = "folded",
) -> Task:
    return Task(name, _of_word(answer, longest), phrases, asks, weight, mark)


TASKS = (
    _task(
        "reverse",
        lambda w: w[::-1],
        ("{w} spelled backwards", "{w} in reverse", "{w} from back to front"),
        (
            "Reverse {w}.",
            "Spell {w} backwards.",
            "Write {w} the other way round.",
            "How does {w} look from right to left?",
        ),
        weight=1.6,
        longest=7,
    ),
    _task(
        "upper",
        str.upper,
        ("{w} in capital letters", "{w} in upper case", "{w} in capitals"),
        ("Write {w} in large letters.", "Turn {w} into upper case.", "Capitalise all of {w}."),
        mark="exact",
    ),
    _task(
        "title",
        str.capitalize,
        ("{w} with a capital first letter",),
        ("Capitalise only the start of {w}.", "Let {w} begin with a capital."),
        weight=0.5,
        mark="exact",
    ),
    _task(
        "first",
        lambda w: w[0],
        ("the first letter of {w}", "the initial of {w}", "the letter that {w} starts with"),
        ("Which letter comes first in {w}?", "How does {w} begin?"),
        weight=0.8,
    ),
    _task(
        "last",
        lambda w: w[-1],
        ("the last letter of {w}", "the final character of {w}", "the letter that {w} ends in"),
        ("Which letter comes last in {w}?", "With which letter does {w} end?"),
        weight=0.9,
    ),
    Task(
        "nth",
        _nth,
        (
            "the {o} letter of {w}",
            "the {o} character in {w}",
            "the letter in {o} place of {w}",
        ),
        ("Which letter is {o} in {w}?", "Which character comes {o} in {w}?"),
        weight=1.1,
    ),
    _task(
        "vowels",
        _without_vowels,
        ("{w} without its vowels", "{w} without vowels", "only the consonants of {w}"),
        ("Remove the vowels from {w}.", "Drop every a, e, i, o and u from {w}."),
    ),
    _task(
        "twice",
        lambda w: w + w,
        ("{w} written twice without a space", "{w} repeated once, all together"),
        ("Repeat {w} with no space.", "Write {w} two times in a row without a gap."),
        weight=0.7,
        longest=6,
    ),
    _task(
        "hyphens",
        lambda w: "-".join(w),
        ("{w} with hyphens between its letters", "{w} spelled out with hyphens"),
        ("Spell {w} with a hyphen after each letter.", "Put hyphens between the letters of {w}."),
        longest=7,
    ),
    _task(
        "count",
        lambda w: str(len(w)),
        ("the number of letters in {w}", "the length of {w} in letters"),
        (
            "How many letters does {w} have?",
            "How long is {w}, in letters?",
            "Count the characters of {w}.",
        ),
        weight=0.9,
    ),
    _task(
        "start",
        lambda w: w[:3],
        ("the first three letters of {w}", "the opening three characters of {w}"),
        ("How does {w} begin, in three letters?", "Cut {w} down to three letters."),
        weight=0.8,
    ),
    _task(
        "end",
        lambda w: w[-2:],
        ("the last two letters of {w}", "the final two characters of {w}"),
        ("On which two letters does {w} end?",),
        weight=0.8,
    ),
    _task(
        "behead",
        lambda w: w[1:],
        ("{w} without its first letter", "what is left of {w} without its start"),
        ("Take the first letter off {w}.", "Drop the initial of {w}."),
        weight=0.8,
    ),
    _task(
        "curtail",
        lambda w: w[:-1],
        ("{w} without its last letter", "what is left of {w} without its end"),
        ("Take the last letter off {w}.", "Drop the final character of {w}."),
        weight=0.8,
    ),
    Task(
        "replace",
        _replaced,
        ("{w} with {y} in place of its first letter", "{w} with its initial changed to {y}"),
        ("Replace the first letter of {w} by {y}.", "Let {w} begin with {y}, all else the same."),
        weight=1.2,
    ),
    Task(
        "join",
        _joined,
        ("{w} and {v} joined by a hyphen",),
        ("Join {w} and {v} with a hyphen.", "Put a hyphen between {w} and {v}."),
        weight=0.7,
    ),
)

__all__ = ["TASKS"]
