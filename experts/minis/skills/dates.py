"""Dates and units: the calendar, the clock, and conversions of measures."""

from calendar import isleap, monthrange
from collections.abc import Callable
from datetime import date, timedelta
from random import Random

from experts.minis.skills.task import Draw, Task

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

# (large unit, small unit, how many small ones make a large one)
UNITS = (
    ("kilometres", "metres", 1000),
    ("metres", "centimetres", 100),
    ("centimetres", "millimetres", 10),
    ("kilograms", "grams", 1000),
    ("tonnes", "kilograms", 1000),
    ("litres", "millilitres", 1000),
    ("euros", "cents", 100),
)


# How many days on or back a weekday is asked for: small numbers more often, as people do.
_DAYS_ON = (1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 7)


def _text(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _date(rng: Random) -> date:
    """Draw a date of 1900-2099; one in five is near the end of a month, where it is hard."""
    year, month = rng.randint(1900, 2099), rng.randint(1, 12)
    length = monthrange(year, month)[1]
    low = length - 2 if rng.random() < 0.2 else 1
    return date(year, month, rng.randint(low, length))


def _shifted_date(days: int) -> Callable[[Random], Draw]:
    def draw(rng: Random) -> Draw:
        day = _date(rng)
        return Draw(f"date {day}", {"d": _text(day)}, _text(day + timedelta(days)))

    return draw


def _weekday(sign: int) -> Callable[[Random], Draw]:
    def draw(rng: Random) -> Draw:
        day, n = _date(rng), rng.choice(_DAYS_ON)
        answer = DAYS[(day.weekday() + sign * n) % 7]
        today = f"{DAYS[day.weekday()]}, {_text(day)}"
        count = f"{n} days" if n > 1 else "1 day"
        return Draw(f"date {day}", {"d": today, "n": count}, answer)

    return draw


def _month(sign: int) -> Callable[[Random], Draw]:
    def draw(rng: Random) -> Draw:
        year, month, n = rng.randint(1900, 2099), rng.randrange(12), rng.randint(1, 6)
        years, later = divmod(month + sign * n, 12)
        fields = {"d": f"{MONTHS[month]} {year}", "n": f"{n} months" if n > 1 else "1 month"}
        return Draw(f"month {year} {month} {sign * n}", fields, f"{MONTHS[later]} {year + years}")

    return draw


def _month_length(rng: Random) -> Draw:
    year = rng.randint(1900, 2099)
    month = 2 if rng.random() < 0.4 else rng.randint(1, 12)
    key = f"month {year} {month} 0"
    return Draw(key, {"d": f"{MONTHS[month - 1]} {year}"}, str(monthrange(year, month)[1]))


def _year_length(rng: Random) -> Draw:
    year = rng.randint(1600, 2399) if rng.random() < 0.5 else rng.randrange(1600, 2400, 4)
    return Draw(f"leap {year}", {"y": str(year)}, "366" if isleap(year) else "365")


def _leap(rng: Random) -> Draw:
    draw = _year_length(rng)
    return draw._replace(answer="yes" if draw.answer == "366" else "no")


def _century(rng: Random) -> Draw:
    year = rng.randint(1001, 2099)
    return Draw(f"century {year}", {"y": str(year)}, str((year + 99) // 100))


def _shifted_year(sign: int) -> Callable[[Random], Draw]:
    def draw(rng: Random) -> Draw:
        year, n = rng.randint(1500, 2099), rng.choice((2, 3, 4, 5, 10, 20, 50, 100))
        return Draw(f"year {year} {sign * n}", {"y": str(year), "n": str(n)}, str(year + sign * n))

    return draw


def _clock(hour: int, minute: int) -> str:
    return f"{hour}:{minute:02}"


def _half_day(hour: int, minute: int) -> str:
    return f"{hour % 12 or 12}:{minute:02} {'pm' if hour >= 12 else 'am'}"


def _to_24(rng: Random) -> Draw:
    hour, minute = rng.randrange(24), rng.randrange(60)
    fields = {"t": _half_day(hour, minute)}
    return Draw(f"clock {hour} {minute}", fields, _clock(hour, minute))


def _to_12(rng: Random) -> Draw:
    hour, minute = rng.randrange(24), rng.randrange(60)
    fields = {"t": _clock(hour, minute)}
    return Draw(f"clock {hour} {minute}", fields, _half_day(hour, minute))


def _later(rng: Random) -> Draw:
    hour, minute, n = rng.randrange(24), rng.randrange(60), rng.choice((10, 15, 20, 30))
    total = (hour * 60 + minute + n) % 1440
    fields = {"t": _clock(hour, minute), "n": str(n)}
    return Draw(f"later {hour} {minute} {n}", fields, _clock(*divmod(total, 60)))


def _to_small(rng: Random) -> Draw:
    large, small, factor = rng.choice(UNITS)
    n = rng.randint(2, 399)
    return Draw(f"unit {large} {n}", {"a": f"{n} {large}", "u": small}, str(n * factor))


def _to_large(rng: Random) -> Draw:
    large, small, factor = rng.choice(UNITS)
    n = rng.randint(2, 399)
    return Draw(f"unit {large} {n}", {"a": f"{n * factor} {small}", "u": large}, str(n))


def _minutes(rng: Random) -> Draw:
    hours, minutes = rng.randint(1, 4), rng.randint(1, 59)
    fields = {"h": f"{hours} hours" if hours > 1 else "1 hour", "m": str(minutes)}
    return Draw(f"minutes {hours} {minutes}", fields, str(60 * hours + minutes))


TASKS = (
    Task(
        "day-after",
        _shifted_date(1),
        ("the date right after {d}", "the day that follows {d}"),
        ("Which date comes after {d}?", "Today is {d}. Which date is tomorrow?"),
    ),
    Task(
        "day-before",
        _shifted_date(-1),
        ("the date right before {d}", "the day that precedes {d}"),
        ("Which date comes before {d}?", "Today is {d}. Which date was yesterday?"),
    ),
    Task(
        "weekday-later",
        _weekday(1),
        (),
        (
            "Today is {d}. Which day of the week is it in {n}?",
            "It is {d}. What day will it be {n} later?",
            "The party is {n} after {d}. On which weekday is that?",
            "Which weekday comes {n} after {d}?",
            "On {d}, {n} from now is what weekday?",
        ),
        weight=1.2,
    ),
    Task(
        "weekday-earlier",
        _weekday(-1),
        (),
        (
            "Today is {d}. Which day of the week was it {n} ago?",
            "It is {d}. What day was it {n} earlier?",
            "The letter came {n} before {d}. On which weekday was that?",
            "Which weekday comes {n} before {d}?",
        ),
        weight=1.2,
    ),
    Task(
        "month-later",
        _month(1),
        ("the month {n} after {d}",),
        ("It is {d}. Which month is it in {n}?", "Which month follows {d} by {n}?"),
        weight=0.8,
    ),
    Task(
        "month-earlier",
        _month(-1),
        ("the month {n} before {d}",),
        ("It is {d}. Which month was it {n} ago?", "Which month precedes {d} by {n}?"),
        weight=0.8,
    ),
    Task(
        "month-length",
        _month_length,
        ("the number of days in {d}", "the length of {d} in days"),
        ("How many days does {d} have?", "How many days are there in {d}?"),
    ),
    Task(
        "year-length",
        _year_length,
        ("the number of days in {y}",),
        ("How many days did the year {y} have?", "How long is the year {y} in days?"),
        weight=0.5,
    ),
    Task("leap", _leap, (), ("Is {y} a leap year?", "Was there a 29 February in {y}?"), weight=0.4),
    Task(
        "century",
        _century,
        ("the number of the century of the year {y}",),
        ("Which century is the year {y} in, as a number?",),
        weight=0.4,
    ),
    Task(
        "year-later",
        _shifted_year(1),
        ("the year {n} years after {y}",),
        ("In which year will something from {y} be {n} years old?",),
        weight=0.6,
    ),
    Task(
        "year-earlier",
        _shifted_year(-1),
        ("the year {n} years before {y}",),
        ("It is {y}. Which year was it {n} years ago?",),
        weight=0.6,
    ),
    Task(
        "to-24",
        _to_24,
        ("{t} on a 24-hour clock", "{t} in 24-hour time"),
        ("How do you write {t} on the 24-hour clock?",),
        weight=0.8,
    ),
    Task(
        "to-12",
        _to_12,
        ("{t} as am or pm", "{t} in 12-hour time"),
        ("Write {t} with am or pm.",),
        weight=0.8,
    ),
    Task(
        "later",
        _later,
        ("the time {n} minutes after {t}",),
        (
            "It is {t}. What time is it in {n} minutes?",
            "A train leaves at {t} and takes {n} minutes. When does it arrive?",
        ),
        weight=1.2,
    ),
    Task(
        "to-small",
        _to_small,
        ("{a} in {u}", "{a} converted to {u}", "the number of {u} in {a}"),
        ("How many {u} are {a}?", "Convert {a} to {u}.", "How many {u} are there in {a}?"),
        weight=1.6,
    ),
    Task(
        "to-large",
        _to_large,
        ("{a} in {u}", "{a} converted to {u}"),
        ("How many {u} are {a}?", "Convert {a} to {u}.", "How many {u} do {a} make?"),
        weight=1.2,
    ),
    Task(
        "minutes",
        _minutes,
        ("{h} and {m} minutes in minutes",),
        ("A film lasts {h} and {m} minutes. How many minutes is that?",),
        weight=0.6,
    ),
)

__all__ = ["TASKS"]
