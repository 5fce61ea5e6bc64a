"""A load that costs little: requests made beforehand, sent over connections that stay open.

A comfortable HTTP client needs more of a core than the server that it asks; the figure would be the client's.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Answers:
    """What came back: seconds of each exchange, and how many were no 2xx."""

    seconds: list[float] = field(default_factory=list)
    errors: int = 0
    took: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.seconds) / self.took


def request(method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """The bytes of one HTTP/1.1 request."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = {"host": parts.netloc, **headers, "content-length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body


async def paced(url: str, requests: Sequence[bytes], *, rate: float, connections: int = 64) -> Answers:
    """One request every 1/`rate` seconds, whether or not the earlier ones are answered: a wait counts in full."""
    return await _run(url, requests, connections, 1 / rate)


async def saturating(url: str, requests: Sequence[bytes], *, connections: int = 16) -> Answers:
    """Each connection sends its next request as soon as it has its answer: the most that comes through."""
    return await _run(url, requests, connections, 0.0)


async def _run(url: str, requests: Sequence[bytes], connections: int, interval: float) -> Answers:
    parts = urlsplit(url)
    answers, queue, begun = Answers(), iter(enumerate(requests)), time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(_send_all(parts.hostname or "", parts.port or 80, queue, begun, interval, answers))
    answers.took = time.monotonic() - begun
    return answers


async def _send_all(
    host: str, port: int, queue: Iterator[tuple[int, bytes]], begun: float, interval: float, answers: Answers
) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        for number, sent in queue:
            # Where requests are paced, an exchange begins when it was due, not when a connection was free for it.
            due = begun + number * interval if interval else time.monotonic()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            writer.write(sent)
            status = await _status(reader)
            answers.seconds.append(time.monotonic() - due)
            answers.errors += not 200 <= status < 300
    finally:
        writer.close()


async def _status(reader: asyncio.StreamReader) -> int:
    """Read one answer whole; returns its status."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    lengths = [int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")]
    if lengths:
        await reader.readexactly(lengths[0])
    elif b"transfer-encoding: chunked" in lines:
        while (size := int(await reader.readuntil(b"\r\n"), 16)) > 0:
            await reader.readexactly(size + 2)
        await reader.readexactly(2)
    return int(lines[0].split()[1])
