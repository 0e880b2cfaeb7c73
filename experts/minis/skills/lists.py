"""Lists and numbers: order, pick, count and filter the items of a short list."""

from collections.abc import Callable
from random import Random

from experts.minis.skills.task import Draw, Task
from experts.minis.skills.words import ORDINALS, PEOPLE, TRADES

Items = list[str]


def _join(items: Items) -> str:
    return ", ".join(items)


def _numbers(rng: Random) -> list[int]:
    """Draw distinct numbers: up to five of one digit, or up to four of two."""
    if rng.random() < 0.5:
        return rng.sample(range(1, 10), rng.randint(3, 5))
    return rng.sample(range(10, 100), rng.randint(3, 4))


def _of_numbers(answer: Callable[[list[int]], list[int]]) -> Callable[[Random], Draw]:
    """Make a draw of a number list whose answer is a (non-empty) list of numbers."""

    def draw(rng: Random) -> Draw:
        while True:
            items = _numbers(rng)
            result = answer(items)
            if result:
                text = _join([str(n) for n in items])
                return Draw(f"list {text}", {"l": text}, _join([str(n) for n in result]))

    return draw


def _mixed(rng: Random, low: int = 3, high: int = 5) -> Items:
    """Draw distinct numbers, names or trades: all tasks on them go by place, not by value."""
    size = rng.randint(low, high)
    kind = rng.random()
    if kind < 0.55:
        top = 10 if rng.random() < 0.5 else 100
        return [str(n) for n in rng.sample(range(1, top), size)]
    return rng.sample(PEOPLE if kind < 0.75 else TRADES, size)


def _draw(items: Items, answer: str, **fields: str) -> Draw:
    text = _join(items)
    return Draw(f"list {text}", {"l": text} | fields, answer)


def _nth(rng: Random) -> Draw:
    items = _mixed(rng)
    index = rng.randrange(len(items))
    return _draw(items, items[index], o=ORDINALS[index])


def _last(rng: Random) -> Draw:
    items = _mixed(rng)
    return _draw(items, items[-1])


def _size(rng: Random) -> Draw:
    items = _mixed(rng, 2, 6)
    return _draw(items, str(len(items)))


def _reversed(rng: Random) -> Draw:
    items = _mixed(rng, 3, 4)
    return _draw(items, _join(items[::-1]))


def _repeated(rng: Random) -> Draw:
    items = _mixed(rng)
    return _draw(items, _join(items))


def _rest(rng: Random) -> Draw:
    items = _mixed(rng)
    return _draw(items, _join(items[1:]))


def _without(rng: Random) -> Draw:
    items = _mixed(rng, 3, 4)
    out = rng.choice(items)
    return _draw(items, _join([item for item in items if item != out]), x=out)


def _position(rng: Random) -> Draw:
    items = _mixed(rng)
    index = rng.randrange(len(items))
    return _draw(items, str(index + 1), x=items[index])


def _after(rng: Random) -> Draw:
    items = _mixed(rng)
    index = rng.randrange(len(items) - 1)
    return _draw(items, items[index + 1], x=items[index])


def _above(rng: Random) -> Draw:
    while True:
        items = _numbers(rng)
        limit = rng.randint(1, 8) * (1 if max(items) < 10 else 10)
        kept = [str(n) for n in items if n > limit]
        if kept:
            return _draw([str(n) for n in items], _join(kept), k=str(limit))


def _twice(rng: Random) -> Draw:
    items = _mixed(rng, 3, 4)
    double = rng.choice(items)
    items.insert(rng.randrange(len(items) + 1), double)
    return _draw(items, double)


TASKS = (
    Task(
        "largest",
        _of_numbers(lambda items: [max(items)]),
        phrases=(
            "the largest of {l}",
            "the biggest number in {l}",
            "the maximum of {l}",
            "the highest value among {l}",
        ),
        asks=(
            "Which of these is the largest: {l}?",
            "Here are some numbers: {l}. Which is biggest?",
        ),
        weight=1.2,
    ),
    Task(
        "smallest",
        _of_numbers(lambda items: [min(items)]),
        phrases=(
            "the smallest of {l}",
            "the lowest number in {l}",
            "the minimum of {l}",
            "the least value among {l}",
        ),
        asks=("Which of these is the smallest: {l}?", "I wrote down {l}. Which one is lowest?"),
        weight=1.2,
    ),
    Task(
        "second",
        _of_numbers(lambda items: [sorted(items)[-2]]),
        phrases=("the second largest of {l}", "the second biggest number in {l}"),
        asks=("Which of these is the second largest: {l}?",),
        weight=0.6,
    ),
    Task(
        "sort",
        _of_numbers(sorted),
        phrases=("{l} in ascending order", "{l} sorted from small to large"),
        asks=(
            "Sort {l}.",
            "Sort these from smallest to largest: {l}.",
            "Put {l} in order, lowest first.",
            "Arrange the values {l} from low to high.",
        ),
        weight=1.3,
    ),
    Task(
        "sort-down",
        _of_numbers(lambda items: sorted(items, reverse=True)),
        phrases=("{l} in descending order", "{l} sorted from large to small"),
        asks=(
            "Sort these from largest to smallest: {l}.",
            "Put {l} in order, highest first.",
            "Arrange the values {l} from high to low.",
        ),
        weight=1.0,
    ),
    Task(
        "even",
        _of_numbers(lambda items: [n for n in items if n % 2 == 0]),
        phrases=("the even numbers in {l}", "the even ones among {l}"),
        asks=("Which of {l} are even?", "Keep only the even values: {l}."),
    ),
    Task(
        "odd",
        _of_numbers(lambda items: [n for n in items if n % 2]),
        phrases=("the odd numbers in {l}", "the odd ones among {l}"),
        asks=("Which of {l} are odd?", "Keep only the odd values: {l}."),
    ),
    Task(
        "above",
        _above,
        phrases=("the numbers above {k} in {l}", "the values greater than {k} among {l}"),
        asks=("Which of {l} are more than {k}?", "Keep what is bigger than {k}: {l}."),
    ),
    Task(
        "nth",
        _nth,
        phrases=(
            "the {o} item of {l}",
            "the {o} one of {l}",
            "the {o} entry in the list {l}",
        ),
        asks=("Which comes {o} in {l}?", "Here is a list: {l}. Which item is {o}?"),
        weight=1.3,
    ),
    Task(
        "last",
        _last,
        phrases=("the last item of {l}", "the final entry in {l}", "the last one of {l}"),
        asks=("Which comes last in {l}?", "Here is a list: {l}. How does it end?"),
        weight=0.7,
    ),
    Task(
        "size",
        _size,
        phrases=("the number of items in {l}", "the length of the list {l}"),
        asks=(
            "How many items are in this list: {l}?",
            "Count these: {l}.",
            "How long is the list {l}?",
        ),
        weight=0.8,
    ),
    Task(
        "reverse",
        _reversed,
        phrases=("{l} in reverse order", "the list {l} from back to front"),
        asks=("Reverse the list {l}.", "Write these the other way round: {l}."),
    ),
    # Every item of these two answers is a copy: they teach what the harder tasks build on.
    Task(
        "repeat",
        _repeated,
        phrases=("{l} once more", "{l} as it is"),
        asks=("Repeat the list {l}.", "Write {l} once more.", "Keep all of {l}."),
    ),
    Task(
        "rest",
        _rest,
        phrases=("all but the first item of {l}", "the list {l} without its start"),
        asks=("Drop the first one of {l}.", "What is left of {l} after the first item?"),
        weight=0.8,
    ),
    Task(
        "without",
        _without,
        phrases=("{l} without {x}", "what remains of {l} after removing {x}"),
        asks=("Remove {x} from {l}.", "Drop {x} from the list {l}."),
    ),
    Task(
        "position",
        _position,
        phrases=("the position of {x} in {l}", "the place that {x} has in the list {l}"),
        asks=("At which position is {x} in {l}?", "Where in {l} is {x}?"),
    ),
    Task(
        "after",
        _after,
        phrases=("the item right after {x} in {l}", "what follows {x} in {l}"),
        asks=("Which one comes next after {x} in {l}?",),
    ),
    Task(
        "twice",
        _twice,
        phrases=("the item that appears twice in {l}", "the repeated one in {l}"),
        asks=("Which one occurs two times: {l}?", "Which of these is there twice: {l}?"),
        weight=0.8,
    ),
)

__all__ = ["TASKS"]
