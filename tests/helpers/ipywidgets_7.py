"""The widgets and arguments of ipywidgets 7.7.1, which Colab has."""

from __future__ import annotations

# Colab ships ipywidgets 7.7.1: the arguments of the core widgets in its API.
BASE = {"layout"}
LABELLED = BASE | {"description", "description_tooltip", "disabled", "style", "value"}
CHOICE = LABELLED | {"index", "label", "options"}
TYPED = LABELLED | {"continuous_update", "placeholder"}
SLIDER = TYPED - {"placeholder"} | {
    "max",
    "min",
    "orientation",
    "readout",
    "readout_format",
    "step",
}
CLASSES_WITHOUT_ARGUMENTS = {"ValueWidget", "Widget"}  # as type hints
API_7_7_1 = {
    "BoundedFloatText": TYPED | {"max", "min", "step"},
    "BoundedIntText": TYPED | {"max", "min", "step"},
    "Box": BASE | {"box_style", "children"},
    "Button": BASE | {"button_style", "description", "disabled", "icon", "style", "tooltip"},
    "Checkbox": LABELLED | {"indent"},
    "Dropdown": CHOICE,
    "FloatSlider": SLIDER,
    "FloatText": TYPED | {"step"},
    "HBox": BASE | {"box_style", "children"},
    "HTML": LABELLED | {"placeholder"},
    "HTMLMath": LABELLED | {"placeholder"},
    "IntSlider": SLIDER,
    "IntText": TYPED | {"step"},
    "Label": LABELLED | {"placeholder"},
    "Output": BASE | {"msg_id", "outputs"},
    "RadioButtons": CHOICE,
    "SelectionSlider": CHOICE | {"continuous_update", "orientation", "readout"},
    "Text": TYPED,
    "Textarea": TYPED | {"rows"},
    "ToggleButtons": CHOICE | {"button_style", "icons", "tooltips"},
    "VBox": BASE | {"box_style", "children"},
}
STYLES = {"description_width", "button_width", "button_color", "font_weight", "handle_color"}
LAYOUT = {
    *("width", "height", "min_width", "min_height", "max_width", "max_height", "margin"),
    *("padding", "border", "display", "visibility", "overflow", "order", "top", "bottom"),
    *("flex", "flex_flow", "align_items", "align_content", "align_self", "justify_content"),
    *("justify_items", "grid_gap", "grid_area", "grid_template_columns", "grid_template_rows"),
}
