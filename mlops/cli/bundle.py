"""`mlops bundle`: make keys, sign a bundle (which is to release it), verify and show it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from rich.console import Console as RichConsole
from rich.markup import escape

from mlops.base.clock import SystemClock
from mlops.base.digest import Json
from mlops.base.errors import ConfigError
from mlops.base.verdict import Finding, Status, Verdict, to_json
from mlops.cli.arguments import parse
from mlops.cli.console import Console, verdict_table
from mlops.config.compose import Composed, run_application
from mlops.config.resolve import signer, trust
from mlops.config.settings import allowed_packages, folders
from mlops.models.acceptance import Wanted, accept
from mlops.models.artifact import FILES, load, resolve, sign
from mlops.models.manifest import read_manifest
from mlops.models.refusal import RefusedBundleError
from mlops.models.signature import (
    PRIVATE_KEY,
    PUBLIC_KEY,
    SIGNATURE,
    Signature,
    Signer,
    Trust,
    keygen,
    stated,
)

_USAGE = (
    "mlops bundle keygen DIR | sign REFERENCE [key=FILE] [--dry-run] | verify REFERENCE"
    " [keys=FILE,...] | show REFERENCE; a REFERENCE is `latest`, a digest or its start, or a folder"
)
_SUMMARY = """\
keygen DIR, or sign, verify or show REFERENCE

  keygen DIR [--dry-run]              make signing-key.pem and signing-key.public.pem in DIR
  sign REFERENCE [key=FILE]           release it: sign with a private key; --dry-run only reads
  verify REFERENCE [keys=FILE,...]    is it whole, signed by one of these, and computes as it did?
  show REFERENCE                      its digest, model, files, and what its signature says
A REFERENCE is latest, a digest or its first six digits, or a folder with a slash in it.
Without key= the key is release.signing_key, without keys= they are serving.trust.keys.
Exit code 0: done, or verified. 1: verify says no. 2: used or configured wrongly."""


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of the command.

    Attributes:
        console: Where it prints.
        key: File of the private key that was typed; None takes the configured one.
        keys: Files of the public keys that were typed; None takes the configured ones.
        dry: Whether nothing is written.
    """

    console: Console
    key: str | None
    keys: str | None
    dry: bool


def run(arguments: Sequence[str]) -> int:
    """Run the command; exit code 1 if `verify` says no."""
    key, rest = _taken("key=", arguments)
    keys, rest = _taken("keys=", rest)
    given = parse(rest, flags=("--dry-run",), words=2)
    call = _Call(Console(given.format), key, keys, "--dry-run" in given.flags)
    if given.words[:1] == ("keygen",) and not {"-h", "--help"} & set(given.hydra):
        return _keygen(call, given.words[1:], given.hydra)
    codes: list[int] = []

    def job(composed: Composed) -> None:
        match given.words:
            case ("sign", reference):
                codes.append(_sign(call, composed, reference))
            case ("verify", reference):
                codes.append(_verify(call, composed, reference))
            case ("show", reference):
                codes.append(_show(call, composed, reference))
            case ():
                raise ConfigError("bundle needs a word that says what to do", hint=_USAGE)
            case ("sign" | "verify" | "show" as word,):
                raise ConfigError(f"{word} needs a REFERENCE: which bundle", hint=_USAGE)
            case words:
                raise ConfigError(f"bundle {' '.join(words)} is not known", hint=_USAGE)

    run_application("bundle", given.hydra, job, folder=Path.cwd(), summary=_SUMMARY)
    return max(codes, default=0)


def _taken(prefix: str, arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """Take the last `key=` or `keys=` out of the arguments."""
    found = [each for each in arguments if each.startswith(prefix)]
    rest = [each for each in arguments if not each.startswith(prefix)]
    return (found[-1].removeprefix(prefix) if found else None), rest


def _keygen(call: _Call, words: Sequence[str], rest: Sequence[str]) -> int:
    if len(words) != 1:
        raise ConfigError("keygen needs the folder that the keys go to", hint=_USAGE)
    if rest:  # a flag that was mistyped must not end in a key that nobody asked for
        raise ConfigError(f"keygen takes no {rest[0]}", hint=_USAGE)
    folder = Path(words[0])
    made = "(not made)" if call.dry else keygen(folder)
    private, public = folder / PRIVATE_KEY, folder / PUBLIC_KEY
    document: Json = {"key_id": made, "private": str(private), "public": str(public)}

    def show(out: RichConsole) -> None:
        out.print(f"key      {escape(made)}")
        out.print(f"private  {escape(str(private))}, for release.signing_key", soft_wrap=True)
        out.print(f"public   {escape(str(public))}, for serving.trust.keys", soft_wrap=True)

    call.console.result(document, show)
    call.console.say("keep the private key where bundles are released, and nowhere else")
    return 0


def _path(composed: Composed, reference: str) -> Path:
    settings = composed.settings
    return resolve(reference, folders(settings, Path.cwd()).bundles, settings.name)


def _sign(call: _Call, composed: Composed, reference: str) -> int:
    signs = Signer.read(Path(call.key)) if call.key else signer(composed, Path.cwd())
    if signs is None:
        raise ConfigError("no key is named to sign with", hint="key=FILE or release.signing_key")
    path = _path(composed, reference)
    bundle = load(path, packages=allowed_packages(composed.settings))
    digest = bundle.ref.digest
    made = None if call.dry else sign(path, signs, clock=SystemClock())
    document: Json = {
        "bundle": digest,
        "key_id": signs.key_id,
        "signed_at": made.signed_at if made else None,
    }
    would = "would be " if made is None else ""
    words = f"bundle {digest.removeprefix('sha256:')[:12]} {would}signed by key {signs.key_id}"
    call.console.result(document, lambda out: out.print(words))
    return 0


def _verify(call: _Call, composed: Composed, reference: str) -> int:
    believed = trust(composed, Path.cwd())
    if call.keys is not None:
        names = [Path(name) for name in call.keys.split(",") if name]
        believed = Trust.of(names, required=True)
    if not believed.keys:
        raise ConfigError(
            "no key is named to verify with", hint="keys=FILE,... or serving.trust.keys"
        )
    settings, path = composed.settings, _path(composed, reference)
    asked = Trust(required=True, keys=believed.keys)
    try:
        packages = allowed_packages(settings)
        bundle = accept(path, Wanted(settings.name), trust=asked, packages=packages)
    except RefusedBundleError as refused:
        found = Finding(f"bundle.{refused.reason}", Status.FAIL, refused.message, hint=refused.hint)
    else:
        assert bundle.signature is not None
        who = f"{bundle.ref.digest} is whole, {_told(bundle.signature)}, and computes as it did"
        found = Finding("bundle.signature", Status.PASS, who)
    verdict = Verdict("bundle", (found,))
    call.console.result(
        to_json(verdict), lambda out: out.print(verdict_table("bundle", (verdict,)))
    )
    return int(found.status is Status.FAIL)


def _show(call: _Call, composed: Composed, reference: str) -> int:
    path = _path(composed, reference)
    manifest, signature = read_manifest(path), stated(path / SIGNATURE)
    document: Json = {
        "path": str(path),
        "manifest": cast("Json", manifest.model_dump(mode="json")),
        "signature": cast("Json", signature.model_dump(mode="json")) if signature else None,
    }

    def show(out: RichConsole) -> None:
        out.print(f"bundle   {manifest.digest}")
        out.print(f"service  {escape(manifest.service)}")
        out.print(f"model    {escape(manifest.model)}: {escape(', '.join(manifest.heads))}")
        out.print(f"says     {_told(signature) if signature else 'nobody has signed it'}")
        for name in FILES:
            size = manifest.files[name].size_bytes if name in manifest.files else 0
            out.print(f"{size:>12,} bytes  {name}")
        out.print(f"path     {escape(str(path))}", soft_wrap=True)

    call.console.result(document, show)
    return 0


def _told(signature: Signature) -> str:
    when = datetime.fromtimestamp(signature.signed_at, UTC)
    return f"signed by key {escape(signature.key_id)} at {when:%Y-%m-%d %H:%M:%S} UTC"
