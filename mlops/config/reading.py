"""A reading: what Hydra and OmegaConf read, import and resolve, each through a guard of ours.

Beside `compose` the only file that names them, and the only one that knows Hydra's insides: its
sources of files and packages, and the step between composing a tree and looking into it.
"""

import os
from pathlib import Path
from typing import Self

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import IConfigRepository
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.core_plugins.importlib_resources_config_source import (
    ImportlibResourcesConfigSource,
)
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.config_loader import ConfigLoader
from hydra.core.default_element import ResultDefault
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf
from omegaconf.resolvers import oc

from mlops.config.hydra_guard import bound_file, refuse_imports
from mlops.config.interpolation import bound_interpolations, require_variable
from mlops.config.origin import Loaded, Origins

_UNUSED = ("oc.create", "oc.decode", "oc.deprecated", "oc.dict.keys", "oc.dict.values")


def guard() -> None:
    """Let Hydra and OmegaConf read, import and resolve through guards, in this process."""
    SourcesRegistry.instance().types |= {"file": _BoundedFiles, "pkg": _OwnPackages}

    def variable(name: str, *default: object) -> object:
        require_variable(name, os.environ)
        return oc.env(name, *default)

    OmegaConf.register_new_resolver("oc.env", variable, replace=True)
    for name in _UNUSED:
        OmegaConf.clear_resolver(name)


class BoundedLoader(ConfigLoaderImpl):
    """Composes a tree, and bounds what it stands for before Hydra itself looks into it."""

    @classmethod
    def like(cls, loader: ConfigLoader) -> Self:
        """Return one that searches where another does."""
        return cls(loader.get_search_path())

    def _compose_config_from_defaults_list(
        self, defaults: list[ResultDefault], repo: IConfigRepository
    ) -> DictConfig:
        composed = super()._compose_config_from_defaults_list(defaults, repo)
        tree = OmegaConf.to_container(composed, resolve=False)
        bound_interpolations(tree, lambda key: None, os.environ)
        return composed


class _BoundedFiles(FileConfigSource):
    """Gives Hydra no file that is too large, too deep, or stands for too much."""

    def load_config(self, config_path: str) -> ConfigResult:
        """Read one file, wherever on the search path it lies."""
        path = Path(self.path, self._normalize_file_name(config_path))
        bound_file(path)
        result = super().load_config(config_path)
        tree = OmegaConf.to_container(result.config, resolve=False)
        bound_interpolations(tree, Origins([Loaded(path, ())], []).place, os.environ)
        return result


class _OwnPackages(ImportlibResourcesConfigSource):
    """Gives Hydra no package but its own and ours: to read from one is to import it."""

    def __init__(self, provider: str, path: str) -> None:
        refuse_imports([path])
        super().__init__(provider, path)
