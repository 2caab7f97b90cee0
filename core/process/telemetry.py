"""Logging of every process: one line per event, as JSON unless a person reads it at a terminal.

Event names come from the glossary. A line never holds a prompt, a key or a signed address. That is
why a line shows the type and the place of an exception, and never its text.
"""

import logging
import re
import sys
import threading
import traceback
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_FRAMES = 12
# Bytes as Python shows them.
_BYTES = re.compile(r"""\s*b['"]""")
_OURS = ("core", "server", "workers", "admin", "standalone", "__main__")


def configure_logging(level: str, role: str, process: str = "") -> None:
    """Sends log lines, warnings of libraries and uncaught exceptions of this process to stderr.

    `process` is the name of this process among those of its role; empty when it has none.
    """
    console = sys.stderr.isatty()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_exception,
    ]
    render: Processor = (
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_library_line, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _add_names(role, process or role),
                render,
            ],
        )
    )
    # Libraries only warn. At DEBUG the database's library logs every value, so every prompt, and
    # those of providers log whole requests. Some raise their own level by a variable (OPENAI_LOG),
    # whatever the root logger says.
    handler.addFilter(_only_ours_or_warnings)
    logging.basicConfig(level="WARNING", handlers=[handler], force=True)
    for package in _OURS:
        logging.getLogger(package).setLevel(level.upper())
    logging.captureWarnings(True)
    # Python itself would print the exception's text.
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(
        args.exc_type, args.exc_value, args.exc_traceback
    )


def log_command() -> None:
    """Sends the log lines of a command to stderr: what it prints is its result."""
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module; call it with an event name and keywords."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def describe_exception(error: BaseException) -> dict[str, Any]:
    """Type and place of an exception and of its causes, without any of their texts."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    described: dict[str, Any] = {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "frames": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        described["cause"] = describe_exception(cause)
    return described


def _name_exception(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    info = line.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        line["exception"] = describe_exception(error)
    return line


def _only_ours_or_warnings(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING or record.name.partition(".")[0] in _OURS


def _library_line(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Turns a library's line into one of ours.

    The library's sentence is no event name, and its record would carry the exception's text.
    """
    record: logging.LogRecord = line["_record"]
    if record.exc_info:
        line["exc_info"] = record.exc_info
        record.exc_info = record.exc_text = None
    message = str(line["event"])
    # From the second line on, asyncio shows its objects, with the texts of exceptions.
    if record.name == "asyncio":
        message = message.partition("\n")[0]
    # gRPC shows the headers that it can't read, and a token may be one.
    line["message"] = _BYTES.split(message, 1)[0] if record.name.startswith("grpc") else message
    line["event"] = "library_message"
    line["library"] = record.name
    return line


def _log_uncaught(
    kind: type[BaseException], error: BaseException | None, _: TracebackType | None
) -> None:
    if not issubclass(kind, KeyboardInterrupt | SystemExit):
        get_logger("__main__").error("uncaught_exception", exc_info=error or kind())


def _add_names(role: str, process: str) -> Processor:
    def add(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
        line["role"] = role
        line["process"] = process
        return line

    return add
