// What only the browser knows: how tall a slide is, and where its lines break.
(() => {
  const FULL = 0.8, SMALLEST = 0.5, STEP = 0.02;  // of the slide's letters; FULL as in slides.css

  // Tables of a slide that they overfill get smaller letters.
  function fit(slide) {
    const {width, height} = Reveal.getConfig();
    const tables = slide.querySelectorAll("table");
    const overfull = () => slide.scrollHeight > height || slide.scrollWidth > width;
    for (let size = FULL; size > SMALLEST && overfull(); size -= STEP)
      for (const table of tables) table.style.fontSize = `${size - STEP}em`;
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
