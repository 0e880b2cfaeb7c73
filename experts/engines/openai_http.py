"""The ``openai`` engine: any endpoint that speaks OpenAI's chat completions, over HTTP."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping
from typing import Any, ClassVar

import orjson

from experts.engines.http.client import HttpClient, HttpLimits, tls_context
from experts.engines.http.response import Response
from experts.engines.http.sse import EventReader
from experts.engines.openai_answer import StreamedAnswer, whole_answer
from experts.engines.openai_errors import error_in_answer, refusal
from experts.engines.openai_settings import OpenAISettings
from experts.errors import BadUpstream, ConfigError, ExpertError, RequestRejected
from experts.types import ChatRequest, Chunk, ExpertInfo

__all__ = ["OpenAIExpert", "OpenAISettings"]


class OpenAIExpert:
    """Forwards requests, with everything that the client sent, and relays the answers.

    A request that is not streamed is fetched whole. Streamed or not, chunks carry the upstream's
    own bytes (``Chunk.wire``). An upstream that falls silent is given up after ``read_timeout``
    (checked every few seconds); closer limits are the business of a wrapper.

    Raises ConfigError if the key's variable is not set, or an address or file is wrong.
    """

    Settings: ClassVar[type[OpenAISettings]] = OpenAISettings

    def __init__(self, info: ExpertInfo, settings: OpenAISettings) -> None:
        self._info = info
        self._settings = settings
        self._model = settings.model or info.name
        self._key = _key(settings.api_key_env)
        headers = {"Content-Type": "application/json", **settings.headers}
        if self._key:
            name = settings.api_key_header
            bearer = "Bearer " if name.lower() == "authorization" else ""
            headers[name] = bearer + self._key
        secure = settings.base_url.startswith("https:")
        self._client = HttpClient(
            settings.base_url,
            headers,
            proxy=settings.proxy,
            tls=tls_context(settings.ca_file, verify=settings.verify) if secure else None,
            limits=HttpLimits(
                connect=settings.connect_timeout,
                silence=settings.read_timeout,
                connections=settings.max_connections,
                answer=settings.max_answer_bytes,
            ),
        )

    def __repr__(self) -> str:
        return f"OpenAIExpert({self._info.name!r})"

    @property
    def info(self) -> ExpertInfo:
        return self._info

    async def start(self) -> None:
        """Nothing: connections open with the first requests."""

    async def close(self) -> None:
        await self._client.close()

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        """Forward the request. Closing the generator early closes the upstream's connection."""
        path = "/chat/completions" if request.prompt is None else "/completions"
        response: Response | None = None
        try:
            response = await self._client.post(path, self.body(request))
            if response.status != 200:
                raise await self._refusal(response)
            if not request.stream:
                for chunk in whole_answer(await response.read(), self._key):
                    yield chunk
                return
            await self._expect_events(response)
            reader = EventReader(self._settings.max_event_bytes)
            answer = StreamedAnswer(reader, relay_usage=wants_usage(request), secret=self._key)
            while not answer.done and (data := await response.next()):
                for chunk in answer.feed(data):
                    yield chunk
            if answer.done:
                response.release()
            for chunk in answer.end():
                yield chunk
        except ExpertError as error:
            error.expert = error.expert or self._info.name
            raise
        finally:
            if response is not None:
                response.close()

    def body(self, request: ChatRequest) -> bytes:
        """The JSON to send. Raises RequestRejected if a value has no JSON form."""
        fields: dict[str, Any] = {**self._settings.defaults, **request.extra, "model": self._model}
        if request.prompt is None:
            fields["messages"] = request.messages
        else:
            fields["prompt"] = request.prompt
        if request.max_tokens is not None:
            fields[self._settings.max_tokens_field] = request.max_tokens
        _add_sampling(fields, request)
        if request.stream:
            fields["stream"] = True
            if self._settings.stream_usage:
                options = request.extra.get("stream_options") or {}
                fields["stream_options"] = {**options, "include_usage": True}
        try:
            return orjson.dumps(fields, default=_plain)
        except orjson.JSONEncodeError as error:
            raise RequestRejected(f"The request cannot be sent as JSON: {error}") from None

    async def _refusal(self, response: Response) -> ExpertError:
        body = await response.read()
        key_env = self._settings.api_key_env
        return refusal(response.status, response.headers, body, key_env=key_env, secret=self._key)

    async def _expect_events(self, response: Response) -> None:
        kind = response.headers.get(b"content-type", b"")
        if not kind or b"event-stream" in kind.lower():
            return
        body = await response.read()
        try:
            error = orjson.loads(body).get("error")
        except (orjson.JSONDecodeError, AttributeError):
            error = None
        if error:
            raise error_in_answer(error, self._key)
        raise BadUpstream("The upstream answered a request for a stream with something else.")


def wants_usage(request: ChatRequest) -> bool:
    """Whether the client asked for usage at the end of its stream."""
    options = request.extra.get("stream_options")
    return isinstance(options, Mapping) and bool(options.get("include_usage"))


def _add_sampling(fields: dict[str, Any], request: ChatRequest) -> None:
    for name in ("temperature", "top_p", "top_k", "seed"):
        value = getattr(request, name)
        if value is not None:
            fields[name] = value
    if request.stop:
        fields["stop"] = request.stop
    if request.n != 1:
        fields["n"] = request.n
    if request.logprobs and request.prompt is not None:
        fields["logprobs"] = request.top_logprobs
    elif request.logprobs:
        fields["logprobs"] = True
        if request.top_logprobs:
            fields["top_logprobs"] = request.top_logprobs


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)


def _key(variable: str | None) -> str:
    if variable is None:
        return ""
    key = os.environ.get(variable, "").strip()
    if not key:
        message = f"The environment variable {variable} is not set: put the API key into it."
        raise ConfigError(message, path="api_key_env")
    return key
