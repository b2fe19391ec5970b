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
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlops.base.errors import UnavailableError

MAX_ANSWER_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an instant query's answer.

    Attributes:
        labels: Its labels, `__name__` included if it has one.
        value: Its value at the time asked for; may be NaN or infinite.
    """

    labels: Mapping[str, str]
    value: float


class Prometheus(Protocol):
    """Answers instant queries."""

    def query(self, expr: str, *, at: datetime) -> tuple[Sample, ...]:
        """Return the instant vector of an expression.

        Args:
            expr: PromQL.
            at: Time that it is evaluated for.

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
        form = {
            "query": expr,
            "time": f"{at.timestamp():.3f}",
            "timeout": f"{math.ceil(self._timeout_s)}s",
        }
        content = self._post("/api/v1/query", urllib.parse.urlencode(form).encode())
        try:
            answer = _Success.model_validate_json(content)
            return tuple(
                Sample(series.metric, float(series.value[1])) for series in answer.data.result
            )
        except (ValidationError, ValueError) as error:
            raise UnavailableError(
                f"{self._url} does not answer as Prometheus does",
                hint="check slo.prometheus_url",
            ) from error

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
