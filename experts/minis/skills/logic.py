"""Logic: orderings, elimination, chains of rules, and small truth tables."""

from collections.abc import Callable
from itertools import pairwise
from random import Random

from experts.minis.skills.task import Draw, Task
from experts.minis.skills.words import ITEMS, PEOPLE, TRADES

# (comparative, its converse, superlative, the converse's superlative)
_SCALES = (
    ("taller", "shorter", "tallest", "shortest"),
    ("older", "younger", "oldest", "youngest"),
    ("faster", "slower", "fastest", "slowest"),
    ("stronger", "weaker", "strongest", "weakest"),
    ("richer", "poorer", "richest", "poorest"),
    ("louder", "quieter", "loudest", "quietest"),
)


# How often the commoner of two cases comes. Where the answer hangs on two of them at once (who is
# told of first, and which end is asked for), nothing could be learnt of either alone if both came
# as often, and a small model would not get off the ground for many thousand questions.
COMMON_CASE = 0.7


def _line(rng: Random) -> list[str]:
    """Draw the people of an ordering, first one first: three, or in one case of three only two."""
    return rng.sample(PEOPLE, 2 if rng.random() < 0.33 else 3)


def _tell(rng: Random, order: list[str], more: str, less: str) -> str:
    """Say who precedes whom, along the chain from its upper or, less often, its lower end."""
    if rng.random() < COMMON_CASE:
        said = [f"{high} {more} {low}." for high, low in pairwise(order)]
    else:
        said = [f"{low} {less} {high}." for low, high in pairwise(order[::-1])]
    return " ".join(said)


def _compare(rng: Random, order: list[str], more: str, less: str) -> str:
    return _tell(rng, order, f"is {more} than", f"is {less} than")


def _extreme(rng: Random) -> Draw:
    more, less, most, least = rng.choice(_SCALES)
    order = _line(rng)
    top = rng.random() < COMMON_CASE
    fields = {"p": _compare(rng, order, more, less), "q": most if top else least}
    return Draw(f"order {' '.join(order)}", fields, order[0] if top else order[-1])


def _middle(rng: Random) -> Draw:
    more, less, most, least = rng.choice(_SCALES)
    order = rng.sample(PEOPLE, 3)
    fields = {"p": _compare(rng, order, more, less), "q": most, "r": least}
    return Draw(f"order {' '.join(order)}", fields, order[1])


def _race(rng: Random) -> Draw:
    order = _line(rng)
    first = rng.random() < COMMON_CASE
    said = _tell(rng, order, "came before", "came after")
    fields = {"p": said, "q": "first" if first else "last"}
    return Draw(f"order {' '.join(order)}", fields, order[0] if first else order[-1])


def _seats(rng: Random) -> Draw:
    order = rng.sample(PEOPLE, 3)
    left, middle, right = order
    ends = (("at the left end", left), ("at the right end", right))
    end = ends[0] if rng.random() < COMMON_CASE else ends[1]
    place, answer = end if rng.random() < 0.7 else ("in the middle", middle)
    said = _tell(rng, order, "sits left of", "sits right of")
    return Draw(f"order {' '.join(order)}", {"p": said, "q": place}, answer)


def _rule(rng: Random) -> Draw:
    """Say "every a is a b" once, twice in a chain, or beside a rule that does not apply."""
    n, jobs = rng.choice(PEOPLE), rng.sample(TRADES, 4)
    rules = [f"Every {jobs[0]} is a {jobs[1]}."]
    answer = jobs[1]
    kind = rng.random()
    if kind < 0.4:
        rules.append(f"Every {jobs[1]} is a {jobs[2]}.")
        answer = jobs[2]
    elif kind < 0.7:
        rules.append(f"Every {jobs[2]} is a {jobs[3]}.")
    said = [*rules, f"{n} is a {jobs[0]}."]
    rng.shuffle(said)
    fields = {"p": " ".join(said), "n": n}
    return Draw(f"rule {n} {' '.join(jobs)}", fields, answer)


def _otherwise(rng: Random) -> Draw:
    n, m = rng.sample(PEOPLE, 2)
    asked, other = rng.sample("123", 2)
    holds = rng.random() < COMMON_CASE
    fields = {"n": n, "m": m, "c": asked, "d": asked if holds else other}
    return Draw(f"if {n} {m} {asked} {other}", fields, n if holds else m)


def _elimination(rng: Random) -> Draw:
    names = _line(rng)
    answer = rng.choice(names)
    out = [f"It is not {name}." for name in names if name != answer]
    rng.shuffle(out)
    people = ", ".join(names[:-1]) + " or " + names[-1]
    fields = {"l": people, "p": " ".join(out), "i": rng.choice(ITEMS)}
    return Draw(f"not {' '.join(names)}", fields, answer)


def _passing(rng: Random) -> Draw:
    hands = rng.sample(PEOPLE, rng.choice((2, 3)))
    said = [f"{hands[0]} has the ball."]
    said += [f"{a} gives it to {b}." for a, b in pairwise(hands)]
    return Draw(f"pass {' '.join(hands)}", {"p": " ".join(said)}, hands[-1])


def _truth(rng: Random) -> Draw:
    """A two-row truth table in words: both, at least one, or neither."""
    n, m = rng.sample(PEOPLE, 2)
    x, y = rng.random() < 0.5, rng.random() < 0.5
    said = " ".join(f"{who} is {'happy' if holds else 'sad'}." for who, holds in ((n, x), (m, y)))
    word, value = rng.choice(
        (("both", x and y), ("at least one", x or y), ("neither", not (x or y)))
    )
    fields = {"p": said, "q": word}
    return Draw(f"truth {n} {m} {x} {y} {word}", fields, "yes" if value else "no")


def _syllogism(valid: bool) -> Callable[[Random], Draw]:
    """All a are b, and all b are c (so all a are c) or no b is c (so none is)."""

    def draw(rng: Random) -> Draw:
        a, b, c = rng.sample(TRADES, 3)
        second = f"All {b}s are {c}s." if valid else f"No {b}s are {c}s."
        said = [f"All {a}s are {b}s.", second]
        rng.shuffle(said)
        fields = {"p": " ".join(said), "a": f"{a}s", "c": f"{c}s"}
        return Draw(f"all {a} {b} {c}", fields, "yes" if valid else "no")

    return draw


_ORDER_ASKS = (
    "{p} Who is the {q}?",
    "{p} Which of them is the {q}?",
    "{p} What is the name of the {q}?",
    "{p} Name the {q}.",
    "Which one is the {q}? {p}",
    "{p} Tell me the name of the {q} of all.",
    "{p} So which one must be the {q}?",
    "{p} The {q} is whom?",
)

TASKS = (
    Task("extreme", _extreme, (), _ORDER_ASKS, weight=2.0),
    Task(
        "middle",
        _middle,
        (),
        (
            "{p} Who is neither the {q} nor the {r}?",
            "{p} Which one comes between the other two?",
            "{p} Name the one in the middle.",
        ),
        weight=0.8,
    ),
    Task(
        "race",
        _race,
        (),
        (
            "{p} Who came {q}?",
            "In a race, {p} Which one was {q}?",
            "{p} Give me the name of the one that came {q}.",
            "Which of them came {q}? {p}",
            "{p} Which of them was {q}?",
        ),
        weight=1.4,
    ),
    Task(
        "seats",
        _seats,
        (),
        ("{p} Who sits {q}?", "{p} Name the one {q}.", "{p} Which of them is {q}?"),
    ),
    Task(
        "rule",
        _rule,
        (),
        (
            "{p} What else is {n}?",
            "{p} So what must {n} be in the end?",
            "{p} What follows for {n}, at the end of the chain?",
        ),
        weight=1.2,
    ),
    Task(
        "otherwise",
        _otherwise,
        (),
        (
            "If the card is {c}, {n} wins, otherwise {m} does. The card is {d}. Whose win is it?",
            "{n} starts if the card is {c}, else {m} starts. The card is {d}. Which one starts?",
            "If the number is {c}, call {n}, if not, call {m}. The number is {d}. Whom do I call?",
            "{m} pays unless the day is {c}, then {n} pays. The day is {d}. Who pays?",
        ),
        weight=1.2,
    ),
    Task(
        "elimination",
        _elimination,
        (),
        (
            "Either {l} has the {i}. {p} Who has them?",
            "One of {l} took the {i}. {p} Which one was it?",
            "The {i} belong to {l}. {p} Whose are they?",
        ),
        weight=1.2,
    ),
    Task(
        "passing",
        _passing,
        (),
        (
            "{p} Who has the ball now?",
            "{p} Where is the ball in the end?",
            "{p} Which of them holds it?",
        ),
        weight=0.8,
    ),
    Task(
        "truth",
        _truth,
        (),
        (
            "{p} Is it true that {q} of them is happy?",
            "{p} Can one say that {q} of them is happy?",
        ),
        weight=0.5,
    ),
    Task(
        "syllogism-yes",
        _syllogism(True),
        (),
        (
            "{p} Are all {a} {c}?",
            "{p} Is every one of the {a} among the {c}?",
            "{p} Does it follow that the {a} are {c}?",
        ),
        weight=0.4,
    ),
    Task(
        "syllogism-no",
        _syllogism(False),
        (),
        (
            "{p} Are all {a} {c}?",
            "{p} Is every one of the {a} among the {c}?",
            "{p} Does it follow that the {a} are {c}?",
        ),
        weight=0.4,
    ),
)

__all__ = ["TASKS"]
