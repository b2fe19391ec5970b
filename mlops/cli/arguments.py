"""Arguments: a command line taken apart into our own flags, words and Hydra's part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from mlops.base.errors import ConfigError

Format = Literal["text", "json", "sarif", "markdown", "html"]

_FORMATS: tuple[Format, ...] = ("text", "json")


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a command was called with.

    Attributes:
        words: Leading words without `=`, such as `fetch open_bandit`.
        hydra: Overrides and Hydra's own flags, in order.
        flags: Our own switches that were given, such as `--dry-run`.
        format: How results are printed.
        options: Values of our own options that were given, such as `--out`.
    """

    words: tuple[str, ...]
    hydra: tuple[str, ...]
    flags: frozenset[str]
    format: Format
    options: Mapping[str, str] = field(default_factory=dict)


def parse(
    arguments: Sequence[str],
    *,
    flags: Sequence[str] = (),
    words: int = 0,
    formats: Sequence[Format] = _FORMATS,
    options: Sequence[str] = (),
) -> Arguments:
    """Take a command's arguments apart.

    Args:
        arguments: Everything behind the command.
        flags: Our own switches that it takes.
        words: How many leading words it takes at most.
        formats: In which it can print its result.
        options: Our own switches that take a value, as `--out FILE` or `--out=FILE`.

    Raises:
        ConfigError: `--format` has no known value, or an option has none.

    >>> parse(["fetch", "--format=json", "seed=1"], words=1).hydra
    ('seed=1',)
    """
    taken: list[str] = []
    hydra: list[str] = []
    given: set[str] = set()
    valued: dict[str, str] = {}
    format_name = "text"
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--format":
            format_name = rest.pop(0) if rest else ""
        elif argument.startswith("--format="):
            format_name = argument.partition("=")[2]
        elif argument in flags:
            given.add(argument)
        elif argument.partition("=")[0] in options:
            name, found, value = argument.partition("=")
            valued[name] = value if found else _next(rest, name)
        elif len(taken) < words and not hydra and _is_word(argument):
            taken.append(argument)
        else:
            hydra.append(argument)
    if format_name not in formats:
        raise ConfigError(
            f"--format {format_name!r} is no format here", hint=f"one of: {', '.join(formats)}"
        )
    return Arguments(
        tuple(taken), tuple(hydra), frozenset(given), cast("Format", format_name), valued
    )


def _next(rest: list[str], option: str) -> str:
    if not rest or rest[0].startswith("--"):
        raise ConfigError(f"{option} needs a value")
    return rest.pop(0)


def _is_word(argument: str) -> bool:
    return not argument.startswith(("-", "+", "~")) and "=" not in argument
