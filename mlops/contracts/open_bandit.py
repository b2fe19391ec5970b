"""The open_bandit contract: a fashion shop's recommendation slot, as the public log holds it.

Source: Saito, Aihara, Matsutani, Narita, "Open Bandit Dataset and Pipeline", NeurIPS 2021
Datasets and Benchmarks. All categories of users and items are hashed there.
"""

from mlops.contracts.roles import candidate, context, logged, outcome
from mlops.contracts.schema import DataFrameModel, Field

_HASH = r"^[0-9a-f]{32}$"


class Request(DataFrameModel):
    """One user, and the campaign's items to order for them."""

    # A new user has no features yet, so all four may be missing.
    user_feature_0: str = Field(
        str_matches=_HASH,
        nullable=True,
        description="Hashed attribute of the user.",
        metadata=context(),
    )
    user_feature_1: str = Field(
        str_matches=_HASH,
        nullable=True,
        description="Hashed attribute of the user.",
        metadata=context(),
    )
    user_feature_2: str = Field(
        str_matches=_HASH,
        nullable=True,
        description="Hashed attribute of the user.",
        metadata=context(),
    )
    user_feature_3: str = Field(
        str_matches=_HASH,
        nullable=True,
        description="Hashed attribute of the user.",
        metadata=context(),
    )
    item_id: str = Field(
        str_matches=r"^[0-9]{1,6}$",
        description="The item's number within its campaign.",
        metadata=candidate(identifier=True),
    )
    item_feature_0: float = Field(
        ge=-10,
        le=10,
        description="Standardised number of the item; -1.07 to 3.78 in the log.",
        metadata=candidate(),
    )
    item_feature_1: str = Field(
        str_matches=_HASH,
        nullable=True,
        description="Hashed attribute of the item.",
        metadata=candidate(),
    )
    item_feature_2: str = Field(
        str_matches=_HASH,
        nullable=True,
        description="Hashed attribute of the item.",
        metadata=candidate(),
    )
    item_feature_3: str = Field(
        str_matches=_HASH,
        nullable=True,
        description="Hashed attribute of the item.",
        metadata=candidate(),
    )
    affinity: float = Field(
        ge=0,
        le=1000,
        description="How often the user clicked this item before; up to 15 in the log.",
        metadata=candidate(unit="clicks"),
    )


class Training(Request):
    """One logged impression of one item in one of the three slots."""

    impression_id: str = Field(
        str_matches=r"^(random|bts)-(all|men|women)-[0-9]+$",
        description="The row's place in the public log: policy, campaign, row number.",
        metadata=logged(),
    )
    position: int = Field(
        isin=[1, 2, 3],
        description="The slot. Drawn by the logging policy, so it is recorded and no feature.",
        metadata=logged(),
    )
    at_s: float = Field(
        ge=0, description="When it was shown, seconds since 1970.", metadata=logged(unit="s")
    )
    policy: str = Field(
        isin=["random", "bts"], description="Which policy chose the item.", metadata=logged()
    )
    propensity: float = Field(
        gt=0,
        le=1,
        description="With which probability that policy chose it for the slot.",
        metadata=logged(unit="ratio"),
    )
    campaign: str = Field(
        isin=["all", "men", "women"], description="Whose items they are.", metadata=logged()
    )
    click: int = Field(isin=[0, 1], description="Whether it was clicked.", metadata=outcome())


class Output(DataFrameModel):
    """One candidate's answer."""

    item_id: str = Field(str_matches=r"^[0-9]{1,6}$", metadata=candidate(identifier=True))
    score: float = Field(
        ge=0, le=1, description="Predicted click rate.", metadata=logged(unit="ratio")
    )
