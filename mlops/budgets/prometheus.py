"""A Prometheus: the server that answers queries, behind one small port."""

import http.client
import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlops.base.errors import UnavailableError

MAX_ANSWER_BYTES = 16 << 20
MAX_POINTS = 10_000  # of a series in one answer; Prometheus refuses more than 11,000


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an instant query's answer.

    Attributes:
        labels: Its labels, `__name__` included if it has one.
        value: Its value at the time asked for; may be NaN or infinite.
    """

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a range query's answer.

    Attributes:
        labels: Its labels, `__name__` included if it has one.
        points: Its values by Unix time in seconds, ascending; times without one are left out.
    """

    labels: Mapping[str, str]
    points: Mapping[int, float]


class Prometheus(Protocol):
    """Answers queries for one time, or for many that are evenly apart."""

    def query(self, expr: str, *, at: datetime) -> tuple[Sample, ...]:
        """Return the instant vector of an expression.

        Args:
            expr: PromQL.
            at: Time that it is evaluated for.

        Raises:
            UnavailableError: No usable answer.
        """
        ...

    def query_range(self, expr: str, *, first: int, last: int, step_s: int) -> tuple[Series, ...]:
        """Return the values of an expression at times that are evenly apart.

        Args:
            expr: PromQL.
            first: First time, Unix seconds.
            last: Last time, Unix seconds; no earlier than the first.
            step_s: Seconds between two times.

        Raises:
            UnavailableError: No usable answer.
        """
        ...


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Series(_Answer):
    metric: dict[str, str]
    value: tuple[float, str]


class _Vector(_Answer):
    result_type: Annotated[Literal["vector"], Field(alias="resultType")]
    result: tuple[_Series, ...]


class _Success(_Answer):
    status: Literal["success"]
    data: _Vector


class _Row(_Answer):
    metric: dict[str, str]
    values: tuple[tuple[float, str], ...]


class _Matrix(_Answer):
    result_type: Annotated[Literal["matrix"], Field(alias="resultType")]
    result: tuple[_Row, ...]


class _RangeSuccess(_Answer):
    status: Literal["success"]
    data: _Matrix


_T = TypeVar("_T", bound=_Answer)


class HttpPrometheus:
    """A Prometheus reached over its HTTP API.

    Proxies named by the environment are not used: Prometheus stands inside the own network.

    Args:
        url: Base address, such as `http://127.0.0.1:9090`.
        timeout_s: Seconds that one query may take.
    """

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def query(self, expr: str, *, at: datetime) -> tuple[Sample, ...]:
        """Return the instant vector of an expression; see `Prometheus.query`."""
        answer = self._ask(_Success, "query", {"query": expr, "time": f"{at.timestamp():.3f}"})
        return tuple(
            Sample(series.metric, self._number(series.value[1])) for series in answer.data.result
        )

    def query_range(self, expr: str, *, first: int, last: int, step_s: int) -> tuple[Series, ...]:
        """Return the values at evenly spaced times; see `Prometheus.query_range`."""
        found: dict[tuple[tuple[str, str], ...], dict[int, float]] = {}
        for start in range(first, last + 1, MAX_POINTS * step_s):
            end = min(last, start + (MAX_POINTS - 1) * step_s)
            asked = {"query": expr, "start": str(start), "end": str(end), "step": str(step_s)}
            for row in self._ask(_RangeSuccess, "query_range", asked).data.result:
                points = found.setdefault(tuple(sorted(row.metric.items())), {})
                points.update((round(time), self._number(text)) for time, text in row.values)
        return tuple(Series(dict(labels), points) for labels, points in found.items())

    def _ask(self, form: type[_T], word: str, asked: dict[str, str]) -> _T:
        asked["timeout"] = f"{math.ceil(self._timeout_s)}s"
        content = self._post(f"/api/v1/{word}", urllib.parse.urlencode(asked).encode())
        try:
            return form.model_validate_json(content)
        except ValidationError as error:
            raise self._strange() from error

    def _number(self, text: str) -> float:
        try:
            return float(text)
        except ValueError as error:
            raise self._strange() from error

    def _strange(self) -> UnavailableError:
        return UnavailableError(
            f"{self._url} does not answer as Prometheus does", hint="check slo.prometheus_url"
        )

    def _post(self, path: str, body: bytes) -> bytes:
        request = urllib.request.Request(self._url + path, data=body)  # noqa: S310 - http(s) only
        try:
            with self._opener.open(request, timeout=self._timeout_s) as response:
                content: bytes = response.read(MAX_ANSWER_BYTES + 1)
        except urllib.error.HTTPError as error:
            with error:
                reason = _reason(error.read(MAX_ANSWER_BYTES)) or error.reason
            raise UnavailableError(
                f"Prometheus at {self._url} refuses the query: {error.code} {reason}",
                hint="check slo.prometheus_url, and that its version is 2.42 or later",
            ) from error
        except (OSError, http.client.HTTPException) as error:
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            raise UnavailableError(
                f"cannot reach Prometheus at {self._url}: {cause}",
                hint="start it, or set slo.prometheus_url",
            ) from error
        if len(content) > MAX_ANSWER_BYTES:
            raise UnavailableError(f"{self._url} answers more than {MAX_ANSWER_BYTES} bytes")
        return content


def _reason(body: bytes) -> str:
    try:
        answer = json.loads(body)
    except ValueError:
        return ""
    return str(answer.get("error", "")) if isinstance(answer, dict) else ""
