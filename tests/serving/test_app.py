"""The small routes, and what every route shares."""

import re

import httpx
import pytest

from serving.app import create_app
from serving.exchange import header_text


def test_health_and_readiness(web):
    assert web.get("/healthz").json() == {"status": "ok"}
    assert web.get("/readyz").json() == {"status": "ready"}


@pytest.mark.parametrize("path", ["/healthz", "/v1/models", "/v1/models/echo", "/metrics"])
def test_head_is_get_without_a_body(web, path):
    head = web.head(path)
    assert (head.status_code, head.content) == (200, b"")
    # The gauges of /metrics differ from one call to the next.
    assert path == "/metrics" or head.headers["content-length"] == str(len(web.get(path).content))


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
        ("GET", "/", 404, "unknown_url"),
        ("GET", "/v1/nothing", 404, "unknown_url"),
        ("POST", "/v1/chat/completions/", 404, "unknown_url"),
        ("GET", "/v1/models/nobody", 404, "model_not_found"),
    ],
)
def test_wrong_paths_and_methods(web, method, path, status, code):
    response = web.request(method, path)
    assert response.status_code == status
    assert response.json()["error"]["code"] == code
    if status == 405:
        assert response.headers["allow"]


def test_a_slash_at_the_end_of_a_get_is_forgiven(web):
    assert web.get("/v1/models/").json() == web.get("/v1/models").json()


def test_every_answer_says_who(web):
    for path in ("/healthz", "/nothing", "/v1/models"):
        headers = web.get(path).headers
        assert headers["x-coterie-expert"] == headers["x-coterie-composition"] == "-"
        assert float(headers["x-coterie-decision-ms"]) == 0
        assert len(headers["x-coterie-id"]) == 24


def test_a_request_id_is_echoed_if_it_can_be(web):
    def echoed(value):
        return web.get("/healthz", headers={"x-request-id": value}).headers.get("x-request-id")

    assert echoed("mine") == "mine"
    assert echoed("x" * 201) is None
    assert echoed("\xe9".encode("latin-1")) is None


def test_names_that_a_header_cannot_hold_are_encoded():
    assert header_text("org/model-1.5:free") == b"org/model-1.5:free"
    assert header_text("mod\u00e8le\n") == b"mod%C3%A8le%0A"


def test_the_openapi_document_describes_the_routes(web):
    document = web.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path in ("/v1/chat/completions", "/v1/completions"):
        schema = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        name = schema["schema"]["$ref"].rsplit("/", 1)[-1]
        assert "model" in document["components"]["schemas"][name]["required"]
    for reference in _references(document):
        assert reference.rsplit("/", 1)[-1] in document["components"]["schemas"]
    for path in document["paths"]:
        if "{" not in path and "get" in document["paths"][path]:
            assert web.get(path).status_code == 200


def _references(value):
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        value = list(value.values())
    for inner in value if isinstance(value, list) else ():
        yield from _references(inner)


def test_the_page_loads_nothing_from_elsewhere(web):
    page = web.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "max_completion_tokens" in page.text
    assert not re.search("https?:|<script|<link", page.text)


def test_metrics_count_what_was_answered(experts, run_server):
    hi = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
    with run_server(experts.pipeline()) as server, httpx.Client(base_url=server.url) as web:
        for body in (hi, hi, {**hi, "stream": True}, {**hi, "model": "broken"}):
            web.post("/v1/chat/completions", json=body)
        web.post("/v1/chat/completions", json={**hi, "model": "x" * 50})
        web.post("/v1/chat/completions", json={**hi, "model": "breaks", "stream": True})
        text = web.get("/metrics").text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))

    def requests(composition, expert, status):
        labels = f'composition="{composition}",expert="{expert}",route="/v1/chat/completions"'
        return float(lines[f'coterie_requests_total{{{labels},status="{status}"}}'])

    assert requests("auto", "echo", "200") == 3
    assert requests("-", "broken", "502") == 1
    assert requests("-", "breaks", "broken") == 1
    assert requests("-", "-", "404") == 1
    who = 'composition="auto",expert="echo"'
    assert (
        float(lines['coterie_tokens_total{composition="auto",direction="out",expert="echo"}']) == 9
    )
    assert float(lines[f"coterie_cost_usd_total{{{who}}}"]) > 0
    assert float(lines[f"coterie_first_token_seconds_count{{{who}}}"]) == 3
    assert float(lines['coterie_decision_seconds_count{composition="auto"}']) == 3
    assert float(lines["coterie_in_flight"]) == 0
    assert float(lines['coterie_errors_total{kind="UnknownModel"}']) == 1
    assert "xxxx" not in text


def test_a_metric_is_the_apps_own(experts):
    one, two = (create_app(experts.pipeline()) for _ in range(2))
    one.metrics.errors.labels("X").inc()
    assert b'kind="X"' not in two.metrics.render()[1]
