"""The pace of a comparison: a process that trains when it is told to, for as long as it is told to.

Each contender is a process of its own that lives through the whole comparison. The leader sends
one job (which net, which methods), then asks for one round at a time, so that the rounds of all
contenders alternate; a contender that is not asked waits on its pipe and costs nothing.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

MINIMUM = 3  # steps a round, however slow


@dataclass(frozen=True, slots=True)
class Job:
    """What to train."""

    net: str
    methods: str  # name of the set
    threads: int
    data: str  # file of a dict with images, uint8 n c h w, and labels
    batch_size: int


class JobIsOver(BaseException):
    """Raised in the middle of a training loop, to leave it; no library may catch it as an error."""


class Rounds:
    """The contender's side: knows when a round ends, and waits for the next one to begin."""

    def __init__(self, receive: Callable[[], Any], send: Callable[[Any], None]) -> None:
        self._receive, self._send = receive, send

    def ready(self, parameters: int) -> None:
        """Say that training may begin, and wait for the first round."""
        self._send({"parameters": parameters})
        self._wait()

    def step_done(self, images: int, loss: Any) -> None:
        """Count a step; at the end of a round, report it and wait for the next.

        Raises:
            JobIsOver: When there is no next round.
        """
        self._images, self._steps = self._images + images, self._steps + 1
        seconds = time.perf_counter() - self._started
        if seconds < self._seconds or self._steps < MINIMUM:
            return
        cpu = time.process_time() - self._cpu
        report = {"images": self._images, "seconds": seconds, "cpu_seconds": cpu}
        self._send(report | {"loss": float(loss)})
        self._wait()

    def _wait(self) -> None:
        message = self._receive()
        if "seconds" not in message:
            raise JobIsOver
        self._images, self._steps, self._seconds = 0, 0, message["seconds"]
        self._cpu, self._started = time.process_time(), time.perf_counter()


def serve(contenders: dict[str, Callable[[Job, Rounds], None]]) -> None:
    """Take jobs for the contender that the command line names, until the leader hangs up."""
    contender = contenders[sys.argv[1]]
    # libraries may print: keep the pipe to ourselves, and let them talk to standard error
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(message: Any) -> None:
        pipe.write(json.dumps(message) + "\n")
        pipe.flush()

    def receive() -> Any:
        line = sys.stdin.readline()
        if not line:
            sys.exit(0)
        return json.loads(line)

    while True:
        message = receive()
        if "net" not in message:
            continue
        try:
            contender(Job(**message), Rounds(receive, send))
        except JobIsOver:
            send({"over": True})


class Contender:
    """The leader's side of one process."""

    def __init__(self, command: list[str], log: Path) -> None:
        self._log = log
        with log.open("w") as errors:
            self._process = Popen(command, stdin=PIPE, stdout=PIPE, stderr=errors, text=True)

    def start(self, job: Job) -> int:
        """Build the net and return its number of parameters."""
        return self._ask(asdict(job))["parameters"]

    def round(self, seconds: float) -> dict[str, float]:
        """Train for about ``seconds``."""
        return self._ask({"seconds": seconds})

    def end(self) -> None:
        """Drop the net."""
        self._ask({"end": True})

    def close(self) -> None:
        """Let the process go."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def _ask(self, message: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("\n".join(self._log.read_text().splitlines()[-15:]))
        return json.loads(answer)
