"""Where a key comes from, and where it never goes."""

import logging

import pytest

from experts.errors import ConfigError, ExpertError, ExpertUnavailable
from experts.testing import ask

KEY = "sk-very-secret-0123456789"
WHOLE = ask("hello", stream=False)


def test_the_key_comes_from_the_environment(sent, monkeypatch):
    monkeypatch.setenv("MY_KEY", f"{KEY}\n")
    _, received = sent(WHOLE, api_key_env="MY_KEY")
    assert received.headers["authorization"] == f"Bearer {KEY}"
    _, received = sent(WHOLE, api_key_env="MY_KEY", api_key_header="api-key")
    assert received.headers["api-key"] == KEY
    assert "authorization" not in received.headers


def test_a_key_that_is_not_there(expert, monkeypatch):
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(ConfigError, match="MY_KEY") as error:
        expert("http://127.0.0.1:1", api_key_env="MY_KEY")
    assert error.value.path == "api_key_env"


def test_the_key_is_in_no_error_and_no_log(expert, chat, says, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MY_KEY", KEY)
    said = {"error": {"message": f"Incorrect API key provided: {KEY}. And sk-other-987654321."}}
    parts = [says.whole(said, status) for status in (400, 401, 403, 429, 500)]
    parts.append(says.whole(said))
    for part in parts:
        with pytest.raises(ExpertError) as error:
            chat(part, WHOLE, api_key_env="MY_KEY")
        told = f"{error.value} {error.value!r} {error.value.__dict__}"
        assert KEY not in told
        assert "sk-other" not in told
        if "40" in str(error.value) and isinstance(error.value, ExpertUnavailable):
            assert "$MY_KEY" in str(error.value)
    engine = expert("http://127.0.0.1:1", api_key_env="MY_KEY")
    assert KEY not in f"{engine!r} {engine.info!r} {engine._settings!r} {caplog.text}"
