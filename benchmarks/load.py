"""A load client of our own: raw sockets with keep-alive, in one process, on this machine only. One JSON object on standard output.

python benchmarks/load.py --port P --folder PICTURES [--clients N] [--seconds S] [--rate REQUESTS_PER_SECOND] [--path /predict] [--form]

Without --rate each client asks as soon as it was answered; with it, requests are sent at that rate by whichever client is free, and those
for which none is free are counted as held back. It talks to 127.0.0.1 alone, for at most ten minutes, over at most 600 connections.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter, deque
from pathlib import Path

import numpy as np
import uvloop

HOST = "127.0.0.1"
MOST_CLIENTS = 600
MOST_SECONDS = 600.0
REST_SECONDS = 15.0
"""After the end: how long answers to what was sent are awaited."""


class Crowd:
    """What all clients share: what to send, until when, and what came back."""

    def __init__(self, requests: list[bytes], until: float, rate: float | None) -> None:
        self.requests = requests
        self.until = until
        self.rate = rate
        self.free: deque[Client] = deque()
        self.sent = 0
        self.held_back = 0
        self.lost = 0
        self.seconds: dict[int, list[float]] = {}
        self.ends: list[float] = []
        """When each 200 came."""

    def next_request(self) -> bytes:
        """The pictures take turns."""
        self.sent += 1
        return self.requests[self.sent % len(self.requests)]

    def answered(self, client: Client, status: int, begin: float) -> None:
        """Count an answer; the client asks again, or waits to be asked to."""
        now = time.perf_counter()
        self.seconds.setdefault(status, []).append(now - begin)
        if status == 200:
            self.ends.append(now)
        if client.is_closed:
            return
        if self.rate is not None:
            self.free.append(client)
        elif now < self.until:
            client.ask(self.next_request())

    async def keep_pace(self) -> None:
        """Send at the rate, by whoever is free."""
        assert self.rate is not None
        begin, due = time.perf_counter(), 0
        while (now := time.perf_counter()) < self.until:
            for _ in range(int((now - begin) * self.rate) - due):
                due += 1
                while self.free and self.free[0].is_closed:
                    self.free.popleft()
                if self.free:
                    self.free.popleft().ask(self.next_request())
                else:
                    self.held_back += 1
            await asyncio.sleep(0.001)


class Client(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.is_closed = False
        self.begin: float | None = None
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def ask(self, request: bytes) -> None:
        """Send one request."""
        self.begin = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator:
            return
        lower = head.lower()
        place = lower.find(b"content-length:")
        length = int(lower[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
        if len(body) >= length:
            self.received = b""
            begin, self.begin = self.begin, None
            self.is_closed = self.is_closed or b"connection: close" in lower
            assert begin is not None
            self.crowd.answered(self, int(head[9:12]), begin)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        if self.begin is not None:
            self.crowd.lost += 1
            self.begin = None


def form(picture: bytes) -> tuple[bytes, str]:
    """A picture as the only file of a form, and its media type."""
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    return head + picture + b"\r\n--x--\r\n", "multipart/form-data; boundary=x"


def http_request(picture: bytes, path: str, media: str, port: int) -> bytes:
    """One POST as it goes over the line."""
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nContent-Type: {media}\r\nContent-Length: {len(picture)}\r\n\r\n"
    return head.encode() + picture


async def run(requests: list[bytes], port: int, clients: int, seconds: float, rate: float | None) -> dict[str, object]:
    """Ask for so many seconds -> what came back."""
    loop = asyncio.get_running_loop()
    crowd = Crowd(requests, time.perf_counter() + seconds, rate)
    members = [(await loop.create_connection(lambda: Client(crowd), HOST, port))[1] for _ in range(min(clients, MOST_CLIENTS))]
    begin = time.perf_counter()
    crowd.until = begin + min(seconds, MOST_SECONDS)
    if rate is None:
        for member in members:
            member.ask(crowd.next_request())
        await asyncio.sleep(crowd.until - time.perf_counter())
    else:
        crowd.free.extend(members)
        await crowd.keep_pace()
    patience = time.perf_counter() + REST_SECONDS
    while any(member.begin is not None for member in members) and time.perf_counter() < patience:
        await asyncio.sleep(0.01)
    unanswered = sum(member.begin is not None for member in members)
    for member in members:
        member.transport.close()
    return report(crowd, begin, unanswered)


def report(crowd: Crowd, begin: float, unanswered: int) -> dict[str, object]:
    """Rates within the time, and how long answers took, by status."""
    within = sum(end <= crowd.until for end in crowd.ends)
    spans = {str(status): np.array(values) * 1000 for status, values in crowd.seconds.items()}
    return {
        "per_second": within / (crowd.until - begin),
        "sent": crowd.sent,
        "held_back": crowd.held_back,
        "lost": crowd.lost + unanswered,
        "statuses": dict(Counter({status: len(values) for status, values in spans.items()})),
        "p50_ms": {status: float(np.percentile(values, 50)) for status, values in spans.items()},
        "p99_ms": {status: float(np.percentile(values, 99)) for status, values in spans.items()},
        "cpu_seconds": time.process_time(),
    }


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--port", type=int, required=True)
    words.add_argument("--folder", type=Path, required=True)
    words.add_argument("--clients", type=int, default=64)
    words.add_argument("--seconds", type=float, default=3.0)
    words.add_argument("--rate", type=float)
    words.add_argument("--path", default="/predict")
    words.add_argument("--form", action="store_true")
    asked = words.parse_args()
    pictures = [path.read_bytes() for path in sorted(asked.folder.rglob("*.jpg"))[:64]]
    bodies = [form(picture) if asked.form else (picture, "image/jpeg") for picture in pictures]
    requests = [http_request(body, asked.path, media, asked.port) for body, media in bodies]
    print(json.dumps(uvloop.run(run(requests, asked.port, asked.clients, asked.seconds, asked.rate))))


if __name__ == "__main__":
    main()
