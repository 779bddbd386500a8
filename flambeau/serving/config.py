"""What a server may spend on its clients."""

from __future__ import annotations

from pydantic import Field

from flambeau.config import Config

MIB = 1 << 20


class Limits(Config):
    """Bounds on sizes, numbers and times. Beyond each of them a client is told so, and the server goes on."""

    max_body_bytes: int = Field(32 * MIB, ge=1)
    """Largest request body."""
    max_json_bytes: int = Field(8 * MIB, ge=1)
    """Largest JSON body: smaller, since numbers as text take ten times their size while they are parsed."""
    max_header_bytes: int = Field(32 << 10, ge=256)
    """Request line and headers together."""
    max_items: int = Field(64, ge=1)
    """Examples in one request."""
    max_queue: int = Field(1024, ge=1)
    """Examples that wait for the model."""
    max_held_bytes: int = Field(256 * MIB, ge=1)
    """Request bodies in memory, counted from their first byte until their answer."""
    max_connections: int = Field(512, ge=1)
    """Open connections; below the 1,024 files that a process usually may open."""
    header_seconds: float = Field(8.0, gt=0)
    """From the first byte of a request (or the connection) to the end of its headers."""
    body_seconds: float = Field(8.0, gt=0)
    """For the body, plus the time it takes at `min_body_rate`."""
    min_body_rate: float = Field(64 << 10, gt=0)
    """Bytes per second that a large upload, and the reading of a large answer, must keep up on average."""
    write_seconds: float = Field(10.0, gt=0)
    """How long a client may leave its answer unread, or read it more slowly than at `min_body_rate`."""
    idle_seconds: int = Field(30, ge=1)
    """How long an open connection may be silent between two requests."""
    wait_seconds: float = Field(5.0, gt=0)
    """How long an example may be expected to wait for the model when it comes; beyond it is refused at once, not after the wait."""
    queue_seconds: float = Field(10.0, gt=0)
    """How long an example may really wait for the model before it is dropped."""
    drain_seconds: int = Field(20, ge=1)
    """After SIGTERM or Ctrl-C: time to answer what was accepted."""
