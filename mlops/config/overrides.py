"""An override: one `KEY=VALUE` as typed, told from flags, and made to fit Hydra."""

from collections.abc import Sequence

from mlops.config.keys import allowed_names, is_known


def positionals_first(arguments: Sequence[str]) -> list[str]:
    """Return overrides before flags: Hydra's parser refuses an override behind a flag.

    >>> positionals_first(["a=1", "-m", "b=1,2", "--cfg", "job"])
    ['a=1', 'b=1,2', '-m', '--cfg', 'job']
    """
    overrides = [argument for argument in arguments if is_override(argument)]
    return [*overrides, *(a for a in arguments if a not in overrides)]


def is_override(argument: str) -> bool:
    """Tell whether an argument sets or takes away a key."""
    return not argument.startswith("-") and (argument[:1] == "~" or "=" in argument)


def added(argument: str) -> str:
    """Return an override so that Hydra takes it where no file sets its key, if the key is known.

    >>> added("quality.confidence=0.9"), added("quality.confidnce=0.9"), added("model=logistic")
    ('++quality.confidence=0.9', 'quality.confidnce=0.9', 'model=logistic')
    """
    name, equals, _ = argument.partition("=")
    key = tuple(name.split("."))
    group = len(key) == 1 and bool(allowed_names(key))
    return f"++{argument}" if equals and not group and is_known(key) else argument
