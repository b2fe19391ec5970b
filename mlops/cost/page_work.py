"""A page's work: what scoring the candidates of a request comes to, for a compiled model."""


def page_work(
    page: int, *, columns: int, trees: float, depth: float, linear: bool
) -> dict[str, float]:
    """Return the work of scoring a page: columns become codes, then trees are walked.

    Args:
        page: Rows.
        columns: Features.
        trees: Number of trees.
        depth: Mean length of a path.
        linear: Whether weights are added up.
    """
    return {
        "serve.call": 1.0,
        "serve.column": float(columns),
        "serve.cell": float(page * columns),
        "serve.walk": page * trees * depth,
        "serve.linear_call": float(linear),
        "serve.linear_cell": float(page * columns * linear),
    }
