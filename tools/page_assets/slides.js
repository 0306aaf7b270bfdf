// What only the browser knows: how tall a slide is, and where its lines break.
(() => {
  // What gets smaller on a slide that it overfills: sizes as in slides.css, and how far they go.
  const CODE = {full: 0.68, smallest: 0.48, step: 0.02};
  const SIZES = [
    ["img", "max-height", "px", {full: 460, smallest: 240, step: 10}],
    ["table", "font-size", "em", {full: 0.8, smallest: 0.44, step: 0.02}],
    ["pre", "font-size", "em", CODE],
    ["mjx-container[display]", "font-size", "%", {full: 110, smallest: 80, step: 5}],
  ];

  // Lines of code get smaller rather than break.
  function narrow(code) {
    code.style.whiteSpace = "pre";
    for (let size = CODE.full; code.scrollWidth > code.clientWidth; size -= CODE.step) {
      if (size <= CODE.smallest) return void (code.style.whiteSpace = "");
      code.style.fontSize = `${size - CODE.step}em`;
    }
  }

  function fit(slide) {
    slide.querySelectorAll(".highlight pre").forEach(narrow);
    const {width, height} = Reveal.getConfig();
    const overfull = () => slide.scrollHeight > height || slide.scrollWidth > width;
    for (const [selector, property, unit, {full, smallest, step}] of SIZES) {
      const elements = [...slide.querySelectorAll(selector)];
      for (let size = full; elements.length && size > smallest && overfull(); size -= step)
        for (const element of elements)
          if (parseFloat(element.style.getPropertyValue(property) || full) > size - step)
            element.style.setProperty(property, `${size - step}${unit}`, "important");
    }
  }

  // A formula and the mark behind it stay in one line.
  function joinMarks() {
    for (const formula of document.querySelectorAll(".slides mjx-container:not([display])")) {
      const [mark] = formula.nextSibling?.data?.match(/^[),.;:!?，。；：！？、）]+/) ?? [];
      if (!mark) continue;
      formula.nextSibling.data = formula.nextSibling.data.slice(mark.length);
      const together = document.createElement("span");
      together.style.whiteSpace = "nowrap";
      formula.replaceWith(together);
      together.append(formula, mark);
    }
  }

  MathJax.startup.promise.then(() => {
    const fitAll = () => Reveal.getSlides().forEach(fit);  // those that are not shown have no height
    joinMarks();
    fitAll();
    for (const event of ["ready", "slidechanged", "pdf-ready"]) Reveal.on(event, fitAll);
  });
})();
