"""A figure: a number as people read it, four digits, and never in powers of ten for an amount."""


def figure(value: float, *, unit: str = "", signed: bool = False) -> str:
    """Return a number as text.

    Args:
        value: The number.
        unit: Stands behind it; empty for none.
        signed: Whether a gain shows its plus.

    >>> figure(149_712.3, unit="EUR"), figure(0.48181), figure(12.0, signed=True)
    ('149,712 EUR', '0.4818', '+12')
    """
    sign = "+" if signed else ""
    shape = f"{sign},.0f" if 1000 <= abs(value) < 1e15 else f"{sign}.4g"
    text = format(value + 0.0, shape)  # adding zero turns -0.0 into 0
    return f"{text} {unit}" if unit else text
