"""YAML text -> plain data and the place of every node. All input is hostile; each fault is a RecipeError with its place.

PyYAML splits the text into events; what they mean is decided here: YAML 1.2 scalars, no tags, no merge keys, no key twice,
a cap on size, depth and on what aliases expand to. JSON is read too, being (nearly) a part of YAML.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as File

import yaml

from flambeau.document import scalars
from flambeau.document.marks import Marks, Path, Place, Tree, split_lines
from flambeau.document.syntax import MAX_DEPTH, check_characters, decoded, fault, joined_surrogates, syntax_error
from flambeau.errors import RecipeError
from flambeau.naming import closest

MAX_BYTES = 1_000_000
"""A recipe is a few kilobytes; a mistaken argument (a model, an archive) is larger."""
MAX_NODES = 100_000
"""Nodes after all aliases are followed: a network of 10,000 layers passes, nine lines of aliases of aliases do not."""

_Loader: type[yaml.CLoader | yaml.Loader] = yaml.CLoader if yaml.__with_libyaml__ else yaml.Loader


@dataclass(frozen=True)
class Document:
    """What was read, and where everything stands in it."""

    tree: Tree
    marks: Marks
    text: str


@dataclass
class _Node:
    """A node while the document is read; an alias is the same node again."""

    place: Place
    value: bool | int | float | str | None = None
    text: str | None = None
    """Of an unquoted scalar."""
    items: list[_Node] | None = None
    entries: dict[str, tuple[Place, _Node]] | None = None
    key: tuple[str, Place] | None = None
    """The key whose value comes next."""
    anchor: str | None = None
    num_nodes: int = 1
    depth: int = 1
    closed: bool = field(default=True)


def read_file(file: File) -> Document:
    """A file -> its document.

    Raises:
        RecipeError: it is not there, cannot be read, is too large, or is not what `read` accepts.
    """
    try:
        if isinstance(file, os.PathLike) and not stat.S_ISREG(file.stat().st_mode):  # a named pipe would wait for its writer for ever
            raise OSError(errno.EINVAL, "not a file")
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise RecipeError("recipe-not-found", where=str(file), file=file, guess=_similar(file)) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise RecipeError("recipe-unreadable", where=str(file), file=file, reason=reason or type(error).__name__) from error
    if len(raw) > MAX_BYTES:
        raise RecipeError("yaml-too-large", where=str(file), limit=MAX_BYTES)
    return read(decoded(raw, str(file)), str(file))


def read(text: str, file: str = "<text>") -> Document:
    """A text -> its document.

    Raises:
        RecipeError: with the place, a snippet and what to do.
    """
    if len(text) > MAX_BYTES:
        raise RecipeError("yaml-too-large", where=file, limit=MAX_BYTES)
    text = joined_surrogates(text.removeprefix("\ufeff"))
    marks = Marks(file, split_lines(text))
    check_characters(text, marks)
    root = _Composer(marks).compose(text)
    values: dict[Path, Place] = {}
    keys: dict[Path, Place] = {}
    texts: dict[Path, str] = {}
    tree = _plain(root, (), values, keys, texts) if root else None
    return Document(tree, Marks(file, marks.lines, values, keys, texts), text)


def _plain(node: _Node, path: Path, values: dict[Path, Place], keys: dict[Path, Place], texts: dict[Path, str]) -> Tree:
    """A node as plain data; its places are noted under its path. What an alias repeats is noted where it was first written."""
    values[path] = node.place
    if node.items is not None:
        return [_plain(item, (*path, index), values, keys, texts) for index, item in enumerate(node.items)]
    if node.entries is not None:
        for key, (place, _) in node.entries.items():
            keys[*path, key] = place
        return {key: _plain(value, (*path, key), values, keys, texts) for key, (_, value) in node.entries.items()}
    if node.text is not None:
        texts[path] = node.text
    return node.value


class _Composer:
    """Puts the events of one document together, without recursion."""

    def __init__(self, marks: Marks) -> None:
        self.marks = marks
        self.anchors: dict[str, _Node] = {}
        self.open: list[_Node] = []
        self.root: _Node | None = None
        self.num_nodes = 0

    def compose(self, text: str) -> _Node | None:
        """The root node; None for an empty document."""
        num_documents = 0
        for event in self._events(text):
            if isinstance(event, yaml.DocumentStartEvent):
                num_documents += 1
                if num_documents > 1:
                    raise fault("yaml-documents", self.marks, _place(event))
            elif isinstance(event, yaml.AliasEvent):
                self._add(self._aliased(event), _place(event))
            elif isinstance(event, yaml.ScalarEvent):
                self._add(self._scalar(event), _place(event))
            elif isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
                self._start(event)
            elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
                self._end(event)
        return self.root

    def _events(self, text: str) -> Iterator[yaml.Event]:
        try:
            yield from yaml.parse(text, Loader=_Loader)
        except yaml.YAMLError as error:
            raise syntax_error(error, self.marks) from None

    def _aliased(self, event: yaml.AliasEvent) -> _Node:
        name = str(event.anchor)
        node = self.anchors.get(name)
        if node is None:
            guess = closest(name, self.anchors)
            raise fault("yaml-alias-unknown", self.marks, _place(event), name=name, guess=guess)
        if not node.closed:
            raise fault("yaml-alias-cycle", self.marks, _place(event), name=name)
        return node

    def _scalar(self, event: yaml.ScalarEvent) -> _Node:
        place = _place(event)
        self._check_tag(event)
        if "\0" in event.value or any("\ud800" <= c <= "\udfff" for c in event.value):
            raise fault("yaml-character-escaped", self.marks, place)
        node = _Node(place, event.value, anchor=event.anchor)
        if event.implicit[0]:  # unquoted
            node.text = event.value
            try:
                node.value = scalars.resolve(event.value)
            except scalars.NotANumberError:
                if not self._wants_key():
                    raise fault("yaml-number", self.marks, place, text=event.value[:40]) from None
        self._anchor(node)
        return node

    def _start(self, event: yaml.SequenceStartEvent | yaml.MappingStartEvent) -> None:
        start = _place(event)
        self._check_tag(event)
        if self._wants_key():
            raise fault("yaml-key", self.marks, start)
        if len(self.open) >= MAX_DEPTH:
            raise fault("yaml-nesting", self.marks, start, limit=MAX_DEPTH)
        node = _Node(start, anchor=event.anchor, closed=False)
        if isinstance(event, yaml.SequenceStartEvent):
            node.items = []
        else:
            node.entries = {}
        self._anchor(node)
        self.open.append(node)

    def _end(self, event: yaml.SequenceEndEvent | yaml.MappingEndEvent) -> None:
        node = self.open.pop()
        node.closed = True
        end = _place(event)
        if not end.is_empty:  # a block has no closing bracket: it ends where the next thing begins
            node.place = Place(node.place.line, node.place.column, end.end_line, end.end_column)
        self._add(node, node.place, counted=True)

    def _anchor(self, node: _Node) -> None:
        if node.anchor:
            self.anchors[node.anchor] = node

    def _wants_key(self) -> bool:
        return bool(self.open) and self.open[-1].entries is not None and self.open[-1].key is None

    def _add(self, node: _Node, place: Place, *, counted: bool = False) -> None:
        """A finished node to the collection that is open. `place` is where it stands here: that of the alias, for an alias."""
        self.num_nodes += 1 if counted else node.num_nodes
        if self.num_nodes > MAX_NODES:
            raise fault("yaml-too-many", self.marks, place, limit=MAX_NODES)
        if not self.open:
            self.root = node
            return
        parent = self.open[-1]
        if self._wants_key():
            parent.key = (self._key(node, parent, place), place)
            return
        if len(self.open) + node.depth > MAX_DEPTH:
            raise fault("yaml-nesting", self.marks, place, limit=MAX_DEPTH)
        parent.num_nodes += node.num_nodes
        parent.depth = max(parent.depth, node.depth + 1)
        if parent.items is not None:
            parent.items.append(node)
        elif parent.entries is not None and parent.key is not None:
            key, key_place = parent.key
            parent.entries[key] = (key_place, node)
            parent.key = None

    def _key(self, node: _Node, parent: _Node, place: Place) -> str:
        """The key that a node is: its text as it was written (`1` and `no` are names here), once in its mapping."""
        key = node.text if node.text is not None else node.value
        if not isinstance(key, str) or (node.text is not None and scalars.is_null(key)):
            raise fault("yaml-key", self.marks, place)
        if node.text == "<<":
            raise fault("yaml-merge", self.marks, place)
        assert parent.entries is not None
        if key in parent.entries:
            first, _ = parent.entries[key]
            raise fault("yaml-key-twice", self.marks, place, key=key, first=first.line + 1)
        return key

    def _check_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.tag is not None:
            raise fault("yaml-tag", self.marks, _place(event), tag=event.tag.replace("tag:yaml.org,2002:", "!!"))


def _place(event: yaml.Event) -> Place:
    start, end = event.start_mark, event.end_mark
    assert start is not None and end is not None
    return Place(start.line, start.column, end.line, end.column)


def _similar(file: File) -> str:
    """A file of nearly this name in the same folder, or of any YAML suffix."""
    try:
        names = [entry.name for entry in file.parent.iterdir() if entry.suffix in (".yaml", ".yml", ".json")]
    except OSError:
        return ""
    near = closest(file.name, names)
    return str(file.with_name(near)) if near else ""
