"""``ftlearn serve``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from ftlearn.cli.format_options import FormatOptions
from ftlearn.cli.options import (
    MODEL,
    RUN,
    DeviceOptions,
    SavedModelOptions,
    grouped,
    option,
    secret,
)
from ftlearn.cli.output import say
from ftlearn.errors import FtlearnError

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, kw_only=True)
class AddressOptions:
    """Where the service listens, and whom it answers."""

    host: Annotated[
        str, option("The address to listen on; 0.0.0.0 is every one of this machine.", RUN, "NAME")
    ] = "127.0.0.1"
    port: Annotated[int, option("The port; 0 for any that is free.", RUN, "NUMBER")] = 8000
    token_file: Annotated[
        Path | None,
        option(
            "A file with a secret of at least 16 characters: requests must send it as a bearer "
            "token.",
            RUN,
            "FILE",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class LimitOptions:
    """How requests are batched and limited."""

    batch_tokens: Annotated[int, option("Tokens after which a batch is full.", MODEL, "NUMBER")] = (
        4096
    )
    max_wait_ms: Annotated[
        float, option("Milliseconds that an idle service waits for company.", MODEL, "NUMBER")
    ] = 5.0
    max_queue: Annotated[
        int, option("Texts that may wait; beyond it the answer is 429.", MODEL, "NUMBER")
    ] = 1024
    max_texts: Annotated[int, option("Texts in one request.", MODEL, "NUMBER")] = 256
    max_body: Annotated[int, option("Bytes of one request.", MODEL, "NUMBER")] = 2_000_000
    max_chats: Annotated[
        int, option("Dialogues that may wait; beyond it the answer is 429.", MODEL, "NUMBER")
    ] = 16
    max_new_tokens: Annotated[
        int, option("Tokens of an answer to a dialogue that names no number.", MODEL, "NUMBER")
    ] = 256
    deadline: Annotated[
        float, option("Seconds until a request that is not answered fails.", MODEL, "NUMBER")
    ] = 30.0
    workers: Annotated[
        int,
        option(
            "Processes that answer, each with the model and its share of the cores.", RUN, "NUMBER"
        ),
    ] = 1
    log_texts: Annotated[
        bool, option("Write the texts into the log, too.", RUN, flag="--log-texts")
    ] = False


@grouped
def serve(
    saved: SavedModelOptions,
    address: AddressOptions,
    limits: LimitOptions,
    device: DeviceOptions,
    formats: FormatOptions,
) -> None:
    """Answer over HTTP until Ctrl-C: predictions, or dialogues if the model writes.

    `POST /predict` with `{"texts": ["..."]}` gives what `ftlearn predict` writes, and a browser
    finds a page to try it at `/`. Requests that arrive together are computed together. A model that
    writes answers `POST /v1/chat/completions` as OpenAI's API does. `/health/live`,
    `/health/ready` and `/metrics` are for probes and Prometheus.

    Example: `ftlearn serve run --port 8000`
    """
    try:
        from ftlearn.serving import ServeSettings, opened
    except ModuleNotFoundError as error:
        raise FtlearnError(
            f"the module {error.name} is missing: install it with pip install 'ftlearn[serving]'"
        ) from error
    from ftlearn.workflows.plan_checks import check_device

    check_device(device.device)
    settings = ServeSettings(token=secret(address.token_file), **vars(limits))
    name = formats.chosen(saved.folder, device.device)
    open_model = partial(opened, saved.folder, device.device, name)
    if address.host not in LOOPBACK and settings.token is None:
        say("note: everybody who reaches this machine can ask; --token-file limits it", err=True)
    _run(open_model, settings, address, saved.folder)


def _run(
    open_model: Callable[[], Any], settings: Any, address: AddressOptions, folder: Path
) -> None:
    """Answer in this process, or in several workers."""
    from ftlearn.formats.manifest import is_exported
    from ftlearn.models import saving
    from ftlearn.serving import server, workers

    if settings.workers > 1:
        if not is_exported(folder):
            saving.locate(folder)  # one error here instead of one per worker
        workers.run_workers(
            open_model,
            settings,
            host=address.host,
            port=address.port,
            announce=lambda url, memory: say(_workers_line(folder, url, memory)),
        )
        return
    model = open_model()
    server.run(
        model,
        settings,
        host=address.host,
        port=address.port,
        announce=lambda url: say(f"{model.name} answers on {url} (Ctrl-C stops it)"),
    )


def _workers_line(folder: Path, url: str, memory: Sequence[int]) -> str:
    """Where the workers answer, and what they take."""
    from ftlearn.runtime.memory import format_bytes

    sizes = ", ".join(map(format_bytes, memory))
    return f"{folder} answers on {url} with {len(memory)} workers of {sizes} (Ctrl-C stops them)"
