"""How an ``openai`` expert is configured."""

from __future__ import annotations

import re
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, field_validator

from experts.config import LocalPath, Settings

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
_SECRET_HEADERS = frozenset(
    ("authorization", "proxy-authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie")
)
_OWN_HEADERS = frozenset(
    ("host", "connection", "content-length", "content-type", "transfer-encoding", "accept-encoding")
)


class OpenAISettings(Settings):
    """An OpenAI-compatible endpoint. The key itself is never part of a configuration."""

    # A key put in the wrong place must not come back in an error message.
    model_config = ConfigDict(hide_input_in_errors=True)

    base_url: str = Field(
        description="up to and without /chat/completions, such as https://api.openai.com/v1"
    )
    model: str | None = Field(
        default=None, description="the upstream's name of the model; None: the expert's own name"
    )
    api_key_env: str | None = Field(
        default=None, description="NAME of the environment variable that holds the key"
    )
    api_key_header: str = Field(
        default="Authorization", description="what carries the key; Authorization: after `Bearer`"
    )
    headers: dict[str, str] = Field(
        default_factory=dict, description="sent with every request; none that carries a secret"
    )
    defaults: dict[str, Any] = Field(
        default_factory=dict, description="fields of the body where the client does not set them"
    )
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        default="max_tokens", description="the upstream's name for it; some take only the new one"
    )
    stream_usage: bool = Field(
        default=True,
        description="ask for usage with every stream, for the trace; false: the upstream rejects "
        "stream_options",
    )
    proxy: str | None = Field(
        default=None,
        description="http://host:port; None: from HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, "
        "where a login may stand too; empty: none",
    )
    ca_file: LocalPath | None = Field(
        default=None,
        description="PEM file of authorities to trust besides the system's (SSL_CERT_FILE's)",
    )
    verify: bool = Field(default=True, description="false: any certificate will do")
    connect_timeout: float = Field(default=10.0, gt=0, description="seconds")
    read_timeout: float = Field(
        default=600.0, gt=0, description="seconds that the upstream may be silent; see also limits"
    )
    max_connections: int = Field(default=1024, gt=0, description="to this upstream, at a time")
    max_answer_bytes: int = Field(default=64 << 20, gt=0, description="framing included")
    max_event_bytes: int = Field(default=8 << 20, gt=0, description="of one server-sent event")

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
