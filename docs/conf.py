"""How Sphinx builds the documentation: pages of this folder, docstrings of the package, and a gallery of examples/."""

import logging
import os
import sys
import zlib
from importlib import import_module
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS / "_extensions"), str(DOCS.parent)]

project = "pymc_symplectic"
author = "The pymc_symplectic developers"
project_copyright = author
version = release = import_module(project).__version__

# The examples run in the process of the build.
os.environ["MPLBACKEND"] = "agg"
import_module("pymc")  # which sets the level of its logger
for name in ("pymc", project):
    logging.getLogger(name).setLevel(logging.ERROR)

extensions = [
    "myst_parser",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "matplotlib.sphinxext.plot_directive",
    "catalogues",
    "plain_docstrings",
    "short_names",
]
exclude_patterns = ["_build", "_extensions", "_templates", "gallery/backreferences"]
templates_path = ["_templates"]
default_role = "py:obj"

# Prose
highlight_language = "none"  # what is printed is not Python
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3

# Docstrings
autosummary_generate = True
autosummary_filename_map = {  # where file names know no capitals
    "pymc_symplectic.mechanics.System": "pymc_symplectic.mechanics.System-class"
}
autodoc_member_order = "bysource"
toc_object_entries_show_parents = "hide"  # the page says whose they are
autodoc_typehints = "none"  # numpydoc's sections say more
numpydoc_show_class_members = False  # autodoc lists them

# Figures that pages show; functions of _extensions/ draw them
plot_formats = [("png", 160)]
plot_html_show_formats = plot_html_show_source_link = False
plot_pre_code = ""

# Links to other projects.  Without the internet there are none, and that is no fault of the build: an inventory of
# nothing stands in.
NOTHING = DOCS / "_build" / "nothing.inv"
NOTHING.parent.mkdir(exist_ok=True)
NOTHING.write_bytes(
    b"# Sphinx inventory version 2\n# Project: nothing\n# Version: 0\n"
    b"# The remainder of this file is compressed using zlib.\n" + zlib.compress(b"")
)
intersphinx_mapping = {
    name: (address, (None, str(NOTHING)))
    for name, address in {
        "arviz": "https://python.arviz.org/en/stable/",
        "numpy": "https://numpy.org/doc/stable/",
        "pymc": "https://www.pymc.io/projects/docs/en/stable/",
        "xarray": "https://docs.xarray.dev/en/stable/",
    }.items()
}
intersphinx_timeout = 10

# The gallery
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "ignore_pattern": r"(^|[/\\])(_[^/\\]*|regression|integrators)\.py$",  # see demos.md
    "within_subsection_order": "gallery_order.Order",
    "backreferences_dir": "gallery/backreferences",
    "doc_module": (project,),
    "image_srcset": ["2x"],
    "capture_repr": (),  # what is to be seen is printed, for those too who run the scripts
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
}

# HTML
html_theme = "pydata_sphinx_theme"
html_title = project
html_show_sourcelink = False
html_theme_options = {
    "github_url": "https://github.com/pymc-symplectic/pymc-symplectic",
    "header_links_before_dropdown": 5,
    "navigation_with_keys": False,
    "show_prev_next": True,
    "show_toc_level": 2,
}
html_sidebars = {}  # every group has pages beneath it
html_static_path = ["_static"]
html_css_files = ["pages.css"]


def setup(app: Sphinx) -> None:
    """Links to files of the repository become links to the pages that show them."""
    app.connect("source-read", lead_to_pages)


def lead_to_pages(app: Sphinx, page: str, source: list[str]) -> None:
    """Replace them in the text of a page."""
    source[0] = source[0].replace("(../CONTRIBUTING.md)", "(contributing.md)")
