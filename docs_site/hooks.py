"""MkDocs' hooks: pages made from the code, pages from outside docs/, and the order of all of them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

# What lies outside docs/ and belongs to the site.
FROM_OUTSIDE = {
    "about.md": ROOT / "README.md",
    "changes.md": ROOT / "CHANGELOG.md",
    "security.md": ROOT / "SECURITY.md",
    "assets/site.css": ROOT / "docs_site" / "site.css",
}
SECTIONS = {
    "Data scientists": "users",
    "Operators": "operators",
    "Contributors": "contributors",
    "Design": "design",
    "Decisions": "decisions",
}
FIRST = {"users": ["start.md", "finding-your-way.md"], "operators": ["clusters.md"]}
REFERENCE = {"reference/cli.md": "The mooring command", "reference/api.md": "API", "reference/python.md": "Python"}


def on_config(config: Any) -> Any:
    """Put the pages in order; the problems are reached by their index."""
    docs = Path(config["docs_dir"])
    nav: list[Any] = [{"Documentation": "README.md"}, {"What Mooring is": "about.md"}]
    for title, folder in SECTIONS.items():
        names = sorted(path.name for path in (docs / folder).glob("*.md"))
        first = [name for name in FIRST.get(folder, []) if name in names]
        nav.append({title: [f"{folder}/{name}" for name in [*first, *(name for name in names if name not in first)]]})
    reference: list[Any] = [{title: path} for path, title in REFERENCE.items()]
    about = {"Problems": "problems/index.md", "Security": "security.md", "What is proven": "proof.md", "Changes": "changes.md"}
    nav.append({"Reference": [*reference, *({title: path} for title, path in about.items())]})
    config["nav"] = nav
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add what is generated."""
    from mkdocs.structure.files import File

    from docs_site import reference

    made = {
        **{name: path.read_text(encoding="utf-8") for name, path in FROM_OUTSIDE.items()},
        "reference/cli.md": reference.of_command(),
        "reference/api.md": reference.of_api(),
        "reference/python.md": reference.of_python(),
        "problems/index.md": reference.of_problems(),
    }
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Lead links that are meant for the repository to where the site has the page."""
    place = page.file.src_uri
    if place in ("about.md", "changes.md", "security.md"):
        markdown = (
            markdown.replace("](docs/", "](")
            .replace("](CHANGELOG.md", "](changes.md")
            .replace("](SECURITY.md", "](security.md")
            .replace("](LICENSE)", "](https://www.apache.org/licenses/LICENSE-2.0)")
        )
    up = "../" * place.count("/")
    markdown = re.sub(r"\]\((?:\.\./)+README\.md", f"]({up}about.md", markdown)
    markdown = re.sub(r"\]\((?:\.\./)+CHANGELOG\.md", f"]({up}changes.md", markdown)
    markdown = re.sub(r"\]\((?:\.\./)+SECURITY\.md", f"]({up}security.md", markdown)
    markdown = re.sub(r"\[([^]]+)\]\(((?:\.\./)+[^)#\s]+)\)", lambda link: _told(link, Path(config["docs_dir"]) / place), markdown)
    # A folder is its index.
    return re.sub(
        r"\]\(((?:\.\./)*)(problems)/\)",
        r"](\1\2/index.md)",
        re.sub(r"\]\(((?:\.\./)*)(decisions)/\)", r"](\1\2/README.md)", markdown),
    )


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Give the theme's search its name for the ear."""
    return output.replace('data-md-component="search" role="dialog"', 'data-md-component="search" role="dialog" aria-label="Search"')


def on_post_build(config: Any) -> None:
    """Make of the built pages what the studio serves: no script in a page, and no page for what is not there, which is the studio's."""
    from docs_site.scripts import move_inline

    site = Path(config["site_dir"])
    (site / "404.html").unlink(missing_ok=True)
    move_inline(site)


def _told(link: re.Match[str], page: Path) -> str:
    """Name a file of the repository that is no part of the site; leave every other link as it is."""
    target = (page.parent / link[2]).resolve()
    outside = target.is_relative_to(ROOT) and not target.is_relative_to(ROOT / "docs")
    return f"{link[1]} (`{target.relative_to(ROOT)}` of the repository)" if outside and target.exists() else link[0]
