"""What is sent, and when it is sent again."""

import pytest

from experts.engines.http.client import HttpClient
from experts.errors import BadUpstream, ConfigError, ExpertUnavailable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_what_is_sent(talk, answers):
    async def visit(client, upstream):
        response = await client.post("/v1/x", b'{"a": 1}')
        assert (response.status, await response.read()) == (200, b"ok")
        (request,) = upstream.requests
        assert request.line == "POST /v1/x HTTP/1.1"
        assert request.headers["host"] == f"127.0.0.1:{upstream.port}"
        assert request.headers["x-test"] == "1"
        assert request.headers["accept-encoding"] == "identity"
        assert request.body == b'{"a": 1}'

    talk(answers(OK), visit)


@pytest.mark.parametrize("url", ["ftp://x", "http://", "x", "http://x:y/", "http://x/?a=b"])
def test_urls_that_cannot_work(url):
    with pytest.raises(ConfigError) as error:
        HttpClient(url, {})
    assert error.value.path == "base_url"


@pytest.mark.parametrize(
    "header", [("a", "b\r\nc"), ("a\n", "b"), ("", "x"), ("a:", "b"), ("a", "é")]
)
def test_headers_that_cannot_be_sent(header):
    with pytest.raises(ConfigError) as error:
        HttpClient("http://127.0.0.1", dict([header]))
    assert error.value.path == "headers"


def test_nobody_listens(serve, talk, answers, post):
    async def visit(client, upstream):
        async with serve(answers(OK)) as other:
            url = other.url
        lonely = HttpClient(url, {})
        with pytest.raises(ExpertUnavailable, match="No connection"):
            await post(lonely)
        await lonely.close()

    talk(answers(OK), visit)


def test_no_answer_at_all_on_a_new_connection_is_not_tried_again(talk, answers, post):
    async def visit(client, upstream):
        with pytest.raises(ExpertUnavailable, match="without an answer"):
            await post(client)
        assert upstream.connections == 1

    talk(answers(close=True), visit)


def test_a_kept_connection_that_closed_unseen_is_replaced(talk, post):
    async def answer(request, peer):
        if len(upstreams[0].requests) == 2:
            return False  # the second request: hang up without a byte
        await peer.send(OK)

    upstreams = []

    async def visit(client, upstream):
        upstreams.append(upstream)
        assert [await post(client), await post(client)] == [b"ok", b"ok"]
        assert [request.connection for request in upstream.requests] == [1, 1, 2]

    talk(answer, visit)


def test_a_kept_connection_that_broke_in_an_answer_is_not_tried_again(talk, post):
    upstreams = []

    async def answer(request, peer):
        if len(upstreams[0].requests) == 2:
            await peer.send(b"HTTP/1.1")
            return False
        await peer.send(OK)

    async def visit(client, upstream):
        upstreams.append(upstream)
        await post(client)
        with pytest.raises(BadUpstream):
            await post(client)
        assert len(upstream.requests) == 2

    talk(answer, visit)
