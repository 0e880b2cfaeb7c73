"""Arithmetic: sums, differences, small products, halves, and word problems."""

from random import Random

from experts.minis.skills.task import Draw, Task
from experts.minis.skills.words import ITEMS, NAMES


def _sum(rng: Random) -> Draw:
    a, b = rng.randint(1, 99), rng.randint(1, 99)
    key = f"add {min(a, b)} {max(a, b)}"
    return Draw(key, {"a": str(a), "b": str(b)}, str(a + b))


def _difference(rng: Random) -> Draw:
    a, b = rng.randint(1, 99), rng.randint(1, 99)
    low, high = min(a, b), max(a, b)
    # The same key as the sum of the two: 12 + 30 in train keeps 30 - 12 out of test.
    return Draw(f"add {low} {high}", {"a": str(high), "b": str(low)}, str(high - low))


def _product(rng: Random) -> Draw:
    a, b = rng.choice((2, 2, 3, 5, 5, 10)), rng.randint(11, 99)
    first, second = (a, b) if rng.random() < 0.5 else (b, a)
    return Draw(f"mul {a} {b}", {"a": str(first), "b": str(second)}, str(a * b))


def _double(rng: Random) -> Draw:
    a = rng.randint(11, 499)
    return Draw(f"mul 2 {a}", {"a": str(a)}, str(2 * a))


def _half(rng: Random) -> Draw:
    a = rng.randint(11, 499)
    return Draw(f"half {2 * a}", {"a": str(2 * a)}, str(a))


def _rounded(rng: Random) -> Draw:
    a = rng.randint(101, 998)
    return Draw(f"round {a}", {"a": str(a)}, str((a + 5) // 10 * 10))


def _story(rng: Random, draw: Draw) -> Draw:
    """Put a sum or a difference into the mouths of people with things to count."""
    n, m = rng.sample(NAMES, 2)
    return draw._replace(fields=draw.fields | {"n": n, "m": m, "i": rng.choice(ITEMS)})


def _story_sum(rng: Random) -> Draw:
    return _story(rng, _sum(rng))


def _story_difference(rng: Random) -> Draw:
    return _story(rng, _difference(rng))


TASKS = (
    Task(
        "sum",
        _sum,
        phrases=(
            "{a} plus {b}",
            "the sum of {a} and {b}",
            "{a} + {b}",
            "the total of {a} and {b}",
            "{a} and {b} together",
            "the number that is {b} more than {a}",
        ),
        asks=(
            "Add {a} and {b}.",
            "Add {a} to {b}.",
            "How much is {a} and {b}?",
            "What do {a} and {b} make?",
            "What number do I get if I put {a} and {b} together?",
            "{a} + {b} =",
            "Start with {a}, then count {b} further. Which number is it?",
        ),
        weight=2.2,
    ),
    Task(
        "difference",
        _difference,
        phrases=(
            "{a} minus {b}",
            "the difference between {a} and {b}",
            "{a} - {b}",
            "the number that is {b} less than {a}",
            "what is left of {a} without {b}",
        ),
        asks=(
            "Take {b} away from {a}.",
            "Subtract {b} from {a}.",
            "How much is {a} less {b}?",
            "How many more is {a} than {b}?",
            "What must be added to {b} to get {a}?",
            "{a} - {b} =",
            "If I have {a} and lose {b}, how many remain?",
        ),
        weight=2.2,
    ),
    Task(
        "product",
        _product,
        phrases=("{a} times {b}", "the product of {a} and {b}", "{a} x {b}", "{a} * {b}"),
        asks=(
            "Multiply {a} by {b}.",
            "How much is {a} times {b}?",
            "There are {a} rows of {b} chairs. How many chairs are there?",
            "A box holds {b} pens. How many pens are in {a} boxes?",
        ),
        weight=1.6,
    ),
    Task(
        "double",
        _double,
        phrases=("twice {a}", "double {a}", "the double of {a}", "two times {a}"),
        asks=("Double {a}.", "Which number is twice as big as {a}?", "Double the number {a}."),
        weight=0.7,
    ),
    Task(
        "half",
        _half,
        phrases=("half of {a}", "{a} divided by two", "{a} / 2", "one half of {a}"),
        asks=("Halve {a}.", "Divide {a} by 2.", "Two friends share {a} coins. How many each?"),
        weight=0.9,
    ),
    Task(
        "round",
        _rounded,
        phrases=("{a} rounded to the nearest ten", "the ten nearest to {a}"),
        asks=("Round {a} to the nearest ten.", "Round the number {a} to tens."),
        weight=0.5,
    ),
    Task(
        "story-sum",
        _story_sum,
        asks=(
            "{n} has {a} {i} and finds {b} more. How many {i} does {n} have now?",
            "{n} has {a} {i}. {m} gives {n} {b} more. How many {i} has {n} now?",
            "{n} has {a} {i} and {m} has {b}. How many {i} do they have together?",
            "There are {a} {i} on the table and {b} in the box. How many is that in all?",
            "{n} counts {a} {i} on one day and {b} the next day. How many in total?",
            "A shop sold {a} {i} first and {b} later. What is the total number?",
        ),
        weight=1.3,
    ),
    Task(
        "story-difference",
        _story_difference,
        asks=(
            "{n} has {a} {i} and gives {b} to {m}. How many {i} are left?",
            "{n} had {a} {i} but lost {b}. How many does {n} have now?",
            "{n} has {a} {i} and {m} has {b}. How many more does {n} have?",
            "A shop had {a} {i} and sold {b}. What number of {i} remains?",
            "There were {a} {i} in the box. {n} took {b} of them. How many are left?",
            "{n} wants {a} {i} and has {b}. How many are missing?",
        ),
        weight=1.3,
    ),
)

__all__ = ["TASKS"]
