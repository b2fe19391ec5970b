"""An interpolation: a `${...}` in a value; what it may ask for, and how much it may stand for.

Configuration comes from people and pull requests. Of the environment it may read what begins with
`MLOPS_` and what the variable `MLOPS_CONFIG_ENV` names, which no configuration can set. A few
lines that name each other twice would stand for billions of values, so what a tree stands for is
added up before anything of it is resolved.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from mlops.base.errors import ConfigError, Place
from mlops.config.origin import Key

ALLOWED_ENV = "MLOPS_CONFIG_ENV"
"""Variable with more names that `${oc.env:NAME}` may read, with commas between them."""
RESOLVERS = frozenset({"oc.env", "oc.select", "hydra", "now", "python_version"})
"""Resolvers that a value may use. The others of OmegaConf build values out of texts (`oc.create`,
`oc.decode`) or name many at once, and no setting needs them."""
MAX_WEIGHT = 300_000
"""Most that a tree may stand for: characters and values once resolved, and for each time that an
interpolation is resolved on the way 50 more, since that takes longer than to copy them."""
MAX_STEPS = 50
"""Most interpolations that may lead from one to the next."""

_PREFIX = "MLOPS_"
_RESOLVED = 50
_OPEN = f"name it {_PREFIX}..., or list it in the environment variable {ALLOWED_ENV}"
_RESOLVER = re.compile(r"\s*([A-Za-z_]\w*(?:\.\w+)*)\s*:\s*([^,}$]*)")
_NODE = re.compile(r"\s*([^${}:,]*?)\s*\}")
_PARTS = re.compile(r"[^.\[\]]+")

Where: TypeAlias = Callable[[Key], Place | None]
Target: TypeAlias = tuple[Key, object]


def require_variable(name: str, environment: Mapping[str, str]) -> None:
    """Refuse an environment variable that configuration may not read.

    Args:
        name: The variable.
        environment: Names more that it may read, in `MLOPS_CONFIG_ENV`.

    Raises:
        ConfigError: It is not on the list.
    """
    if not _may_read(name, environment):
        raise ConfigError(_forbidden(name), hint=_OPEN)


def _may_read(name: str, environment: Mapping[str, str]) -> bool:
    more = {each.strip() for each in environment.get(ALLOWED_ENV, "").split(",")}
    return name.startswith(_PREFIX) or (name != "" and name in more)


def _forbidden(name: str) -> str:
    return f"configuration may not read the environment variable {name!r}"


def bound_interpolations(tree: object, where: Where, environment: Mapping[str, str]) -> None:
    """Refuse a tree whose interpolations ask for what they may not, or stand for too much.

    Args:
        tree: Composed or read from a file, as plain values, unresolved.
        where: Tells where a key was set.
        environment: Tells which variables may be read.

    Raises:
        ConfigError: A resolver or a variable is not allowed, a name is put together out of others,
            they lead through too many steps, or they stand for too much.
    """
    _Weights(tree, where, environment).of((), tree, 0)


class _Weights:
    """Adds up what values stand for; each is looked at once, however often it is named.

    Args:
        tree: The whole.
        where: Tells where a key was set.
        environment: Tells which variables may be read.
    """

    def __init__(self, tree: object, where: Where, environment: Mapping[str, str]) -> None:
        self._tree = tree
        self._where = where
        self._environment = environment
        self._found: dict[Key, int] = {}

    def of(self, key: Key, value: object, steps: int) -> int:
        """Return the characters and values that a value stands for.

        Args:
            key: Where it is.
            value: The value.
            steps: How many interpolations led here.
        """
        if key in self._found:
            return self._found[key]
        if steps > MAX_STEPS:
            raise self._refused(key, f"interpolations lead through more than {MAX_STEPS} steps")
        self._found[key] = 0  # one that leads back here is refused by OmegaConf, which says so
        weight = 1 + sum(
            len(name) + self.of(at, below, steps) for name, at, below in _below(key, value)
        )
        if isinstance(value, str):
            weight += len(value)
            for at, target in self._targets(key, value):
                weight += _RESOLVED + self.of(at, target, steps + 1)
        if weight > MAX_WEIGHT:
            text = f"what its interpolations stand for is larger than {MAX_WEIGHT:,}"
            raise self._refused(key, text)
        self._found[key] = weight
        return weight

    def _targets(self, key: Key, text: str) -> Iterator[Target]:
        """Return the values that a text's interpolations name."""
        for match in re.finditer(r"(\\*)\$\{", text):
            if len(match[1]) % 2:  # `\${` is no interpolation
                continue
            resolver, node = _RESOLVER.match(text, match.end()), _NODE.match(text, match.end())
            if resolver is not None:
                path = self._asked(key, resolver[1], resolver[2].strip())
            elif node is not None:
                path = node[1]
            else:
                raise self._refused(key, "an interpolation's name may hold no other one")
            found = self._find(key, path) if path else None
            if found is not None:
                yield found

    def _asked(self, key: Key, resolver: str, argument: str) -> str:
        """Return the path that a resolver names; empty if it names none."""
        if resolver not in RESOLVERS:
            known = ", ".join(sorted(RESOLVERS))
            text = f"the resolver {resolver!r} is not used"
            raise self._refused(key, text, hint=f"known: {known}")
        if resolver in ("oc.select", "hydra", "oc.env") and not argument:
            raise self._refused(key, "an interpolation's name may hold no other one")
        if resolver == "oc.env" and not _may_read(argument, self._environment):
            raise self._refused(key, _forbidden(argument), hint=_OPEN)
        return {"oc.select": argument, "hydra": f"hydra.{argument}"}.get(resolver, "")

    def _find(self, key: Key, path: str) -> Target | None:
        """Return what a path names; where a value on the way is an interpolation, that value."""
        dots = len(path) - len(path.lstrip("."))
        base: Key = key[:-dots] if dots else ()
        at: Key = ()
        value = self._tree
        for name in (*base, *_PARTS.findall(path)):
            if isinstance(value, str):
                return at, value
            steps = {name: (below_at, below) for name, below_at, below in _below(at, value)}
            if name not in steps:
                return None
            at, value = steps[name]
        return at, value

    def _refused(self, key: Key, text: str, *, hint: str = "") -> ConfigError:
        name = ".".join(key) or "the configuration"
        return ConfigError(f"{name}: {text}", hint=hint, place=self._where(key))


def _below(key: Key, value: object) -> Iterator[tuple[str, Key, object]]:
    """Return the name, the key and the value of all that a value holds."""
    items: Iterator[tuple[object, object]] = iter(())
    if isinstance(value, Mapping):
        items = iter(value.items())
    elif isinstance(value, list):
        items = iter(enumerate(value))
    for name, below in items:
        yield str(name), (*key, str(name)), below
