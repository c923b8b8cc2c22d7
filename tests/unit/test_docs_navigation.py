"""The docs site has a place for every page."""

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if page.parent.name != "decisions"]


def listed(entries):
    """The pages of a navigation, however deep."""
    for entry in entries:
        (_, place), *_ = entry.items() if isinstance(entry, dict) else [(None, entry)]
        yield from listed(place) if isinstance(place, list) else [place]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_is_in_the_navigation(page):
    """A page of docs/ is named below `nav` in mkdocs.yml; decisions come there by themselves."""
    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    assert str(page.relative_to(ROOT / "docs")) in list(listed(navigation))
