"""Settings of the website for both languages; `python -m tools.site` calls Sphinx with them.

The tag `zh` selects Chinese. Nothing is executed and nothing is fetched: outputs come from the
stored notebooks, MathJax from `_static/mathjax`, and fonts are those of the reader's system.
"""

from tools import notebooks, site_html, site_reference, site_sources

language_key = "zh" if tags.has("zh") else "en"  # noqa: F821  (Sphinx defines `tags`)
words = site_sources.words(language_key)
repository, branch = notebooks.settings()["repository"], notebooks.settings()["branch"]

project = words["project"]
author = "The ftlearn founders"
language = words["sphinx"]
gettext_compact = False
extensions = [
    "myst_nb",
    "notfound.extension",
    "sphinx.ext.autodoc",
    "sphinx.ext.linkcode",
    "sphinx_copybutton",
]
templates_path = ["_templates"]
exclude_patterns = ["_build"]

# Notebooks: only what is stored in them.
nb_execution_mode = "off"
nb_merge_streams = True
nb_render_markdown_format = "myst"
nb_code_prompt_show = words["hidden"]
nb_code_prompt_hide = words["hide"]
myst_enable_extensions = ["amsmath", "attrs_block", "attrs_inline", "colon_fence", "dollarmath"]
myst_heading_anchors = 4
myst_url_schemes = {
    "http": None,
    "https": None,
    "mailto": None,
    # A file of the repository that is not a page: the address needs no place in a translation.
    "repo": f"https://github.com/{repository}/blob/{branch}/{{{{path}}}}",
}

# The reference. A name that two packages export, such as TrainConfig, has two places.
suppress_warnings = ["ref.python"]
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
add_module_names = False
maximum_signature_line_length = 72
autodoc_preserve_defaults = True
autodoc_type_aliases = {"ArrayLike": "ArrayLike"}
linkcode_resolve = site_reference.source_address

# How it looks. Quotes stay as they are: within examples they belong to what a reader copies.
smartquotes = False
html_theme = "furo"
html_title = words["project"]
html_static_path = ["_static"]
html_favicon = "_static/favicon.svg"
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_show_copyright = False
html_show_sourcelink = False
html_copy_source = False
html_use_index = True
html_domain_indices = False
html_scaled_image_link = False
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
mathjax_path = "mathjax/tex-chtml.js"
mathjax3_config = {"options": {"enableMenu": False}}
html_theme_options = {
    # The place at the top of every page; our template puts the languages there.
    "top_of_page_buttons": ["view"],
    "footer_icons": [
        {
            "name": "GitHub",
            "url": f"https://github.com/{repository}",
            "html": "GitHub",
            "class": "repository",
        }
    ],
}
# The page for a wrong address stands anywhere below the site, so its links begin at the host.
notfound_urls_prefix = site_sources.base() + words["prefix"]
other_words = site_sources.words("en" if language_key == "zh" else "zh")
notfound_context = {
    "title": words["not_found"],
    "body": site_html.not_found(words, other_words, site_sources.base()),
}
html_context = {"words": words, "language_key": language_key}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def setup(app):
    """Connects what rewrites docstrings before, and pages after Sphinx has worked on them."""
    app.connect("autodoc-process-docstring", site_reference.rewrite_docstring)
    app.connect("autodoc-skip-member", site_reference.skip_member)
    app.connect("autodoc-process-signature", site_reference.mend_signature)
    app.connect("object-description-transform", site_reference.mend_value)
    app.connect("html-page-context", site_html.mend_page)
