"""The OpenAPI document, and a page that shows it without loading anything from elsewhere."""

from __future__ import annotations

import html
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import TypeAdapter

from serving.schema import ChatBody, CompletionBody

__all__ = ["document", "page"]

_REF = "#/components/schemas/{model}"

_ROUTES: tuple[tuple[str, str, str, str | None], ...] = (
    ("post", "/v1/chat/completions", "Answer a conversation, streamed or not.", "ChatBody"),
    ("post", "/v1/completions", "Continue a text, streamed or not.", "CompletionBody"),
    ("get", "/v1/models", "List the compositions and experts.", None),
    ("get", "/v1/models/{model}", "Describe one composition or expert.", None),
    ("get", "/healthz", "200 as long as the process answers.", None),
    ("get", "/readyz", "200 once all experts have started, 503 before and after.", None),
    ("get", "/metrics", "Metrics in Prometheus' text format.", None),
    ("get", "/openapi.json", "This document.", None),
    ("get", "/docs", "A page about these routes.", None),
)

_HEADERS = {
    "x-coterie-id": "Id of the trace, also found in the server's log.",
    "x-coterie-expert": "Who answered; '-' if nobody did.",
    "x-coterie-composition": "The composition that chose; '-' if the request named an expert.",
    "x-coterie-decision-ms": "Milliseconds that the choice took.",
    "x-request-id": "The request's own x-request-id, if it had one.",
}

_ERROR_STATUSES = {
    "400": "The request is wrong; param names the field.",
    "404": "No such model (the message names the nearest) or no such path.",
    "408": "The body came too slowly.",
    "413": "The body is too large; it was not read to its end.",
    "429": "The expert has no free place; see retry-after.",
    "502": "The expert failed.",
    "503": "No expert could be reached, or they are still starting.",
    "504": "The expert took too long.",
}


@cache
def document() -> dict[str, Any]:
    """OpenAPI 3.1, made from the models that validate the requests."""
    paths: dict[str, Any] = {}
    for method, path, summary, body in _ROUTES:
        paths.setdefault(path, {})[method] = _operation(path, summary, body)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Coterie",
            "version": _version(),
            "description": "One OpenAI-compatible endpoint over many expert LLMs.",
        },
        "paths": paths,
        "components": {"schemas": _schemas()},
    }


def _version() -> str:
    try:
        return version("coterie")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"


def _operation(path: str, summary: str, body: str | None) -> dict[str, Any]:
    headers = {
        name: {"description": text, "schema": {"type": "string"}} for name, text in _HEADERS.items()
    }
    responses: dict[str, Any] = {"200": {"description": "OK", "headers": headers}}
    operation: dict[str, Any] = {"summary": summary, "responses": responses}
    if "{model}" in path:
        name = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}
        operation["parameters"] = [name]
    if body is not None:
        schema = {"$ref": _REF.format(model=body)}
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
        error = {"application/json": {"schema": {"$ref": _REF.format(model="Error")}}}
        for status, text in _ERROR_STATUSES.items():
            responses[status] = {"description": text, "content": error}
    return operation


def _schemas() -> dict[str, Any]:
    chat: TypeAdapter[Any] = TypeAdapter(ChatBody)
    text: TypeAdapter[Any] = TypeAdapter(CompletionBody)
    _, schema = TypeAdapter.json_schemas(
        [("chat", "validation", chat), ("text", "validation", text)], ref_template=_REF
    )
    nullable = {"type": ["string", "null"]}
    error = {
        "type": "object",
        "required": ["message", "type", "param", "code"],
        "properties": {
            "message": {"type": "string"},
            "type": {"type": "string"},
            "param": nullable,
            "code": nullable,
        },
    }
    schemas: dict[str, Any] = dict(schema["$defs"])
    schemas["Error"] = {
        "type": "object",
        "required": ["error"],
        "properties": {"error": error},
    }
    return schemas


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Coterie</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto }}
td, th {{ text-align: left; vertical-align: top; padding: .2rem 1.2rem .2rem 0 }}
</style></head><body>
<h1>Coterie</h1>
<p>One OpenAI-compatible endpoint over many expert LLMs. Any OpenAI client works with
<code>/v1</code> of this server as its base URL. The machine-readable form of this page is
<a href="openapi.json">openapi.json</a>.</p>
<h2>Routes</h2><table>{routes}</table>
{bodies}
<h2>Headers of every answer</h2><table>{headers}</table>
<h2>Errors</h2><table>{errors}</table>
</body></html>
"""


@cache
def page() -> bytes:
    """HTML for people."""
    schemas = document()["components"]["schemas"]
    routes = [(f"{method.upper()} {path}", summary) for method, path, summary, _ in _ROUTES]
    bodies = "".join(
        f"<h2>Body of {html.escape(path)}</h2><table>{_fields(schemas[body])}</table>"
        for _, path, _, body in _ROUTES
        if body is not None
    )
    text = _PAGE.format(
        routes=_rows(routes),
        bodies=bodies,
        headers=_rows(list(_HEADERS.items())),
        errors=_rows(list(_ERROR_STATUSES.items())),
    )
    return text.encode()


def _fields(schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        (name + (" (required)" if name in required else ""), _describe(field))
        for name, field in schema["properties"].items()
    ]
    return _rows(rows)


def _describe(field: dict[str, Any]) -> str:
    options = [_describe(option) for option in field.get("anyOf", ()) if option != _NULL]
    if options:
        return " or ".join(options)
    if "$ref" in field:
        return str(field["$ref"]).rsplit("/", 1)[-1]
    words = [str(field.get("type", "any"))]
    if "items" in field:
        words.append(f"of {_describe(field['items'])}")
    words += [f"{_BOUNDS[key]} {field[key]}" for key in _BOUNDS if key in field]
    if "description" in field:
        words.append(f"({field['description']})")
    return " ".join(words)


_NULL = {"type": "null"}

_BOUNDS = {
    "minimum": "from",
    "exclusiveMinimum": "above",
    "maximum": "to",
    "exclusiveMaximum": "below",
    "maxItems": "at most",
}


def _rows(rows: list[tuple[str, str]]) -> str:
    return "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>" for name, text in rows
    )
