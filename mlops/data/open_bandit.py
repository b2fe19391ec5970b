"""The open_bandit log: impressions of a fashion shop's slots, and what else could have stood there.

Source: Saito, Aihara, Matsutani, Narita, "Open Bandit Dataset and Pipeline", NeurIPS 2021
Datasets and Benchmarks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.base.errors import ContractError, UnavailableError
from mlops.contracts.domain import Floats
from mlops.data.spec import Campaign, Policy

POLICIES: tuple[Policy, ...] = ("random", "bts")
USER_FEATURES = ("user_feature_0", "user_feature_1", "user_feature_2", "user_feature_3")
ITEM_FEATURES = ("item_feature_0", "item_feature_1", "item_feature_2", "item_feature_3")
IMPRESSION = "impression"

_AFFINITY = "user-item_affinity_"
# The hashes of item features are salted anew for each policy: one and the same item reads
# otherwise in `random/` and in `bts/`. Both logs are joined with this policy's file, or else a
# model would learn from an item's features which policy showed it.
_ITEMS_OF: Policy = "random"

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Log:
    """The raw log of one campaign.

    Attributes:
        rows: One row for each impression, policies one after the other, with the log's own
            columns and `impression_id`, `policy`, `campaign`.
        items: The campaign's items: `item_id` and the item features; item n is row n.
        affinity: Shape (impressions, items): earlier clicks of the impression's user.
    """

    rows: pd.DataFrame
    items: pd.DataFrame
    affinity: Floats


class OpenBandit:
    """The rows of one campaign under some logging policies.

    Args:
        folder: Holds `open_bandit/<policy>/<campaign>/`.
        campaign: Whose items.
        policies: Which logs, in this order.
    """

    def __init__(self, folder: Path, campaign: Campaign, policies: Sequence[Policy]) -> None:
        self._folder = folder / "open_bandit"
        self._campaign = campaign
        self._policies = tuple(dict.fromkeys(policies))
        self._log: Log | None = None

    def read(self) -> pd.DataFrame:
        """Return the logged impressions in the columns of the training contract.

        Raises:
            ContractError: The files are not the public log.
            UnavailableError: They are not there.
        """
        log = self._load()
        rows = log.rows
        shown = rows["item_id"].to_numpy(np.int64)
        frame = features(log, np.arange(len(rows)), shown)
        return frame.assign(
            impression_id=rows["impression_id"],
            position=rows["position"].astype(np.int64),
            at_s=_seconds(rows["timestamp"]),
            policy=rows["policy"],
            propensity=rows["propensity_score"].astype(np.float64),
            campaign=rows["campaign"],
            click=rows["click"].astype(np.int64),
        )

    def cross(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return, for each logged impression, all items that could have been shown.

        Args:
            frame: Rows of `read`, or a selection of them in any order, n of them.

        Returns:
            n times the number of items rows: column `impression` (position of the row in
            `frame`, from 0, ascending) and the request's columns.

        Raises:
            ContractError: A row is not of this log.
        """
        log = self._load()
        index = pd.Index(log.rows["impression_id"])
        at = index.get_indexer(pd.Index(frame["impression_id"]))
        if (at < 0).any():
            unknown = frame["impression_id"].iloc[int(np.argmax(at < 0))]
            raise ContractError(
                f"impression {unknown!r} is not in {self._folder}",
                hint="the snapshot was taken from another campaign, policy or folder",
            )
        items = len(log.items)
        impressions = np.repeat(at.astype(np.int64), items)
        crossed = features(log, impressions, np.tile(np.arange(items), len(frame)))
        crossed.insert(0, IMPRESSION, np.repeat(np.arange(len(frame)), items))
        return crossed

    def _load(self) -> Log:
        if self._log is None:
            self._log = _read_log(self._folder, self._campaign, self._policies)
        return self._log


def features(log: Log, impressions: Places, items: Places) -> pd.DataFrame:
    """Return the request's columns for pairs of an impression's user and an item.

    Logged and crossed rows both come from here, so a model is judged on the features it learnt.

    Args:
        log: The raw log.
        impressions: Rows of `log.rows`, shape (n,).
        items: Rows of `log.items`, shape (n,).
    """
    users = log.rows[list(USER_FEATURES)].take(impressions).reset_index(drop=True)
    described = log.items[["item_id", *ITEM_FEATURES]].take(items).reset_index(drop=True)
    return pd.concat([users, described], axis=1).assign(affinity=log.affinity[impressions, items])


def _read_log(folder: Path, campaign: Campaign, policies: Sequence[Policy]) -> Log:
    items = _read_csv(folder / _ITEMS_OF / campaign / "item_context.csv", ITEM_FEATURES[1:])
    items = items.sort_values("item_id", ignore_index=True)
    if items["item_id"].tolist() != list(range(len(items))):
        raise ContractError(f"the items of {folder / _ITEMS_OF / campaign} are not 0, 1, 2, ...")
    parts = [_read_policy(folder, campaign, policy) for policy in policies]
    rows = pd.concat(parts, ignore_index=True)
    names = [f"{_AFFINITY}{n}" for n in range(len(items))]
    if not set(names) <= set(rows.columns) or not rows["item_id"].between(0, len(items) - 1).all():
        raise ContractError(
            f"the log in {folder} does not fit its {len(items)} items of campaign {campaign!r}"
        )
    return Log(
        rows=rows.drop(columns=names),
        items=items.astype({"item_id": "str", "item_feature_0": np.float64}),
        affinity=rows[names].to_numpy(np.float64),
    )


def _read_policy(folder: Path, campaign: Campaign, policy: Policy) -> pd.DataFrame:
    path = folder / policy / campaign / f"{campaign}.csv"
    rows = _read_csv(path, (*USER_FEATURES, "timestamp"))
    numbers = pd.Series(range(len(rows)), dtype="int64").astype("str")
    return rows.assign(
        impression_id=f"{policy}-{campaign}-" + numbers,
        policy=pd.Series(policy, index=rows.index, dtype="str"),
        campaign=pd.Series(campaign, index=rows.index, dtype="str"),
    )


def _read_csv(path: Path, texts: Sequence[str]) -> pd.DataFrame:
    try:
        frame = pd.read_csv(path, dtype=dict.fromkeys(texts, "str"), index_col=0)
    except FileNotFoundError as error:
        raise UnavailableError(
            f"the Open Bandit data are not there: no {path}",
            hint="`mlops data fetch open_bandit` gets them; or set MLOPS_DATA_DIR to the folder "
            "that holds open_bandit/; or use service=search_ranking, which needs no data",
        ) from error
    except (OSError, ValueError) as error:
        raise UnavailableError(f"cannot read {path}: {error}") from error
    absent = {"item_id", *texts} - set(frame.columns)
    if absent:
        raise ContractError(f"{path} is not of the public log: it lacks {sorted(absent)}")
    return frame


def _seconds(timestamps: "pd.Series[str]") -> Floats:
    moments = pd.to_datetime(timestamps, utc=True, format="ISO8601")
    return moments.dt.as_unit("us").astype("int64").to_numpy(np.float64) / 1e6
