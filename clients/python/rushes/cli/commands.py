"""How a function becomes a command: its option groups are spread out, its errors told.

A group is a dataclass whose fields are typer options; `Session` stands for `Connection`, which
every command takes, before or after its name.
"""

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

import typer
from typer.core import TyperArgument, TyperCommand

from rushes.cli.exits import told_errors
from rushes.cli.session import Connection, Session

Function = Callable[..., None]


class PlainCommand(TyperCommand):
    """A command whose help shows an argument's name without a Python type behind it."""

    def format_options(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """Writes the arguments and the options."""
        parameters = self.get_params(ctx)
        arguments = [p for p in parameters if isinstance(p, TyperArgument)]
        records = [p.get_help_record(ctx) for p in parameters if p not in arguments]
        if arguments:
            with formatter.section("Arguments"):
                formatter.write_dl([(p.display_name_raw, p.help or "") for p in arguments])
        with formatter.section("Options"):
            formatter.write_dl([record for record in records if record])


def command(app: typer.Typer, name: str) -> Callable[[Function], Function]:
    """Registers a function as a command of `app`; its docstring is the help."""

    def register(function: Function) -> Function:
        spelled = spread(function)
        app.command(name, cls=PlainCommand, help=inspect.getdoc(function))(spelled)
        return function

    return register


def new_group(text: str) -> typer.Typer:
    """A group of commands that takes the common options too."""
    app = typer.Typer(
        help=text,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(help=text)(spread(_remember))
    return app


def spread(function: Function) -> Function:
    """`function` with one flat parameter for each option of its groups.

    A parameter `context` of the function gets the context of the command.
    """
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, Any] = {}
    takes_context = False
    parameters = [_parameter("context", typer.Context)]
    for name, parameter in inspect.signature(function).parameters.items():
        hint = Connection if hints[name] is Session else hints[name]
        if hint is typer.Context:
            takes_context = True
        elif is_dataclass(hint):
            groups[name] = hint
            parameters += _options(hint)
        else:
            parameters.append(_parameter(name, hint, parameter.default))

    def run(context: typer.Context, **values: Any) -> None:
        arguments = {name: _take(group, values) for name, group in groups.items()}
        for name, value in arguments.items():
            if isinstance(value, Connection):
                context.obj = value.over(context.obj)
                arguments[name] = Session(context.obj)
        if takes_context:
            arguments["context"] = context
        with told_errors():
            function(**arguments, **values)

    flat: Any = run
    flat.__name__ = function.__name__
    flat.__signature__ = inspect.Signature(parameters)
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _remember(session: Session) -> None:
    """Takes the options that stand before the subcommand; `spread` remembers them."""


def _take(group: Any, values: dict[str, Any]) -> Any:
    return group(**{field.name: values.pop(field.name) for field in fields(group)})


def _options(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        _parameter(
            field.name,
            hints[field.name],
            field.default_factory() if callable(field.default_factory) else field.default,
        )
        for field in fields(group)
    ]


def _parameter(
    name: str, annotation: Any, default: Any = inspect.Parameter.empty
) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )
