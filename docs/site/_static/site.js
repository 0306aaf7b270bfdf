"use strict";

// What is wider than the page scrolls in its own box; such a box must be reachable by keyboard.
const TABLES = ".output.text_html, .table-wrapper";
const BOXES = `pre, div.math, ${TABLES}, .picture, mjx-container`;
const SHADOWED = `pre, ${TABLES}`;
const CROWDED = ["crowded", "very-crowded"];

// A figure of so many pixels has several panels side by side, or letters too small for a phone.
const BROAD = 640;

function markBroad() {
  for (const image of document.querySelectorAll(".picture img")) {
    const isBroad = image.naturalWidth > BROAD;
    image.parentElement.classList.toggle("broad", isBroad);
  }
}

// Tables that are wider than the column have less room between columns, then smaller letters.
function markCrowded() {
  for (const box of document.querySelectorAll(TABLES)) {
    box.classList.remove(...CROWDED);
    for (const step of CROWDED) box.classList.toggle(step, isBroader(box));
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
    const scrolls = isBroader(box) && getComputedStyle(box).overflowX !== "visible";
    box.classList.toggle("scrolls", scrolls && box.matches(SHADOWED));
    if (scrolls) {
      box.tabIndex = 0;
      box.setAttribute("role", "region");
      box.setAttribute("aria-label", label);
    }
  }
}

function fit() {
  markCrowded();
  markScrollable();
}

// Whether something within a box is hidden at its edge.
function isBroader(box) {
  return box.scrollWidth > box.clientWidth + 1;
}

// A formula within a line that is wider than the column. Elements within a line have no scrollWidth.
function isWide(formula) {
  const column = formula.closest("p, li, td, dd, section");
  return column !== null && formula.getBoundingClientRect().width > column.clientWidth;
}

addEventListener("load", () => {
  markBroad();
  fit();
  globalThis.MathJax?.startup?.promise?.then(fit);
});
addEventListener("resize", fit);
