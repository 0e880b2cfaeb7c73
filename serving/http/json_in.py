"""JSON from strangers: parsing it safely, and saying what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from serving.errors import InvalidRequest

__all__ = ["MAX_DEPTH", "describe", "parse_json"]

MAX_DEPTH = 200
"""Levels of nesting. orjson reads 1,024 but writes only 254, and engines write requests anew."""

_SHOWN = 60


def parse_json(raw: bytes) -> Any:
    """Parse strictly: UTF-8, no NaN, no lone surrogate, bounded depth. Of a key that is there
    twice the last value counts. Raises InvalidRequest."""
    if not raw:
        raise InvalidRequest("The body is empty; send a JSON object.", code="invalid_json")
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body is not JSON: {error}.", code="invalid_json") from None
    # Counting brackets is far cheaper than walking, and too few of them cannot nest too deep.
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise InvalidRequest(
            f"The body is nested deeper than {MAX_DEPTH} levels.", code="invalid_json"
        )
    return value


def _depth(value: Any) -> int:
    level, depth = [value], 0
    while level:
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        level, depth = inner, depth + 1
    return depth


def describe(error: ValidationError) -> InvalidRequest:
    """The first thing that is wrong, with the path of the field as a client knows it."""
    details = error.errors(include_url=False, include_context=True)
    detail = _most_telling(details)
    path = _path(detail["loc"])
    if not path:
        return InvalidRequest(
            f"The body must be a JSON object, not {_kind(detail['input'])}.", code="invalid_json"
        )
    kind = detail["type"]
    if kind == "missing":
        return InvalidRequest(
            f"{path} is missing; it is required.", param=path, code="missing_required_parameter"
        )
    if kind == "extra_forbidden":
        return InvalidRequest(
            f"{path} is not known here; leave it out.", param=path, code="unknown_parameter"
        )
    if path.split(".")[0] == "prompt" and _is_token_ids(detail):
        return InvalidRequest(
            "prompt must be a text or a list of texts; arrays of token ids are not supported, "
            "because the experts behind this server have different vocabularies.",
            param="prompt",
            code="unsupported_value",
        )
    code = "invalid_type" if "type" in kind or kind.endswith("_parsing") else "invalid_value"
    given = _given(detail["input"])
    return InvalidRequest(f"{path}: {_rule(detail)}; got {given}.", param=path, code=code)


def _most_telling(details: list[ErrorDetails]) -> ErrorDetails:
    """Of a union's several errors, the one that got furthest into the value."""
    first = details[0]
    field = first["loc"][:1]
    same = [detail for detail in details if detail["loc"][:1] == field]
    return max(same, key=lambda detail: (len(_names(detail["loc"])), "type" not in detail["type"]))


def _names(loc: tuple[int | str, ...]) -> list[str]:
    """The parts of a path that are the client's own: no names of union branches."""
    return [str(part) for part in loc if isinstance(part, int) or _is_field(part)]


def _is_field(part: str) -> bool:
    return part not in _BRANCHES and not part.startswith(("constrained-", "list["))


_BRANCHES: Mapping[str, None] = dict.fromkeys(
    ("str", "int", "float", "bool", "none", "StreamOptions", "Coterie", "Part", "Message")
)


def _path(loc: tuple[int | str, ...]) -> str:
    return ".".join(_names(loc))


def _is_token_ids(detail: ErrorDetails) -> bool:
    value = detail["input"]
    return isinstance(value, int) or (isinstance(value, list) and bool(value))


def _rule(detail: ErrorDetails) -> str:
    """The rule that was broken, in words that fit after the path of a field."""
    kind, context = detail["type"], detail.get("ctx", {})
    names = _names(detail["loc"])
    if names[-1] in _EITHER and kind.endswith("_type"):
        return f"must be {_EITHER[names[-1]]}"
    if kind in _RULES:
        return _RULES[kind].format(**context)
    message = detail["msg"].removeprefix("Input should be ")
    return f"must be {message}" if message != detail["msg"] else message[0].lower() + message[1:]


_RULES: Mapping[str, str] = {
    "too_long": "must have at most {max_length} items",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be greater than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "string_type": "must be a text",
    "int_type": "must be an integer",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
}

_EITHER: Mapping[str, str] = {
    "content": "a text, a list of parts, or null beside tool_calls",
    "prompt": "a text or a list of texts",
    "stop": "a text or a list of texts",
}


def _given(value: Any) -> str:
    """What was sent, if it is short and harmless to repeat; otherwise only its kind."""
    if isinstance(value, (bool, int, float)) or value is None:
        return orjson.dumps(value, default=str).decode()[:_SHOWN]
    if isinstance(value, str) and len(value) <= _SHOWN:
        return orjson.dumps(value).decode()
    return _kind(value)


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, str):
        return f"a text of {len(value)} characters"
    return "null" if value is None else f"a {type(value).__name__}"
