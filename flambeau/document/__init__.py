"""A YAML document as plain data, with the place of everything in it; and back.

The lowest of readers: it knows nothing of recipes. YAML 1.2 core schema, hostile input, every fault with file:line:col.
"""

from flambeau.document.address import address, flatten, get, replaced, spell
from flambeau.document.marks import Marks, Path, Place, Tree
from flambeau.document.reader import Document, read, read_file
from flambeau.document.writer import write

__all__ = ["Document", "Marks", "Path", "Place", "Tree", "address", "flatten", "get", "read", "read_file", "replaced", "spell", "write"]
