"""Settings of Sphinx: ``sphinx-build -W -b html docs docs/_build``."""

from configparser import RawConfigParser
from pathlib import Path

_setup = RawConfigParser()
_setup.read(Path(__file__).parent.parent / "setup.cfg", "utf-8")

project = _setup["metadata"]["name"]
author = _setup["metadata"]["author"]
copyright = author
version = release = _setup["metadata"]["version"]

exclude_patterns = ["_build"]
highlight_language = "python"
nitpicky = True

html_theme = "furo"
html_title = f"{project} {version}"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
pygments_dark_style = "a11y-high-contrast-dark"
