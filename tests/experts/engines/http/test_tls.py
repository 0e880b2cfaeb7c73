import asyncio

import pytest
import uvloop

from experts.engines.http.client import HttpClient, HttpLimits, tls_context
from experts.errors import ConfigError, ExpertUnavailable


async def answer(request, peer):
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


async def ask(url: str, **options) -> bytes:
    client = HttpClient(url, {}, **options)
    try:
        return await (await client.post("/", b"{}")).read()
    finally:
        await client.close()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_an_authority_of_ones_own(serve, authority, host, run):
    async def main():
        async with serve(answer, tls=authority.context) as upstream:
            url = f"https://{host}:{upstream.port}"
            assert await ask(url, tls=tls_context(authority.ca_file)) == b"ok"

    run(main())


def test_the_systems_variable_is_honoured(serve, authority, monkeypatch):
    async def main():
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
        async with serve(answer, tls=authority.context) as upstream:
            assert await ask(f"https://localhost:{upstream.port}") == b"ok"

    asyncio.run(main())


def test_an_unknown_authority_is_refused(serve, authority):
    async def main():
        async with serve(answer, tls=authority.context) as upstream:
            with pytest.raises(ExpertUnavailable, match="certificate does not verify"):
                await ask(f"https://localhost:{upstream.port}")
            assert upstream.requests == []

    asyncio.run(main())


def test_verification_can_be_turned_off(serve, authority):
    async def main():
        async with serve(answer, tls=authority.context) as upstream:
            tls = tls_context(verify=False)
            assert await ask(f"https://localhost:{upstream.port}", tls=tls) == b"ok"

    asyncio.run(main())


def test_a_server_without_tls(serve, authority):
    async def main():
        async with serve(answer) as upstream:
            limits = HttpLimits(connect=0.5)
            with pytest.raises(ExpertUnavailable, match="No connection"):
                await ask(f"https://localhost:{upstream.port}", limits=limits)

    asyncio.run(main())


@pytest.mark.parametrize("content", [None, b"", b"not a certificate"])
def test_a_ca_file_that_cannot_be_read(tmp_path, content):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        tls_context(path)
    assert error.value.path == "ca_file"
