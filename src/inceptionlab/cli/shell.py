"""What is around the work of every command: output that no terminal's encoding can stop, and exit codes with a word
instead of a traceback.
"""

from __future__ import annotations

import codecs
import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TextIO

from inceptionlab.errors import InceptionLabError

DONE, FAILED, INTERRUPTED = 0, 2, 130
_PLAIN = {"×": "x", "…": "...", "→": "->", "−": "-", "–": "-", "·": "*", "¦": "|", "±": "+/-", "≤": "<=", "≥": ">=",
          "“": '"', "”": '"', "’": "'", "√": "sqrt", "━": "-", "╸": "-", "╺": "-", "─": "-", "│": "|"}  # fmt: skip


def exit_code(work: Callable[[], object]) -> int:
    """Do the work of a command: 0 done, 2 bad input or nowhere to write (one sentence on standard error), 130
    interrupted. A reader that has read enough (`| head`) is no error.
    """
    with _noting_interrupts() as interrupts:
        try:
            _open_streams()
            code = _ended(work)
            sys.stdout.flush()
            return code
        except BrokenPipeError:
            _write_no_more()
            return DONE
        except (Exception, KeyboardInterrupt) as error:
            if interrupts or isinstance(error, KeyboardInterrupt):  # what is interrupted may say so by another error
                return _say("interrupted", INTERRUPTED)
            if isinstance(error, InceptionLabError):
                return _say(f"error: {error}", FAILED)
            if isinstance(error, OSError):
                return _say(f"error: {_of_system(error)}", FAILED)
            raise


def _ended(work: Callable[[], object]) -> int:
    """The exit code that the work ends with by itself."""
    try:
        work()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else DONE if end.code is None else FAILED
    return DONE


@contextmanager
def _noting_interrupts() -> Generator[list[int]]:
    """Within the block the signals of Ctrl-C are noted: a library that is being imported may turn one into an error of
    its own, and what is torn down then complains.
    """
    noted = list[int]()

    def note(number: int, frame: object) -> None:
        noted.append(number)
        sys.unraisablehook = lambda _: None
        raise KeyboardInterrupt

    try:
        before: Any = signal.signal(signal.SIGINT, note) if signal.getsignal(signal.SIGINT) else None
    except ValueError:  # not in the main thread
        yield noted
        return
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN if noted else before)


def _say(words: str, code: int) -> int:
    """A last word on standard error; what was printed before goes out first, if it can."""
    try:
        sys.stdout.flush()
    except OSError:
        _write_no_more()
    try:
        print(words, file=sys.stderr, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    return code


def _of_system(error: OSError) -> str:
    if error.filename is None and error.strerror:
        return f"the output cannot be written: {error.strerror}"
    return f"{error.filename}: {error.strerror}" if error.strerror else str(error)


def _write_no_more() -> None:
    """Standard output leads nowhere from here on, so that nothing is tried again when Python ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = _nowhere()


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


def _open_streams() -> None:
    """Standard output and error that write what their encoding lacks in plain letters; closed ones lead nowhere."""
    codecs.register_error("inceptionlab", _in_plain_letters)
    for name in ("stdout", "stderr"):
        stream: Any = getattr(sys, name)
        if stream is None:
            setattr(sys, name, _nowhere())
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="inceptionlab")


def _in_plain_letters(error: UnicodeError) -> tuple[str | bytes, int]:
    """Signs of ours as people type them, all others as JSON escapes, so that JSON stays JSON."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(sign: str) -> str:
    if sign in _PLAIN:
        return _PLAIN[sign]
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
