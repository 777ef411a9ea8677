"""DynamoDB's endpoint as the functions under test see it: with TLS, and with the headers that DynamoDB sends.

It passes requests on to the emulator and leaves out of its responses the headers that only the emulator adds, each of
which every client would parse. It runs as a program of its own::

    python -m tests.bench.endpoint EMULATOR_PORT CERTIFICATE KEY

and prints two ports, the one without TLS first.
"""

import asyncio
import ssl
import sys

SENT_BY_DYNAMODB = {b"content-type", b"content-length", b"x-amz-crc32", b"x-amzn-requestid", b"date"}


async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on bytes until there are no more."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def response(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on responses, each with DynamoDB's headers only."""
    while True:
        status, *headers = (await reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
        kept = {name.lower(): line for line in headers if (name := line.split(b":")[0]).lower() in SENT_BY_DYNAMODB}
        body = await reader.readexactly(int(kept[b"content-length"].split(b":")[1]))
        lines = [status, b"Server: Server", b"Connection: keep-alive", *kept.values(), b"", body]
        writer.write(b"\r\n".join(lines))
        await writer.drain()


async def main(emulator: int, certificate: str, key: str) -> None:
    """Serve until the process is ended."""

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", emulator)
        ways = [asyncio.create_task(way) for way in (forward(reader, there[1]), response(there[0], writer))]
        # Whichever side ends first ends the other: a client must see that a kept connection is no more.
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        writer.close()
        there[1].close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    servers = [await asyncio.start_server(connect, "127.0.0.1", 0, ssl=tls) for tls in (None, context)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
