"use strict";

// What is wider than the page scrolls in its own box; such a box must be reachable by keyboard.
const BOXES = "pre, div.math, .output.text_html, .table-wrapper, .picture, mjx-container";

// A figure of so many pixels has several panels side by side, or letters too small for a phone.
const BROAD = 640;

function markBroad() {
  for (const image of document.querySelectorAll(".picture img")) {
    const isBroad = image.naturalWidth > BROAD;
    image.parentElement.classList.toggle("broad", isBroad);
  }
}

function markScrollable() {
  const label = document.querySelector('meta[name="scrollable-label"]')?.content;
  for (const box of document.querySelectorAll(BOXES)) {
    if (box.matches("mjx-container") && box.closest("div.math")) continue;
    if (box.matches("mjx-container")) {
      box.classList.remove("wide"); // a box that scrolls is never wider than the column
      box.classList.toggle("wide", isWide(box));
    }
    if (box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== "visible") {
      box.tabIndex = 0;
      box.setAttribute("role", "region");
      box.setAttribute("aria-label", label);
    }
  }
}

// A formula within a line that is wider than the column. Elements within a line have no scrollWidth.
function isWide(formula) {
  const column = formula.closest("p, li, td, dd, section");
  return column !== null && formula.getBoundingClientRect().width > column.clientWidth;
}

addEventListener("load", () => {
  markBroad();
  markScrollable();
  globalThis.MathJax?.startup?.promise?.then(markScrollable);
});
addEventListener("resize", markScrollable);
