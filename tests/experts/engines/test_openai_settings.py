import pytest
from pydantic import ValidationError

from experts.engines.openai_settings import OpenAISettings

URL = "https://api.example/v1"
KEYS = [
    "sk-proj-abcDEF0123456789",
    "gsk_abcDEF0123456789abcDEF",
    "AIzaSyA0123456789abcdefghij",
    "0123456789abcdef0123456789abcdef",
    "AKIAIOSFODNN7EXAMPLE",
    "X" * 80,
]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("place", ["api_key_env", "api_key", "Authorization"])
def test_a_key_is_refused_wherever_it_stands_and_never_repeated(key, place):
    settings = {"headers": {place: key}} if place == "Authorization" else {place: key}
    with pytest.raises(ValidationError) as error:
        OpenAISettings.model_validate({"base_url": URL, **settings})
    assert key not in str(error.value)


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "KEY_2", "_K"])
def test_names_of_variables(name):
    assert OpenAISettings(base_url=URL, api_key_env=name).api_key_env == name


@pytest.mark.parametrize("header", ["authorization", "Api-Key", "COOKIE", "Host", "content-length"])
def test_headers_that_are_not_for_the_configuration(header):
    with pytest.raises(ValidationError):
        OpenAISettings(base_url=URL, headers={header: "x"})


@pytest.mark.parametrize(
    "settings",
    [{"base_url": "https://me:secret@x/v1"}, {"base_url": URL, "proxy": "http://me:secret@x:1"}],
)
def test_logins_in_addresses(settings):
    with pytest.raises(ValidationError, match="login") as error:
        OpenAISettings(**settings)
    assert "secret" not in str(error.value)
