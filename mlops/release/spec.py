"""The release section: what a gate lets through, and which reports it leaves behind."""

from pydantic import Field

from mlops.base.section import Section


class ReportPaths(Section):
    """Files that a gate writes; null writes none. Relative paths start where the command runs."""

    junit: str | None = Field(default=None, min_length=1)
    """JUnit XML, for the test view of a CI server."""
    markdown: str | None = Field(default=None, min_length=1)
    """Markdown summary, for a pull request."""
    document: str | None = Field(default=None, min_length=1)
    """JSON document of `mlops.release.report.GateReport`, for machines."""
    text: str | None = Field(default=None, min_length=1)
    """Plain text, for logs and mail."""


class ReleaseSpec(Section):
    """How verdicts become a decision."""

    unknown_blocks: bool = False
    """Whether a check that the data cannot answer stops a release. False by default: where events
    are rare nothing would ever be released; true for a service where no answer is as bad as no."""
    max_latency_ms: float = Field(default=10.0, gt=0)
    """Longest accepted time of the compiled model for one page, on the machine of the gate: a
    fifth of a 50 ms deadline, so that a machine several times as slow still keeps it."""
    latency_page: int = Field(default=50, ge=1, le=10_000)
    """Rows that are scored at a time: the candidates of a usual request."""
    latency_calls: int = Field(default=200, ge=50, le=100_000)
    """How often it is timed; the 99th percentile means little below a hundred."""
    signing_key: str | None = Field(default=None, min_length=1)
    """File with the Ed25519 private key (PEM) that `mlops train` and `mlops certify --write` sign
    their bundles with, relative to where the command runs; null leaves them unsigned, for
    `mlops bundle sign` to release later."""
    reports: ReportPaths = ReportPaths()
    """Files to write."""
