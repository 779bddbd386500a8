"""Everything that the report says, in both languages at once: the page shows one and can switch to the other."""

from __future__ import annotations

from flambeau.evaluation.markup import Markup, clean, escape, join, tag
from flambeau.messages import LANGUAGES, catalogue, filled, language

KEY = "report-"
TAGS = {"en": "en", "zh": "zh-Hans"}
"""The languages as HTML names them."""


def say(key: str, /, element: str = "span", **facts: object) -> Markup:
    """A text of the catalogue as one element for each language; facts that are no Markup are escaped. In drawings: "tspan"."""
    safe = {name: fact if isinstance(fact, Markup | int | float) else escape(clean(fact)) for name, fact in facts.items()}
    return join(*(tag(element, Markup(filled(escape(_template(key, lang)), **safe)), lang=TAGS[lang]) for lang in LANGUAGES))


def says(key: str) -> bool:
    """Whether the catalogue has a text for this key."""
    return KEY + key in catalogue(LANGUAGES[0])


def metric(name: str, element: str = "span") -> Markup:
    """The name of a metric as people say it; one that the catalogue does not know stands as it is."""
    if name.startswith("top_") and name.endswith("_accuracy"):
        return say("metric-top-k", element, k=name.split("_")[1])
    key = "metric-" + name.replace("_", "-")
    return say(key, element) if says(key) else tag(element, clean(name))


def switched(attribute: str, key: str, /, **facts: object) -> dict[str, str]:
    """An attribute in the user's language, and what the page's switch needs to change it."""
    told = {name: clean(fact) if isinstance(fact, str) else fact for name, fact in facts.items()}
    twins = {f"data_{lang}": filled(_template(key, lang), **told) for lang in LANGUAGES}
    return {attribute: twins[f"data_{language()}"], "data_switch": attribute.replace("_", "-")} | twins


def switched_text(name: str, key: str, /, id_: str | None = None, **facts: object) -> Markup:
    """An element whose only content is text (the title of a page or drawing), which the page's switch changes."""
    twins = {f"data_{lang}": filled(_template(key, lang), **facts) for lang in LANGUAGES}
    return tag(name, twins[f"data_{language()}"], id=id_, data_switch="text", **twins)


def _template(key: str, lang: str) -> str:
    return catalogue(lang)[KEY + key]["what"]
