"""How an ``openai`` expert is configured."""

from __future__ import annotations

import re
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, field_validator

from experts.config import Settings

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
_SECRET_HEADERS = frozenset(
    ("authorization", "proxy-authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie")
)
_OWN_HEADERS = frozenset(
    ("host", "connection", "content-length", "content-type", "transfer-encoding", "accept-encoding")
)


class OpenAISettings(Settings):
    """An OpenAI-compatible endpoint. Times are seconds.

    Attributes
    ----------
    base_url : up to and without ``/chat/completions``, such as ``https://api.openai.com/v1``.
    model : the upstream's name of the model; the expert's own name if None.
    api_key_env : the name of the environment variable that holds the key. The key itself is never
        part of a configuration.
    api_key_header : the header that carries it; ``Authorization`` gets ``Bearer`` before the key.
    headers : sent with every request; none that carries a secret.
    defaults : fields of the body that a request takes when the client does not set them.
    max_tokens_field : what the upstream calls the limit of an answer (some take only the new name).
    stream_usage : ask for usage at the end of a stream, for the trace. False for upstreams that
        reject ``stream_options``.
    proxy : ``http://host:port``. None: from HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, where
        a login may stand too; empty: no proxy.
    ca_file : PEM file of authorities to trust besides the system's (SSL_CERT_FILE included).
    verify : False accepts any certificate.
    """

    # Input is hidden: a key put in the wrong place must not come back in an error message.
    model_config = ConfigDict(hide_input_in_errors=True)

    base_url: str
    model: str | None = None
    api_key_env: str | None = None
    api_key_header: str = "Authorization"
    headers: dict[str, str] = Field(default_factory=dict)
    defaults: dict[str, Any] = Field(default_factory=dict)
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    stream_usage: bool = True
    proxy: str | None = None
    ca_file: str | None = None
    verify: bool = True
    connect_timeout: float = Field(10.0, gt=0)
    max_connections: int = Field(1024, gt=0)
    max_answer_bytes: int = Field(64 << 20, gt=0)
    max_event_bytes: int = Field(8 << 20, gt=0)

    @field_validator("api_key_env")
    @classmethod
    def _variable(cls, value: str | None) -> str | None:
        if value is not None and (not _VARIABLE.fullmatch(value) or value.startswith("AKIA")):
            raise ValueError(
                "must be the NAME of an environment variable in capitals (such as OPENAI_API_KEY), "
                "not the key"
            )
        return value

    @field_validator("base_url", "proxy")
    @classmethod
    def _no_login(cls, value: str | None) -> str | None:
        if value and "@" in urlsplit(value if "://" in value else f"//{value}").netloc:
            raise ValueError(
                "must not hold a login: the key goes into api_key_env's variable, a proxy's login "
                "into HTTPS_PROXY"
            )
        return value

    @field_validator("headers")
    @classmethod
    def _no_secrets(cls, value: dict[str, str]) -> dict[str, str]:
        names = {name.lower() for name in value}
        if names & _SECRET_HEADERS:
            raise ValueError("must not carry a secret: use api_key_env (and api_key_header)")
        if taken := sorted(names & _OWN_HEADERS):
            raise ValueError(f"{taken[0]} is set by the client itself")
        return value
