"""The process around the application: bind, load, listen, and end without losing an answer.

The exit code of `serve`: 0 when SIGTERM or SIGHUP came and everything accepted was answered; 130 after Ctrl-C, as everywhere; 143 when a
second signal or the deadline cut the end short.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import gc
import logging
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from types import FrameType

import uvicorn

from flambeau.errors import DeviceError, UsageError
from flambeau.garbage import search_rarely
from flambeau.inputs.quiet import without_pillow_warnings
from flambeau.serving.app import App, create_app
from flambeau.serving.config import Limits
from flambeau.serving.model import Ready, ServedModel
from flambeau.serving.protocol import Protocol
from flambeau.serving.settings import ServerConfig

GRACE_SECONDS = 0.25
"""After the signal: not ready any more, but still accepting, while open connections are told to close after their answer."""
BACKLOG = 2048
SIGNALS = (signal.SIGINT, signal.SIGTERM)
HANGUP = tuple(sig for sig in signal.Signals if sig.name == "SIGHUP")
"""The terminal is gone; Windows has no such signal."""
_SO_ATTACH_FILTER = 26
"""Of Linux; Python has no name for it."""


def serve(load: Callable[[], ServedModel], host: str, port: int, limits: Limits, announce: Callable[[Ready], None]) -> int:
    """Answer requests until a signal comes -> the exit code of the process.

    Args:
        load: reads the model and checks its goldens; called when the port is ours, before anybody can connect.
        port: 0 takes a free one.
        announce: called once, when requests are answered.

    Raises:
        DeviceError: the port is taken or may not be used.
        UsageError: `host` is no address of this machine.
    """
    begin = time.perf_counter()
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # its warnings quote what strangers send
    # held open: setting the filters anew for each picture costs a tenth of the decoding of a small one
    with closing(bind(host, port)) as listener, without_pillow_warnings():
        app = create_app(load(), limits)
        with closing(app), _kept():
            address = listener.getsockname()[:2]
            server = Server(app, limits, lambda: announce(_ready(app, host, address[1], time.perf_counter() - begin)))
            try:
                server.run(sockets=[listener])
            except OSError as error:
                raise _port_error(error, host, address[1]) from error
    return server.exit_code


@contextmanager
def _kept() -> Iterator[None]:
    """What is there by now stays for as long as requests are answered: no search for garbage walks over it again, and there are few."""
    before = gc.get_threshold()
    search_rarely()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


class Server(uvicorn.Server):
    """uvicorn's server, ending as a service should."""

    def __init__(self, app: App, limits: Limits, announce: Callable[[], None]) -> None:
        super().__init__(ServerConfig(app, limits))
        self._app = app
        self._announce = announce
        self._spare: list[socket.socket] = []
        self._signal: int | None = None
        self._lost = False

    @property
    def exit_code(self) -> int:
        """As the module says."""
        if self._signal == signal.SIGINT:
            return 128 + signal.SIGINT
        return 128 + signal.SIGTERM if self._lost else 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        for listener in sockets or []:
            listener.listen(BACKLOG)  # uvloop would not say that another program took the port while the model was loaded
            self._spare.append(listener.dup())
        await super().startup(sockets)
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what was accepted, also by the kernel alone, and close."""
        self._app.is_draining = True
        self.server_state.default_headers.append((b"connection", b"close"))
        if not self.force_exit:
            await asyncio.sleep(GRACE_SECONDS)
        for server in self.servers:
            server.close()
        await self._adopt_backlog()
        await super().shutdown(sockets)
        late = [connection.give_up() for connection in self._connections()]
        self._lost = self.force_exit or bool(self.server_state.tasks) or any(late)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal asks for the end, the second does not wait; but a terminal that goes may say so twice."""
        self.force_exit = self.force_exit or (self.should_exit and sig not in HANGUP)
        self.should_exit = True
        self._signal = self._signal or sig

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals while serving; unlike uvicorn, do not raise them again afterwards: they have been obeyed."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        asked = (*SIGNALS, *(sig for sig in HANGUP if signal.getsignal(sig) != signal.SIG_IGN))  # nohup has it ignored
        before = {sig: signal.signal(sig, self.handle_exit) for sig in asked}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)

    async def _adopt_backlog(self) -> None:
        """Take over the connections that the kernel completed before the listener closed: their requests may be here already."""
        loop = asyncio.get_running_loop()
        waiting = [connection for spare in self._spare for connection in _accepted_last(spare)]
        for connection in waiting:
            await loop.connect_accepted_socket(self._protocol, connection)

    def _connections(self) -> list[Protocol]:
        return [connection for connection in self.server_state.connections if isinstance(connection, Protocol)]

    def _protocol(self) -> Protocol:
        config = self.config
        assert isinstance(config, ServerConfig)
        return Protocol(config, self.server_state, {})


def bind(host: str, port: int) -> socket.socket:
    """A socket that holds the port without listening yet: nobody can connect before the model is loaded.

    Raises:
        DeviceError: the port is taken or may not be used.
        UsageError: `host` is no address of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (socket.gaierror, UnicodeError):
        raise UsageError("host-unknown", where="--host", host=host) from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _port_error(error, host, port) from error
    return listener


def _port_error(error: OSError, host: str, port: int) -> DeviceError | UsageError | OSError:
    if error.errno == errno.EADDRINUSE:
        with closing(bind(host, 0)) as free:
            return DeviceError("port-in-use", where="--port", port=port, free=free.getsockname()[1])
    if error.errno == errno.EACCES:
        return DeviceError("port-forbidden", where="--port", port=port)
    if error.errno == errno.EADDRNOTAVAIL:
        return UsageError("host-unknown", where="--host", host=host)
    return error


def _ready(app: App, host: str, port: int, seconds: float) -> Ready:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - not bound here
    return Ready(f"http://{shown}:{port}", host, port, app.model.name, app.model.runtime, seconds, app.max_batch)


def _turn_away(listener: socket.socket) -> None:
    """Lets the kernel drop all that asks for a connection, so that none is made that nobody would accept: its client, who took it for open,
    would see it reset. He asks again after a second, and is refused. On Linux alone; elsewhere a few microseconds are left for that.

    Source: https://www.kernel.org/doc/html/latest/networking/filter.html; the filter is the one instruction "return 0".
    """
    if sys.platform != "linux":
        return
    program = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF_RET | BPF_K
    with suppress(OSError):  # where a sandbox forbids it
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(program)))


def _accepted_last(listener: socket.socket) -> Sequence[socket.socket]:
    """The connections that wait in a listener's backlog; the listener is closed then, and no other one comes to wait meanwhile."""
    connections = []
    _turn_away(listener)
    listener.setblocking(False)
    with closing(listener), suppress(BlockingIOError):
        while True:
            with suppress(ConnectionAbortedError):  # this client is gone already
                connections.append(listener.accept()[0])
    return connections
