"""What uvicorn is told, made from our limits."""

from __future__ import annotations

import uvicorn

from flambeau.serving.app import App
from flambeau.serving.config import Limits


class ServerConfig(uvicorn.Config):
    """uvicorn's settings."""

    def __init__(self, app: App, limits: Limits) -> None:
        self.application = app
        self.limits = limits
        super().__init__(
            app,
            http="flambeau.serving.protocol:Protocol",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",  # a stranger's broken request is no event; our own failures go to our own log
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=limits.idle_seconds,
            timeout_graceful_shutdown=limits.drain_seconds,
        )
