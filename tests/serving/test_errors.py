"""Exceptions and their statuses."""

import pytest

from compose.errors import UnknownModel
from experts import errors
from serving.errors import BodyTooLarge, to_http

CASES = [
    (errors.ExpertOverloaded("x", retry_after=2.2), 429, "expert_overloaded"),
    (errors.CircuitOpen("x"), 503, "expert_unavailable"),
    (errors.ExpertUnavailable("x"), 503, "expert_unavailable"),
    (errors.ExpertTimeout("x"), 504, "expert_timeout"),
    (errors.BadUpstream("x"), 502, "bad_upstream"),
    (errors.ExpertFailed("x"), 502, "expert_failed"),
    (errors.RequestRejected("x", status=422, code="odd"), 422, "odd"),
    (errors.RequestRejected("x", status=200), 400, "invalid_value"),
    (errors.ContextTooLong("x", status=413), 400, "context_length_exceeded"),
    (errors.UnsupportedContent("x"), 400, "unsupported_content"),
    (UnknownModel("x", ["y"]), 404, "model_not_found"),
    (BodyTooLarge(10), 413, "body_too_large"),
    (ValueError("secret"), 500, "internal_error"),
]


@pytest.mark.parametrize(("error", "status", "code"), CASES)
def test_statuses_and_codes(error, status, code):
    found = to_http(error, "id-1")
    assert (found.status, found.code) == (status, code)
    assert "secret" not in str(found)


@pytest.mark.parametrize("status", [401, 403, 407])
def test_our_own_credentials_are_no_concern_of_the_clients(status):
    found = to_http(errors.RequestRejected("Bad key sk-123", status=status), "id-1")
    assert found.status == 502
    assert "sk-123" not in str(found)


@pytest.mark.parametrize(
    ("seconds", "header"), [(2.2, b"3"), (None, b"1"), (0, b"1"), (float("inf"), b"1")]
)
def test_retry_after_is_in_whole_seconds(seconds, header):
    found = to_http(errors.ExpertOverloaded("x", retry_after=seconds), "id-1")
    assert found.headers == [(b"retry-after", header)]
    assert found.type == "rate_limit_error"


def test_every_error_of_the_experts_has_a_status():
    for name in errors.__all__:
        kind = getattr(errors, name)
        if issubclass(kind, errors.ExpertError) and kind is not errors.ExpertError:
            assert to_http(kind("x"), "id-1").code != "internal_error", name
