import asyncio
from urllib.parse import urlsplit

import pytest
import uvloop

from experts.engines.http.client import HttpClient, tls_context
from experts.engines.http.proxies import parse_proxy, proxy_for
from experts.errors import ConfigError, ExpertUnavailable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def answer(request, peer):
    await peer.send(OK)


async def ask_twice(client: HttpClient) -> None:
    try:
        for _ in range(2):
            assert await (await client.post("/v1/x", b"{}")).read() == b"ok"
    finally:
        await client.close()


def test_plain_http_goes_to_the_proxy_in_absolute_form(serve, proxy_server):
    async def main():
        async with serve(answer) as upstream, proxy_server() as proxy:
            client = HttpClient(upstream.url, {}, proxy=f"http://127.0.0.1:{proxy.port}")
            await ask_twice(client)
            assert proxy.seen == [f"POST {upstream.url}/v1/x"]
            assert upstream.requests[0].headers["host"] == f"127.0.0.1:{upstream.port}"

    asyncio.run(main())


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_https_goes_through_a_tunnel(serve, proxy_server, authority, run):
    async def main():
        async with serve(answer, tls=authority.context) as upstream, proxy_server() as proxy:
            url = f"https://localhost:{upstream.port}"
            tls = tls_context(authority.ca_file)
            client = HttpClient(url, {}, proxy=f"http://127.0.0.1:{proxy.port}", tls=tls)
            await ask_twice(client)
            assert proxy.seen == [f"CONNECT localhost:{upstream.port}"]
            assert upstream.requests[0].line == "POST /v1/x HTTP/1.1"
            assert "proxy-authorization" not in upstream.requests[0].headers

    run(main())


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_login_comes_from_the_environment(serve, proxy_server, authority, monkeypatch, scheme):
    async def main():
        tls = authority.context if scheme == "https" else None
        async with serve(answer, tls=tls) as upstream, proxy_server(login="me:p@ss") as proxy:
            monkeypatch.setenv(f"{scheme}_proxy", f"http://me:p%40ss@127.0.0.1:{proxy.port}")
            url = f"{scheme}://localhost:{upstream.port}"
            await ask_twice(HttpClient(url, {}, tls=tls and tls_context(authority.ca_file)))
            assert proxy.logins == ["me:p@ss"]

    asyncio.run(main())


def test_a_proxy_that_wants_another_login(serve, proxy_server, authority):
    async def main():
        async with proxy_server(login="a:b") as proxy:
            tls = tls_context(authority.ca_file)
            client = HttpClient(
                "https://localhost:1", {}, proxy=f"http://c:secret@127.0.0.1:{proxy.port}", tls=tls
            )
            with pytest.raises(ExpertUnavailable, match="HTTPS_PROXY") as error:
                await ask_twice(client)
            assert "secret" not in f"{error.value!r} {client._proxy!r}"

    asyncio.run(main())


@pytest.mark.parametrize("status", [403, 502])
def test_a_proxy_that_refuses_the_tunnel(proxy_server, authority, status):
    async def main():
        async with proxy_server(status=status) as proxy:
            tls = tls_context(authority.ca_file)
            proxy_url = f"http://127.0.0.1:{proxy.port}"
            client = HttpClient("https://localhost:1", {}, proxy=proxy_url, tls=tls)
            with pytest.raises(ExpertUnavailable, match=str(status)):
                await ask_twice(client)

    asyncio.run(main())


@pytest.mark.parametrize("reply", [b"", b"SSH-2.0-x\r\n\r\n", b"x" * 20_000, b"HTTP/1.1\r\n\r\n"])
def test_a_proxy_that_is_none(serve, authority, reply):
    async def broken(request, peer):
        await peer.send(reply)
        return False

    async def main():
        async with serve(broken) as proxy:
            tls = tls_context(authority.ca_file)
            client = HttpClient("https://localhost:1", {}, proxy=proxy.url, tls=tls)
            with pytest.raises(ExpertUnavailable, match="tunnel"):
                await ask_twice(client)

    asyncio.run(main())


def test_what_the_environment_says(monkeypatch):
    http, https = urlsplit("http://model.example/v1"), urlsplit("https://model.example:8443/v1")
    assert proxy_for(http, None) is None
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    assert repr(proxy_for(https, None)) == "Proxy(proxy.example:3128)"
    assert proxy_for(http, None) is None
    monkeypatch.setenv("all_proxy", "http://other.example")
    assert repr(proxy_for(http, None)) == "Proxy(other.example:80)"
    assert repr(proxy_for(http, "http://mine.example:1")) == "Proxy(mine.example:1)"
    assert proxy_for(http, "") is None
    monkeypatch.setenv("NO_PROXY", "localhost, .example")
    assert proxy_for(http, None) is None
    assert proxy_for(https, None) is None
    assert proxy_for(http, "http://mine.example:1") is not None


@pytest.mark.parametrize("url", ["socks5://x:1", "https://x", "http://", "http://x:y", "http://u@"])
def test_proxies_that_cannot_work(url):
    with pytest.raises(ConfigError) as error:
        parse_proxy(url)
    assert error.value.path == "proxy"
