"""The documents hang together: links lead somewhere, and what configurations say there is."""
import re
from collections import Counter

import pytest

from harness.teleport import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs/guide").glob("*.md"))]
CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CONFIGURATION = re.compile(r"^```nginx\n(.*?)^```", re.DOTALL | re.MULTILINE)
# A quoted text, a variable in braces, a comment: braces and semicolons in them end nothing.
NOT_A_DIRECTIVE = re.compile(r'"[^"]*"|\$\{\w+\}|#[^\n]*')


def name(path):
    return str(path.relative_to(ROOT))


def anchors_of(path):
    """What a link can name in a page: headings as GitHub calls them, and anchors of its own."""
    text = CODE.sub("", path.read_text())
    found = set(re.findall(r'<a id="([^"]+)">', text))
    seen = Counter()
    for heading in re.findall(r"^#+ +(.*)$", text, re.MULTILINE):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return found


def leads_nowhere(page, link):
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return not target.exists() \
        or (anchor != "" and target.suffix == ".md" and anchor not in anchors_of(target))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    links = LINK.findall(CODE.sub("", page.read_text()))
    assert [link for link in links
            if not re.match(r"[a-z]+:", link) and leads_nowhere(page, link)] == []


@pytest.mark.parametrize("page", GUIDES, ids=name)
def test_directives_that_are_shown_exist(page):
    reference = (ROOT / "docs/reference/directives.md").read_text()
    known = set(re.findall(r"^### (\S+)$", reference, re.MULTILINE))
    shown = {word for text in CONFIGURATION.findall(page.read_text())
             for word in re.findall(r"(?:^|[{};])\s*([a-z_]+)(?=[\s;])",
                                    NOT_A_DIRECTIVE.sub('""', text))}
    assert shown - known == set()
