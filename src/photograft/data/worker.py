"""The killable process in which photos are decoded: ``python -m photograft.data.worker``, started by `data.pool`.

It reads the contract once and then the bytes of one file after the other from stdin, and answers on stdout, until
stdin closes. A file can do no more harm than end this process: memory and CPU time are limited (where the system has
such limits), and nothing that a decoder library prints reaches the program.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
from typing import Any, BinaryIO

import numpy as np

from photograft.contract import Contract
from photograft.data.images import Decoded, decode
from photograft.data.wire import receive, send, unpack_annotation
from photograft.errors import ImageRejected

MEMORY_LIMIT_BYTES = 512 * 2**20


def main() -> None:
    """Answer requests until stdin closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program, which then closes stdin
    requests, answers = _take_streams()
    try:
        greeting, _ = receive(requests)
        contract = Contract.model_validate(greeting["contract"])
        _use_one_thread()
        _limit_memory()
        send(answers, {"ready": True})
        _silence_stderr()  # libtiff writes a line for every odd tag; start-up errors above are still seen
        while True:
            send(answers, *_answer(requests, contract, greeting["timeout_s"]))
    except (EOFError, BrokenPipeError):
        return


def _answer(requests: BinaryIO, contract: Contract, timeout_s: float) -> tuple[dict[str, Any], bytes]:
    try:
        header, data = receive(requests)
        annotation = unpack_annotation(header)
        _limit_time(timeout_s)
        decoded = decode(data, contract, annotation)
        _limit_time(0)
    except ImageRejected as rejected:
        _limit_time(0)
        return {"verdict": rejected.verdict, "reason": rejected.reason}, b""
    except MemoryError:
        _limit_time(0)
        return {"verdict": "too_many_pixels", "reason": "decoding it needs more memory than one photo may take"}, b""
    except EOFError:
        raise
    except Exception as error:  # a mistake of ours must not end the scan of somebody's photos
        _limit_time(0)
        return {"verdict": "corrupt", "reason": f"it could not be decoded: {type(error).__name__}: {error}"}, b""
    return pack(decoded)


def pack(decoded: Decoded) -> tuple[dict[str, Any], bytes]:
    """Header and payload for one decoded photo."""
    fields = {f.name: getattr(decoded, f.name) for f in dataclasses.fields(decoded) if f.name != "pixels"}
    return {"verdict": "ok", "px": decoded.pixels.shape[0], "fields": fields}, decoded.pixels.tobytes()


def unpack(header: dict[str, Any], payload: bytes) -> Decoded:
    """The photo that `pack` was given; its pixels are read-only.

    Raises:
        ImageRejected: if the answer is a verdict.
    """
    if header["verdict"] != "ok":
        raise ImageRejected(header["verdict"], header["reason"])
    pixels = np.frombuffer(payload, dtype=np.uint8).reshape(header["px"], header["px"], 3)
    fields = header["fields"]
    return Decoded(pixels=pixels, **{**fields, "box": fields["box"] and tuple(fields["box"])})


def _take_streams() -> tuple[BinaryIO, BinaryIO]:
    """Keep stdin and stdout for the messages, so that a library that reads or prints cannot disturb them."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


def _silence_stderr() -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    os.close(nothing)


def _use_one_thread() -> None:
    """The pool keeps the cores busy by photos; a decoder with threads of its own would only cost memory."""
    from PIL import AvifImagePlugin

    AvifImagePlugin.DEFAULT_MAX_THREADS = 1


def _limit_memory() -> None:
    """Limit private memory and leave no core files. RLIMIT_AS would also count what OpenBLAS only reserves."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for limit, value in ((resource.RLIMIT_DATA, MEMORY_LIMIT_BYTES), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(limit)
        if hard == resource.RLIM_INFINITY or value <= hard:
            resource.setrlimit(limit, (value, hard))


def _limit_time(seconds: float) -> None:
    """Let the system end this process after so many CPU seconds; 0 takes the limit back.

    No handler is installed: Python would run it only after the decoder has returned.
    """
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_PROF, seconds)


if __name__ == "__main__":
    main()
