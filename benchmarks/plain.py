"""A plain run: what Hydra and scikit-learn say by themselves to a project, and at which stage.

It is what a careful script without this toolkit does: compose and resolve, instantiate every
`_target_`, fit each head on rows of the training frame, and answer requests that hold what a
request holds, unseen categories included. It reads the same YAML. Where two ways are usual it takes
the one that finds more: everything is resolved at once, and lists become lists.
"""

import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pandas as pd
from omegaconf import OmegaConf
from sklearn.base import is_regressor
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline, make_pipeline

from mlops.config.compose import PACKAGED
from mlops.contracts.domain import Column, Domain, Table
from mlops.contracts.roles import Scope
from mlops.contracts.sample import draw
from mlops.contracts.schema import read_domain
from mlops.models.heuristics import History

FIT_ROWS, REQUEST_ROWS = 2_000, 200
LIMIT_S = 60.0
"""A fit that takes longer is taken for one that went well."""

_KNOWN = 60
"""Texts of an open category that the training rows hold."""


@dataclass(frozen=True)
class Said:
    """Where a plain run stopped.

    Attributes:
        stage: `compose`, `instantiate`, `fit` or `predict`; `never` if it came to an end.
        text: What it said, its first line.
    """

    stage: str
    text: str = ""


def run(folder: Path, overrides: Sequence[str]) -> Said:
    """Run a project in a process of its own.

    Args:
        folder: The project.
        overrides: As typed.
    """
    context = get_context("fork")  # the libraries are loaded once, here
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(folder, overrides, theirs))
    child.start()
    theirs.close()
    stages = ["compose"]
    said: Said | None = None
    try:
        while said is None and ours.poll(LIMIT_S):
            news = ours.recv()
            if isinstance(news, Said):
                said = news
            else:
                stages.append(news)
    except EOFError:
        said = Said(stages[-1], "the process died")
    if said is None:
        said = Said("never", f"stopped after {LIMIT_S:g} s of {stages[-1]}")
    child.kill()
    child.join()
    return said


def _child(folder: Path, overrides: Sequence[str], to: Connection) -> None:
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    stage = "compose"

    def enter(name: str) -> None:
        nonlocal stage
        stage = name
        to.send(name)

    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _job(folder, overrides, enter)
    except Exception as error:  # whatever it says is the result
        first = traceback.format_exception_only(error)[-1].strip().splitlines()[0]
        to.send(Said(stage, first[:300]))
        return
    to.send(Said("never"))


def _job(folder: Path, overrides: Sequence[str], enter: Callable[[str], None]) -> None:
    config = _composed(folder, overrides)
    enter("instantiate")
    contracts = {name: _class(config["contracts"][name]) for name in ("request", "training")}
    models = {head["name"]: _pipeline(config["model"]) for head in config["training"]["heads"]}
    heuristics = {
        name: _class(spec["heuristic"])
        for name, spec in config["training"]["heuristics"].items()
        if spec["kind"] == "custom"
    }
    enter("fit")
    training, request = (read_domain(contracts[name]) for name in ("training", "request"))
    known = _known(training)
    logged = _frame(training.columns, FIT_ROWS, seed=1, known=known)
    for head in config["training"]["heads"]:
        rows = logged if not head.get("given") else logged[logged[head["given"]] == 1]
        models[head["name"]].fit(
            _features(config["model"], rows, request, head), rows[head["outcome"]]
        )
    asked = _heuristics(config, heuristics, logged)
    enter("predict")
    page = _frame(request.columns, REQUEST_ROWS, seed=2, known=known)
    outputs = {name: _output(model, page, config["model"]) for name, model in models.items()}
    _score(config["training"]["score"], outputs, page)
    for answer in asked:
        answer(page)


def _composed(folder: Path, overrides: Sequence[str]) -> Any:
    with hydra.initialize_config_dir(str(folder / "conf"), version_base="1.3"):
        path = f"hydra.searchpath=[file://{PACKAGED}]"
        config = hydra.compose("config", [*(o for o in overrides if o != "-m"), path])
    return OmegaConf.to_container(config, resolve=True, throw_on_missing=True)


def _class(node: Mapping[str, Any]) -> Any:
    return hydra.utils.get_class(node["_target_"])


def _pipeline(model: Mapping[str, Any]) -> Any:
    estimator = hydra.utils.instantiate(model["estimator"], _convert_="all")
    if not model.get("columns"):
        return estimator
    parts = []
    for step in model["columns"]:
        built = [hydra.utils.instantiate(each, _convert_="all") for each in step.get("steps", ())]
        parts.append((step["name"], make_pipeline(*built) if built else "passthrough",
                      _selector(step["select"])))  # fmt: skip
    return Pipeline([("columns", ColumnTransformer(parts)), ("estimator", estimator)])


def _selector(select: Any) -> Any:
    """Return the columns of a step: the named ones, or those of a kind."""
    if not isinstance(select, str):
        return list(select)
    wanted = select == "categorical"
    return lambda frame: [
        name
        for name in frame.attrs["features"]
        if isinstance(frame[name].dtype, pd.CategoricalDtype) == wanted
    ]


def _features(
    model: Mapping[str, Any], rows: pd.DataFrame, request: Domain, head: Mapping[str, Any]
) -> pd.DataFrame:
    """Return what `fit` is given: all but the outcome; only the features if nothing selects."""
    names = [column.name for column in request.features if column.name in rows]
    frame = rows.drop(columns=[head["outcome"]]) if model.get("columns") else rows[names]
    frame.attrs["features"] = names
    return frame


def _output(model: Any, page: pd.DataFrame, spec: Mapping[str, Any]) -> Any:
    frame = page if spec.get("columns") else page[page.attrs["features"]]
    return model.predict(frame) if is_regressor(model) else model.predict_proba(frame)[:, 1]


def _score(score: Mapping[str, Any], outputs: Mapping[str, Any], page: pd.DataFrame) -> Any:
    if score["kind"] == "head":
        return outputs[score["head"]]
    product = np.prod([outputs[name] for name in score["heads"]], axis=0)
    return product * page[score["value"]].to_numpy()


def _heuristics(
    config: Mapping[str, Any], classes: Mapping[str, Any], logged: pd.DataFrame
) -> list[Callable[[pd.DataFrame], object]]:
    """Fit the heuristics as a script would, and return what asks them."""
    found: list[Callable[[pd.DataFrame], object]] = []
    for name, spec in config["training"]["heuristics"].items():
        if spec["kind"] == "custom":
            arguments = {k: v for k, v in spec["heuristic"].items() if k != "_target_"}
            past = History(_table(logged), logged["at_s"].to_numpy(), float(logged["at_s"].max()))
            found.append(partial(_ask, classes[name].fit(past, **arguments)))
        elif spec["kind"] != "static":
            rates = logged.groupby(spec["key"], observed=True)[spec["outcome"]].mean()
            found.append(partial(_look_up, rates, spec["key"]))
    return found


def _ask(fitted: Any, page: pd.DataFrame) -> object:
    return fitted.score(_table(page), len(page))


def _look_up(rates: Any, key: str, page: pd.DataFrame) -> object:
    return page[key].map(rates)


def _table(frame: pd.DataFrame) -> Table:
    return {
        str(name): values.astype(object).to_numpy()
        if isinstance(values.dtype, pd.CategoricalDtype)
        else values.to_numpy(dtype=np.float64)
        for name, values in frame.items()
    }


def _frame(
    columns: Sequence[Column], rows: int, *, seed: int, known: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """Draw rows that keep the contract, texts as categories."""
    domain = _as_request(columns)
    table = draw(domain, rows, np.random.default_rng(seed), known=known)
    frame = pd.DataFrame(
        {
            column.name: pd.Categorical(table[column.name])
            if column.is_category
            else table[column.name]
            for column in columns
        }
    )
    frame.attrs["features"] = [column.name for column in columns if column.feature]
    return frame


def _as_request(columns: Sequence[Column]) -> Domain:
    return Domain(
        name="Drawn",
        columns=tuple(column.model_copy(update={"scope": Scope.CANDIDATE}) for column in columns),
    )


def _known(domain: Domain) -> dict[str, list[str]]:
    """Return texts for each open category, made by its pattern."""
    seeds = {column.name: _first_text(column) for column in domain.columns if column.is_category}
    rng = np.random.default_rng(0)
    found: dict[str, list[str]] = {}
    for column in domain.columns:
        if column.is_category and column.categories is None:
            drawn = draw(
                _as_request(domain.columns), 2_000, rng, known={k: [v] for k, v in seeds.items()}
            )
            texts = sorted({str(text) for text in drawn[column.name] if text is not None})
            found[column.name] = texts[:_KNOWN]
    return found


def _first_text(column: Column) -> str:
    """Return one text that keeps a column's pattern, by trying the usual ones."""
    for text in ("0" * 32, "0" * 6, "v000", "random-all-0", "a"):
        if column.pattern is None or re.match(column.pattern, text):
            return text
    message = f"no text is known for {column.name}"
    raise ValueError(message)
