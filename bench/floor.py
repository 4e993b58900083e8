"""The library: the `websockets` sans-I/O protocol on asyncio that decodes and answers, no more."""

from __future__ import annotations

import asyncio
import json
import sys

import orjson
import pybase64
import websockets
from websockets.asyncio.server import ServerConnection, serve

DELTA = json.dumps(
    {
        "type": "response.output_audio.delta",
        "event_id": "event_" + "0" * 21,
        "response_id": "resp_" + "0" * 21,
        "item_id": "item_" + "0" * 21,
        "output_index": 0,
        "content_index": 0,
        "delta": pybase64.b64encode_as_string(bytes(1920)),
    },
    separators=(",", ":"),  # as the wire is (CONTRACT 17)
)


async def session(socket: ServerConnection) -> None:
    await socket.send('{"type":"session.created","session":{"type":"realtime"}}')
    count = 0
    try:
        async for text in socket:
            data = orjson.loads(text)
            if data["type"] == "input_audio_buffer.append":
                pybase64.b64decode(data["audio"], validate=True)
                count += 1
                if count % 2 == 0:
                    await socket.send(DELTA)
    except websockets.ConnectionClosed:
        pass


async def main() -> None:
    async with serve(session, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    if sys.platform == "linux":
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())
