"""An example: made-up training rows of a new project, the same ones every time.

A shop shows each visitor some offers. Who takes which depends on the visitor, on the offer and on
both together, so there is something to learn that counting offers does not know.
"""

import csv
import io
import math
from dataclasses import dataclass

import numpy as np

VISITS = 2000
"""Enough for some 250 taken offers among the rows held out: a gate's demands ask for 100."""

_SHOWN = 4
_FIRST_S = 1_767_225_600  # 2026-01-01
_DAYS = 60
_DEVICES = ("desktop", "phone", "tablet")
_HEADER = (
    "visit_id", "at_s", "device", "visits", "basket_eur",
    "offer_id", "kind", "percent_off", "min_basket_eur", "days_left", "taken",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Offer:
    name: str
    kind: str
    percent_off: float
    min_basket_eur: float
    ends_day: int


_OFFERS = (
    _Offer("ship-free-30", "free_shipping", 0, 30, 20),
    _Offer("ship-free-50", "free_shipping", 0, 50, 75),
    _Offer("ship-free-today", "free_shipping", 0, 0, 90),
    _Offer("five-percent", "discount", 5, 0, 90),
    _Offer("ten-percent", "discount", 10, 0, 65),
    _Offer("fifteen-percent", "discount", 15, 60, 45),
    _Offer("thirty-percent", "discount", 30, 150, 80),
    _Offer("gift-candle", "gift", 0, 80, 62),
    _Offer("gift-sample", "gift", 0, 20, 90),
    _Offer("bundle-of-two", "bundle", 10, 0, 70),
    _Offer("bundle-of-three", "bundle", 20, 40, 90),
    _Offer("bundle-season", "bundle", 15, 100, 85),
)
_BASE = {"bundle": -3.3, "discount": -2.9, "free_shipping": -2.7, "gift": -2.9}
_SUITS = {("free_shipping", "phone"): 0.5, ("bundle", "desktop"): 0.5, ("gift", "tablet"): 0.4}


@dataclass(frozen=True, slots=True)
class _Visit:
    device: str
    visits: int
    basket_eur: float | None


def example_csv(rng: np.random.Generator, *, visits: int = VISITS) -> str:
    """Return the rows as CSV, in the order in which they happened.

    Args:
        rng: Where chance comes from.
        visits: Number of visits; four offers are shown in each.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADER)
    times_s = np.sort(rng.random(visits)) * _DAYS * 86_400
    for at, offset_s in enumerate(times_s.tolist()):
        visit = _draw_visit(rng)
        day = int(offset_s // 86_400)
        running = [offer for offer in _OFFERS if offer.ends_day >= day]
        for place in rng.permutation(len(running))[:_SHOWN].tolist():
            offer = running[place]
            days_left = offer.ends_day - day
            taken = rng.random() < _take_rate(visit, offer, days_left)
            basket = "" if visit.basket_eur is None else f"{visit.basket_eur:.2f}"
            writer.writerow(
                [
                    *(f"v{at}", _FIRST_S + int(offset_s), visit.device, visit.visits, basket),
                    *(offer.name, offer.kind, offer.percent_off, offer.min_basket_eur),
                    *(days_left, int(taken)),
                ]
            )
    return text.getvalue()


def _draw_visit(rng: np.random.Generator) -> _Visit:
    device = _DEVICES[int(np.searchsorted([0.35, 0.9], rng.random()))]
    visits = int(-6.0 * math.log(1.0 - rng.random()))
    basket = None
    if rng.random() < 0.7:
        basket = round(math.exp(3.7 + 0.8 * rng.standard_normal()), 2)
    return _Visit(device, min(visits, 1000), basket)


def _take_rate(visit: _Visit, offer: _Offer, days_left: int) -> float:
    """Return the probability that this visitor takes this offer, in (0, 1)."""
    raw = _BASE[offer.kind] + _SUITS.get((offer.kind, visit.device), 0.0)
    raw += 0.03 * offer.percent_off + 0.3 * math.log1p(visit.visits)
    if visit.basket_eur is None:
        raw -= 0.5
    elif visit.basket_eur >= offer.min_basket_eur:
        raw += 0.6 + 0.01 * min(offer.min_basket_eur, 100)  # what asks for more gives more
    elif visit.basket_eur >= 0.7 * offer.min_basket_eur:
        raw += 0.2  # a little more in the basket, and it applies
    else:
        raw -= 2.0
    if days_left <= 3:
        raw += 0.4
    return 1.0 / (1.0 + math.exp(-raw))
