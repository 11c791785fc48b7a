"""``haihe-cloud backup`` and ``haihe-cloud restore``."""

import argparse
from pathlib import Path

import msgspec
from haihe_contract.clock import Clock, beijing
from haihe_contract.errors import FieldError
from haihe_contract.table import table

from haihe_cloud import backup
from haihe_cloud.settings import InfluxStore, Settings

from .output import Answer
from .words import Sentences


def add_parsers(
    top: "argparse._SubParsersAction[argparse.ArgumentParser]", of_centre: argparse.ArgumentParser, words: Sentences
) -> None:
    """Both commands."""
    save = top.add_parser("backup", parents=[of_centre], help=words("copy the data of this centre, while it runs"))
    save.add_argument("directory", type=Path, metavar="DIR", help=words("a new or empty directory"))
    save.add_argument("--keys", action="store_true", help=words("with all keys: whoever has them can be this centre"))
    back = top.add_parser("restore", parents=[of_centre], help=words("put a backup in place; the centre is stopped"))
    back.add_argument("directory", type=Path, metavar="DIR", help=words("the directory of the backup"))
    back.add_argument("--force", action="store_true", help=words("although there are data; they are moved aside"))
    back.add_argument("--keys", action="store_true", help=words("put back keys that are missing, too"))
    back.add_argument("--check", action="store_true", help=words("only hold the files against the manifest"))


def act(asked: argparse.Namespace, settings: Settings, clock: Clock, words: Sentences) -> Answer:
    """Run the command that was asked for.

    Raises:
        FieldError: when it cannot be done.
    """
    try:
        return (
            _save(asked, settings, clock, words)
            if asked.command == "backup"
            else _restore(asked, settings, clock, words)
        )
    except OSError as error:  # a directory on the way to a file that may not be entered
        raise FieldError(
            f"a file cannot be read: {error.strerror}", where=str(error.filename or ""), do="check its owner"
        ) from None


def _restore(asked: argparse.Namespace, settings: Settings, clock: Clock, words: Sentences) -> Answer:
    manifest = backup.verify(asked.directory)
    if asked.check:
        return Answer(
            msgspec.to_builtins(manifest),
            words(
                "the backup of {time} is whole: {count} files",
                time=beijing(manifest.made_ms),
                count=len(manifest.files),
            ),
        )
    epoch, aside = backup.restore(settings, asked.directory, clock, force=asked.force)
    keys = backup.restore_keys(asked.directory, manifest, asked.config) if asked.keys else []
    lines = [words("restored  the backup of {time}", time=beijing(manifest.made_ms))]
    if aside:
        lines.append(words("aside     {path}", path=aside))
    lines += [words("key       {path}", path=path) for path in keys]
    if isinstance(settings.store, InfluxStore):
        lines.append(words("store     restore InfluxDB now, from a backup that was made after this one"))
    lines.append(words("epoch {epoch}: older receipts are void, stations send again what they still have", epoch=epoch))
    data = {
        "made_ms": manifest.made_ms,
        "epoch": str(epoch),
        "aside": str(aside) if aside else None,
        "keys": [str(path) for path in keys],
    }
    return Answer(data, "\n".join(lines))


def _save(asked: argparse.Namespace, settings: Settings, clock: Clock, words: Sentences) -> Answer:
    made = backup.back_up(settings, asked.config, asked.directory, clock, keys=asked.keys)
    rows = [(each.name, f"{each.size} B", each.sha256[:16]) for each in made.files]
    lines = [table([words(head) for head in ("file", "size", "SHA-256")], rows, right=[1]), ""]
    if made.keys:
        lines.append(words("keys are in it: keep it as safe as the keys themselves"))
    else:
        lines.append(
            words("keys are not in it: save {path} apart from it, once", path=Path(settings.receipt_key).parent)
        )
    if isinstance(settings.store, InfluxStore):
        lines.append(words("readings are not in it: back InfluxDB up now, after this"))
    lines.append(words("the backup is in {path}", path=asked.directory))
    return Answer(msgspec.to_builtins(made), "\n".join(lines))
