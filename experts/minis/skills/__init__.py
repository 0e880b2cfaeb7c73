"""The six skills: one file each, with its templates and the draws that fill them."""

from experts.minis.skills import arithmetic, dates, facts, lists, logic, text
from experts.minis.skills.task import Task

TASKS: dict[str, tuple[Task, ...]] = {
    "arithmetic": arithmetic.TASKS,
    "text": text.TASKS,
    "lists": lists.TASKS,
    "dates": dates.TASKS,
    "facts": facts.TASKS,
    "logic": logic.TASKS,
}

__all__ = ["TASKS", "Task"]
