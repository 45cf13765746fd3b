"""The command `photograft`: its verbs, and what becomes of their errors.

Exit codes: 0 done, 1 unexpected, 2 usage or settings, 3 data, 4 model, 5 training, 6 done in part,
130 stopped by Ctrl-C, 141 nobody reads the output any more, 143 stopped by SIGTERM.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from photograft.cli import (
    advise,
    backbones,
    cache,
    check,
    compare,
    config,
    doctor,
    edits,
    evaluate,
    explain,
    export,
    heads,
    predict,
    pretrain,
    recipes,
    report,
    review,
    runs,
    search,
    serve,
    split,
    train,
    tune,
    verify,
)
from photograft.cli.console import print_text, say
from photograft.errors import ConfigError, PhotograftError
from photograft.training.ranks import is_said, launched

INTERRUPTED = 130
BROKEN_PIPE = 141
TERMINATED = 143
_LAST_WORDS_S = 3.0
"""What a process waits before it ends without a word, so that another one can say it."""

app = typer.Typer(
    name="photograft",
    help="From a folder of photos to an image classifier that can be trusted.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# One line per verb, in the order of the work: app.command("verb")(module.verb), or add_typer for verbs with sub-verbs.
app.command("check")(check.check)
app.add_typer(edits.app, name="edits")
app.command("split")(split.split)
app.command("advise")(advise.advise)
app.command("pretrain")(pretrain.pretrain)
app.command("train")(train.train)
app.command("tune")(tune.tune)
app.command("evaluate")(evaluate.evaluate)
app.command("report")(report.report)
app.command("review")(review.review)
app.command("predict")(predict.predict)
app.command("explain")(explain.explain)
app.add_typer(search.app, name="search")
app.command("verify")(verify.verify)
app.command("export")(export.export)
app.command("serve")(serve.serve)
app.add_typer(runs.app, name="runs")
runs.app.command("compare")(compare.compare)
runs.app.command("diff")(compare.diff)
app.add_typer(heads.app, name="heads")
app.add_typer(recipes.app, name="recipes")
app.add_typer(backbones.app, name="backbones")
app.add_typer(cache.app, name="cache")
app.add_typer(config.app, name="config")
app.command("doctor")(doctor.doctor)


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived. What cleans up after Ctrl-C also cleans up after this."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. `arguments` are those of the process by default."""
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    given, debug = _take_debug(given)
    try:
        with _sigterm_raises():
            return _run(given)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException as error:
        return _report(error, debug=debug)


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; also PHOTOGRAFT_DEBUG=1.")
    ] = False,
) -> None:
    pass  # main() takes both out before the verb is looked for


def _run(arguments: list[str]) -> int:
    if _has_a_speaker(arguments):
        return 0
    if arguments[0] == "--version":
        from photograft import __version__

        print_text(f"photograft {__version__}")
        return 0
    # Typer's own main would print errors and choose exit codes in its way, so its two steps are called here.
    command: Any = typer.main.get_command(app)
    try:
        with command.make_context("photograft", arguments) as context:
            command.invoke(context)
    except typer.Exit as stop:
        return int(stop.exit_code)
    sys.stdout.flush()
    return 0


def _take_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """Take `--debug` from wherever it stands, so that it can be added at the end of a command that failed."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = [each for each in arguments[:end] if each != "--debug"]
    debug = len(options) < end or os.environ.get("PHOTOGRAFT_DEBUG", "") not in ("", "0")
    return (options + arguments[end:]) or ["--help"], debug


def _report(error: BaseException, *, debug: bool) -> int:
    """Tell the user what happened in one line, and give the exit code."""
    if isinstance(error, BrokenPipeError) and _nobody_reads_stdout():
        return BROKEN_PIPE
    if debug:
        say("".join(traceback.format_exception(error)).rstrip())
    if isinstance(error, Terminated):
        return _said("photograft: stopped", error, TERMINATED)
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return _said("photograft: stopped", error, INTERRUPTED)
    if isinstance(error, PhotograftError):
        return _said(f"photograft: error: {error}", error, error.exit_code)
    if hasattr(error, "format_message"):  # what Typer raises for wrong usage, in each of its releases
        context = getattr(error, "ctx", None)
        verb = context.command_path if context is not None else "photograft"
        message = error.format_message().replace("Value error, ", "").rstrip(". ")
        return _said(f"photograft: error: {message}. Try `{verb} --help`.", error, 2)
    if isinstance(error, OSError):
        return _said(f"photograft: error: {error} (--debug shows where)", error, 1)
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    return _said(f"photograft: error: unexpected {what} (--debug shows where; please report it)", error, 1)


def _said(text: str, error: BaseException, code: int) -> int:
    """Say it, unless this is one of several processes of which another one does."""
    if not is_said(error):
        say(text)
    elif not isinstance(error, KeyboardInterrupt):
        time.sleep(_LAST_WORDS_S)  # a launcher that sees this one end stops the one that speaks
    return code


def _has_a_speaker(arguments: list[str]) -> bool:
    """Whether another process says what is asked for here: of several, one on each machine gives the help.

    Raises:
        ConfigError: a launcher started several processes of a verb that does not share its work.
    """
    launch = launched()
    if launch is None:
        return False
    if not any(each in ("--help", "-h", "--version") for each in arguments):
        other = next((each for each in arguments if each.partition("=")[0] in ("--dry-run", "--on")), "")
        what = f"{arguments[0]} {other}".rstrip()
        if what != "train":
            raise ConfigError(
                f"{launch.size} processes were started together, which is for fine-tuning by `photograft train`: "
                f"start `photograft {what}` once, without torchrun"
            )
        return False
    return launch.local_rank != 0


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Let SIGTERM unwind the stack as Ctrl-C does; a second one stops at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def unwind(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise Terminated

    before = signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) != signal.SIG_IGN:  # else one of several processes ends, and is told again
            signal.signal(signal.SIGTERM, before)


def _nobody_reads_stdout() -> bool:
    """Whether our own stdout broke and not, say, the pipe of a worker. If so, nothing is written to it again."""
    stdout = sys.stdout.fileno()
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(stdout, 0)  # a broken pipe is reported without being asked for
        if not any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0)):
            return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), stdout)
    return True
