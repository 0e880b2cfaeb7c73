import asyncio

from serving.http.writes import Gathering


async def connect(visit):
    """What a client reads while ``visit(transport)`` writes, in the pieces in which it came."""
    loop = asyncio.get_running_loop()
    pieces = []

    class Server(asyncio.Protocol):
        def connection_made(self, transport):
            visit(Gathering(transport, loop))

    server = await loop.create_server(Server, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    while piece := await reader.read(1 << 20):
        pieces.append(piece)
    writer.close()
    await writer.wait_closed()
    server.close()
    return pieces


def test_what_is_written_in_one_turn_is_one_write():
    sent = []

    class Transport:
        def write(self, data):
            sent.append(data)

        def is_closing(self):
            return False

    async def main():
        gathering = Gathering(Transport(), asyncio.get_running_loop())
        gathering.write(b"head ")
        gathering.write(b"body")
        assert sent == []
        await asyncio.sleep(0)
        gathering.write(b"more")
        await asyncio.sleep(0)
        assert sent == [b"head body", b"more"]

    asyncio.run(main())


def test_closing_sends_what_was_written():
    def visit(transport):
        transport.write(b"all ")
        transport.write(b"of it")
        transport.close()

    assert b"".join(asyncio.run(connect(visit))) == b"all of it"


def test_the_rest_is_the_transports_own():
    def visit(transport):
        assert transport.get_extra_info("sockname")[0] == "127.0.0.1"
        assert not transport.is_closing()
        transport.write(b"lost")
        transport.abort()
        assert transport.is_closing()

    async def main():
        try:
            return await connect(visit)
        except ConnectionResetError:
            return []

    assert asyncio.run(main()) == []
