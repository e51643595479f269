"""A real broker, as a process of its own that can be killed and started again on its data and its ports."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.request
from typing import List, Optional

BINARY = os.environ.get("LOCKSTEP_BINARY") or str(pathlib.Path(__file__).parents[3] / "bin" / "lockstep")


def _free_ports(n: int) -> List[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Broker:
    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        kafka, http = _free_ports(2)
        self.address, self.http = f"127.0.0.1:{kafka}", f"127.0.0.1:{http}"
        self._process: Optional[subprocess.Popen[bytes]] = None
        self.start()

    @property
    def config(self) -> dict[str, str]:
        return {"bootstrap.servers": self.address}

    def start(self) -> None:
        with open(self._folder / "broker.log", "ab") as log:
            self._process = subprocess.Popen(
                [BINARY, "serve", "--data-dir", str(self._folder / "data"), "--listen", self.address, "--http", self.http],
                stdout=log, stderr=log)
        until = time.monotonic() + 30
        while not self._ready():
            if time.monotonic() > until or self._process.poll() is not None:
                raise AssertionError((self._folder / "broker.log").read_text()[-4000:])
            time.sleep(0.05)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.http}/v1/status/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def run(self, *args: str) -> str:
        """A command of the broker's own command line."""
        done = subprocess.run([BINARY, *args, "--brokers", self.address, "--http", self.http], capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def topic(self, name: str, *settings: str, partitions: int = 1) -> str:
        args = ["topic", "create", name, "-p", str(partitions)]
        for s in settings:
            args += ["--config", s]
        self.run(*args)
        return name

    def conflicts(self) -> List[dict[str, object]]:
        with urllib.request.urlopen(f"http://{self.http}/v1/conflicts", timeout=5) as answer:
            return list(json.load(answer))
