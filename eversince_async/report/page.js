"use strict";
// The page works without this script, which only zooms, filters, and loads the first pictures of videos in time.
(() => {
  const one = (id) => document.getElementById(id);

  // Videos further down load their metadata when they come into sight.
  const coming = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) {
      if (isIntersecting) { target.preload = "metadata"; coming.unobserve(target); }
    }
  }, { rootMargin: "600px" });
  for (const video of document.querySelectorAll('video[preload="none"]')) coming.observe(video);

  // Filter
  const filter = one("filter");
  if (filter) {
    const findable = [...document.querySelectorAll("[data-find]")];
    filter.closest("label").hidden = false;
    filter.addEventListener("input", () => {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const each of findable) each.hidden = !words.every((word) => each.dataset.find.includes(word));
      if (words.length) for (const more of document.querySelectorAll("details")) more.open = true;
    });
  }

  // Zoom
  const canvas = document.querySelector(".canvas");
  if (!canvas) return;
  const scroller = canvas.parentElement, chart = canvas.firstElementChild;
  const length = Number(chart.dataset.length), steps = chart.dataset.steps.split(" ").map(Number);
  const ticks = [...chart.querySelectorAll(".tick")];
  const names = [...chart.querySelectorAll(".n")].map((name) => [name, name.dataset.needs / parseFloat(name.parentElement.getAttribute("width"))]);
  const show = (element, is) => { if (is) element.removeAttribute("display"); else element.setAttribute("display", "none"); };
  let width = Math.max(scroller.clientWidth, Number(canvas.dataset.width));
  const drawn = () => {
    canvas.style.width = width + "px";
    const least = steps.findIndex((step) => (step / length) * width >= 76);
    for (const tick of ticks) show(tick, Number(tick.dataset.level) >= least);
    for (const [name, needs] of names) show(name, needs <= width / 100);
  };
  const zoom = (factor) => {
    const middle = (scroller.scrollLeft + scroller.clientWidth / 2) / width;
    width = Math.min(400000, Math.max(scroller.clientWidth, width * factor));
    drawn();
    scroller.scrollLeft = middle * width - scroller.clientWidth / 2;
  };
  one("in").addEventListener("click", () => zoom(1.6));
  one("out").addEventListener("click", () => zoom(1 / 1.6));
  one("fit").addEventListener("click", () => zoom(0));
  one("in").parentElement.hidden = false;
  drawn();
  addEventListener("resize", () => { if (width < scroller.clientWidth) { width = scroller.clientWidth; drawn(); } });
})();
