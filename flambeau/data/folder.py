"""A folder on disk -> examples: one sub-folder for each class, with train, valid and test folders above them or without.

photos/cat/1.jpg             photos/train/cat/1.jpg
photos/cat/paris/2.jpg       photos/test/cat/9.jpg
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flambeau.data.examples import SPLIT_WORDS, TRAIN, Source, class_counts, counted, readable, some
from flambeau.errors import DataError, Notice
from flambeau.inputs.words import recognition as words
from flambeau.naming import natural
from flambeau.types import Example

CLUTTER_NAMES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "lost+found", "__pycache__"})
"""Files and folders that operating systems and tools leave behind. So are all names that begin with a dot."""
CLUTTER_ENDINGS = frozenset({
    ".txt", ".md", ".rst", ".pdf", ".html", ".htm", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".csv", ".tsv", ".xlsx",
    ".py", ".ipynb", ".sh", ".log", ".db", ".sqlite", ".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".md5", ".sha1", ".sha256",
    ".part", ".crdownload", ".tmp", ".bak", ".lock",
})  # fmt: skip
"""Endings of what lies beside examples but is none. Where such files are the examples, they are named in `endings`."""


@dataclass
class _Walk:
    """What is met on the way through a folder."""

    endings: frozenset[str] | None
    seen: set[tuple[int, int]] = field(default_factory=set)
    """(device, inode) of each folder that was entered: a link back to one is a loop, or would take its files twice."""
    skipped: Counter[str] = field(default_factory=Counter)
    irregular: list[str] = field(default_factory=list)
    """Pipes, sockets, devices, links to nowhere."""
    loose: list[str] = field(default_factory=list)
    """Files beside the class folders, which have no label."""
    empty: list[str] = field(default_factory=list)
    """Class folders without an example."""
    closed: list[str] = field(default_factory=list)
    """Folders that cannot be opened."""
    links: list[str] = field(default_factory=list)
    """Links to folders that were entered already."""

    def entries(self, folder: str) -> list[os.DirEntry[str]]:
        """What lies in a folder, in natural order, real things before links to things; [] if it was seen or cannot be opened."""
        try:
            status = Path(folder).stat()
            if (status.st_dev, status.st_ino) in self.seen:
                self.links.append(folder)
                return []
            self.seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as listing:
                found = list(listing)
        except OSError:
            self.closed.append(folder)
            return []
        return sorted(found, key=lambda entry: (entry.is_symlink(), natural(entry.name)))

    def files(self, folder: str) -> list[str]:
        """Every file below `folder` that can be an example."""
        found: list[str] = []
        waiting = [folder]
        while waiting:
            below: list[str] = []
            for entry in self.entries(waiting.pop()):
                if is_clutter(entry.name):
                    self.skipped[_kind(entry.name)] += 1
                elif _is_dir(entry):
                    below.append(entry.path)
                elif self._takes(entry):
                    found.append(entry.path)
            waiting += reversed(below)
        return found

    def _takes(self, entry: os.DirEntry[str]) -> bool:
        ending = Path(entry.name).suffix.casefold()
        if not _is_file(entry):
            self.irregular.append(entry.path)
        elif ending not in self.endings if self.endings is not None else ending in CLUTTER_ENDINGS:
            self.skipped[_kind(entry.name)] += 1
        else:
            return True
        return False


def read_folder(folder: Path, column: str, endings: Sequence[str] | None = None) -> Source:
    """A folder -> its examples, {column: path, "label": name of the class folder}, sorted by split, class and path.

    Args:
        folder: holds the class folders, or train, valid and test folders that hold them.
        column: what to call the input.
        endings: take only files that end so (".wav"); by default every regular file that is not clutter.

    Raises:
        DataError: there is no such folder, it holds no examples, or only one class.
    """
    root = Path(os.path.normpath(folder.absolute()))
    walk = _Walk(None if endings is None else frozenset(ending.casefold() for ending in endings))
    if not root.is_dir():
        raise not_found(folder)
    top = walk.entries(str(root))
    if walk.closed:
        raise DataError("folder-closed", where=str(folder))
    folders = [entry for entry in top if not is_clutter(entry.name) and _is_dir(entry)]
    splits = {entry.path: SPLIT_WORDS[entry.name.casefold()] for entry in folders if entry.name.casefold() in SPLIT_WORDS}
    is_given = TRAIN in splits.values() and (len(set(splits.values())) > 1 or len(splits) == len(folders)) and _holds_folders(splits, walk)
    notices: list[Notice] = []
    if is_given:
        ignored = [entry.name for entry in folders if entry.path not in splits]
        notices += [Notice("folders-ignored", {"names": some(map(readable, ignored)), "folder": str(folder)})] if ignored else []
        rows: list[tuple[str | None, str, str]] = [(word, label, path) for split, word in splits.items() for label, path in _classes(walk, split)]
    else:
        rows = [(None, label, path) for label, path in _classes(walk, str(root), top)]
    ranks = {label: natural(label) for label in {label for _, label, _ in rows}}
    rows.sort(key=lambda row: (row[0] or "", ranks[row[1]], natural(row[2])))
    _check(rows, folder, root)
    examples: list[Example] = [{column: Path(path), "label": label} for _, label, path in rows]
    return Source(
        name=readable(root.name) or "data",
        place=root,
        columns=(column, "label"),
        examples=examples,
        target="label",
        given=tuple(word for word, _, _ in rows) if is_given else None,
        notices=(*notices, *_notices(walk, root)),
    )


def files_below(folder: Path) -> list[Path]:
    """The files of a folder and of all below it that can be examples, in natural order; texts where there are no others, as in training.

    Raises:
        DataError: there are none, or a folder cannot be opened.
    """
    for endings in (None, frozenset(words.ENDINGS)):
        walk = _Walk(endings)
        found = walk.files(str(folder))
        if walk.closed:
            raise DataError("folder-closed", where=readable(walk.closed[0]))
        if found:
            return list(map(Path, found))
    raise DataError("folder-no-files", where=readable(str(folder)))


def not_found(path: Path) -> DataError:
    """The error for data that is not there, with names nearby that are like it."""
    import difflib

    parent = path.parent
    try:
        nearby = [entry.name for entry in os.scandir(parent) if not entry.name.startswith(".")]
    except OSError:
        nearby = []
    close = difflib.get_close_matches(path.name, nearby, 3, 0.6)
    similar = [readable(str(parent / name)) + ("/" if (parent / name).is_dir() else "") for name in close]
    return DataError(
        "data-not-found", where=readable(str(path)), path=readable(str(path)), similar=", ".join(similar), first=similar[0] if similar else ""
    )


def is_clutter(name: str) -> bool:
    """Whether a file or folder of this name is never an example."""
    return name.startswith(".") or name.casefold() in CLUTTER_NAMES


def _kind(name: str) -> str:
    """What to count a skipped file under: its name if it is known, else its ending."""
    return readable(name) if is_clutter(name) else Path(name).suffix.casefold() or readable(name)


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _holds_folders(splits: dict[str, str], walk: _Walk) -> bool:
    """Whether a train folder holds class folders: otherwise train is the name of a class (a toy, a vehicle)."""
    trains = [path for path, word in splits.items() if word == TRAIN]
    return any(_is_dir(entry) and not is_clutter(entry.name) for path in trains for entry in _Walk(None).entries(path))


def _classes(walk: _Walk, folder: str, entries: list[os.DirEntry[str]] | None = None) -> Iterator[tuple[str, str]]:
    """A folder of class folders -> (label, path) of each example. What lies beside the class folders is counted as skipped."""
    for entry in walk.entries(folder) if entries is None else entries:
        if is_clutter(entry.name):
            walk.skipped[_kind(entry.name)] += 1
        elif _is_dir(entry):
            files = walk.files(entry.path)
            if not files:
                walk.empty.append(entry.path)
            yield from ((readable(entry.name), path) for path in files)
        elif Path(entry.name).suffix.casefold() in CLUTTER_ENDINGS:
            walk.skipped[_kind(entry.name)] += 1
        else:
            walk.loose.append(entry.path)


def _check(rows: Sequence[tuple[str | None, str, str]], folder: Path, root: Path) -> None:
    counts = class_counts(label for _, label, _ in rows)
    if not rows:
        raise DataError("data-empty", where=readable(str(folder)))
    if len(counts) == 1:
        label = next(iter(counts))
        inside = [path for path in (root / label).iterdir() if path.is_dir()] if (root / label).is_dir() else []
        nested = readable(str(folder / label)) if len(inside) > 1 else ""
        raise DataError("folder-one-class", where=readable(str(folder)), label=label, n=len(rows), nested=nested)


def _notices(walk: _Walk, root: Path) -> list[Notice]:
    notices = []
    if walk.skipped:
        notices.append(Notice("files-skipped", {"n": walk.skipped.total(), "kinds": counted(dict(walk.skipped.most_common(8)))}))
    met = {
        "files-loose": walk.loose,
        "files-irregular": walk.irregular,
        "classes-empty": walk.empty,
        "folders-closed": walk.closed,
        "links-skipped": walk.links,
    }
    for code, paths in met.items():
        if paths:
            names = some(readable(os.path.relpath(path, root)) for path in paths)
            notices.append(Notice(code, {"n": len(paths), "names": names}))
    return notices
