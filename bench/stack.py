"""The stack: uvicorn's own WebSocket class and raw ASGI that decodes and answers, no more.

What the gateway adds to it is ours; PERFORMANCE figures of other machines can
be compared by their ratio to this.
"""

from __future__ import annotations

import asyncio
import sys

import orjson
import pybase64
import uvicorn
from starlette.types import Receive, Scope, Send

from bench.floor import DELTA


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": '{"type":"session.created"}'})
    count = 0
    while (message := await receive())["type"] == "websocket.receive":
        data = orjson.loads(message["text"])
        if data["type"] == "input_audio_buffer.append":
            pybase64.b64decode(data["audio"], validate=True)
            count += 1
            if count % 2 == 0:
                await send({"type": "websocket.send", "text": DELTA})


async def main() -> None:
    config = uvicorn.Config(
        app, port=0, ws="websockets-sansio", ws_per_message_deflate=False, lifespan="off",
        access_log=False, log_config=None,
    )  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    await serving


if __name__ == "__main__":
    if sys.platform == "linux":
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())
