// Charts over time: bars on top of each other, or lines, with a read-out under pointer, finger and arrow keys.
// They are drawn in pixels of their own place, and anew when it changes, so that text is never stretched.

import { html, svg } from "./dom.js";

const HEIGHT = 220;
const TOP = 12;
const BOTTOM = 26;
const RIGHT = 8;
const LETTER = 6.6;

/** Round steps for an axis from 0: [step, ..., the first one at or above the greatest value]. */
export function ticks(greatest, most = 5) {
  if (!(greatest > 0)) return [0, 1];
  const rough = greatest / most;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((times) => times * size).find((one) => one >= rough * 0.999);
  const found = [0];
  while (found.at(-1) < greatest * 0.999) found.push(step * found.length);
  return found;
}

/**
 * A chart in a place of its own.
 *
 * A series is {name, style, values, text, dashed}: `style` names its colour (page.css), `values` has a number, or null
 * for none, per stretch, `text(value)` is what the read-out says.
 */
export class TimeChart {
  #shown = null;
  #at = null;
  #width = 0;

  /** kind: "bars" or "lines"; axis(value, step): a mark of the vertical axis. */
  constructor({ title, kind, axis }) {
    this.kind = kind;
    this.axis = axis;
    this.readout = html("p", { class: "readout" });
    this.said = html("p", { class: "only-read", "aria-live": "polite" });
    this.plot = html("div", { class: "plot", tabindex: "0", role: "group", "aria-roledescription": "chart",
      "aria-label": `${title}. Arrow keys move through time; the same numbers are in the table below.` });
    this.body = html("tbody");
    this.head = html("tr");
    const table = html("table", {}, html("caption", { class: "only-read" }, title), html("thead", {}, this.head), this.body);
    this.details = html("details", {}, html("summary", {}, "As a table"),
      html("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}, as a table` }, table));
    this.parts = [this.readout, this.plot, this.said, this.details];
    this.#listen();
  }

  /** Draw: series; names of the stretches {full, brief, every, marked, moments}; which of them is not over, or -1; a note for no pointer. */
  show(shown) {
    this.#shown = shown;
    this.#at = null;
    this.#draw();
    this.#read();
    this.#tabulate();
  }

  #listen() {
    new ResizeObserver(([entry]) => {
      const width = Math.floor(entry.contentRect.width);
      if (width === this.#width) return;
      this.#width = width;
      this.#draw();
    }).observe(this.plot);
    const point = (event) => this.#move(this.#nearest(event.clientX - this.plot.getBoundingClientRect().left));
    this.plot.addEventListener("pointermove", point);
    this.plot.addEventListener("pointerdown", point);
    this.plot.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && this.#move(null));
    this.plot.addEventListener("blur", () => this.#move(null));
    this.plot.addEventListener("keydown", (event) => this.#key(event));
  }

  #key(event) {
    if (!this.#shown) return;
    const last = this.#shown.names.moments.length - 1;
    const at = this.#at;
    const to = { ArrowLeft: at === null ? last : Math.max(0, at - 1), ArrowRight: at === null ? 0 : Math.min(last, at + 1),
      Home: 0, End: last, Escape: null }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.#move(to);
    if (to !== null) this.said.textContent = this.readout.textContent;
  }

  #move(at) {
    if (at === this.#at || !this.#shown) return;
    this.#at = at;
    this.#read();
    this.#mark();
  }

  #read() {
    const { series, names, running, note } = this.#shown;
    if (this.#at === null) {
      this.readout.replaceChildren(html("span", { class: "faint" }, note), ...(series.length > 1 ? [legend(series)] : []));
      return;
    }
    const soFar = this.#at === running ? ", so far" : "";
    const told = series.map((one) => html("span", { class: `key ${one.style}` }, `${one.name} `,
      html("b", {}, one.text(one.values[this.#at]))));
    const spaced = told.flatMap((one) => [" ", one]);
    this.readout.replaceChildren(html("span", {}, `${names.full(names.moments[this.#at])}${soFar}`), ...spaced);
  }

  #tabulate() {
    const { series, names } = this.#shown;
    const heads = ["Time", ...series.map((one) => one.name)];
    this.head.replaceChildren(...heads.map((head) => html("th", { scope: "col" }, head)));
    this.body.replaceChildren(...names.moments.map((moment, at) =>
      html("tr", {}, html("th", { scope: "row" }, names.full(moment)),
        ...series.map((one) => html("td", {}, one.text(one.values[at]))))));
  }

  #nearest(x) {
    const number = this.#shown?.names.moments.length ?? 0;
    if (!number || !this.scale) return null;
    const { left, step } = this.scale;
    return Math.max(0, Math.min(number - 1, Math.floor((x - left) / step)));
  }

  #draw() {
    if (!this.#shown || !this.#width) return;
    const { series, names } = this.#shown;
    const number = names.moments.length;
    const heights = this.kind === "bars"
      ? names.moments.map((_, at) => series.reduce((sum, one) => sum + (one.values[at] ?? 0), 0))
      : series.flatMap((one) => one.values.map((value) => value ?? 0));
    const marks = ticks(Math.max(0, ...heights));
    const written = marks.map((mark) => this.axis(mark, marks[1]));
    const left = Math.ceil(Math.max(...written.map((text) => text.length)) * LETTER) + 12;
    const floor = HEIGHT - BOTTOM;
    const step = Math.max(0.1, (this.#width - left - RIGHT) / number);
    const y = (value) => floor - (value / marks.at(-1)) * (floor - TOP);
    this.scale = { left, step, floor, y };
    this.cursor = svg("g", { class: "cursor" });
    this.plot.replaceChildren(svg("svg", { width: this.#width, height: HEIGHT, "aria-hidden": "true" },
      marks.map((mark, at) => svg("g", {},
        svg("line", { class: mark ? "grid" : "base", x1: left, x2: this.#width - RIGHT, y1: y(mark), y2: y(mark) }),
        svg("text", { x: left - 8, y: y(mark) + 4, "text-anchor": "end" }, written[at]))),
      this.#times(names, left, step),
      this.kind === "bars" ? this.#bars(series, number) : this.#lines(series),
      this.cursor));
    this.#mark();
  }

  #times(names, left, step) {
    const texts = names.moments.map((moment) => names.brief(moment));
    const wide = Math.max(...texts.map((text) => text.length), 1) * LETTER + 18;
    const every = names.every(Math.max(1, Math.ceil(wide / step)));
    return texts.map((text, at) => {
      const x = left + (at + 0.5) * step;
      const kept = names.marked(names.moments[at], at, every) && x + wide / 2 - 14 < this.#width;
      return kept ? svg("text", { x: Math.max(x, (wide - 18) / 2), y: HEIGHT - 6, "text-anchor": "middle" }, text) : null;
    });
  }

  #bars(series, number) {
    const { left, step, y } = this.scale;
    const wide = Math.max(1, Math.min(48, step * 0.72, step - 1));
    return Array.from({ length: number }, (_, at) => {
      let under = 0;
      const soFar = at === this.#shown.running ? "so-far" : null;
      return svg("g", { class: soFar }, series.map((one) => {
        const value = one.values[at] ?? 0;
        if (!value) return null;
        const [low, high] = [y(under), y(under + value)];
        under += value;
        return svg("rect", { class: one.style, x: (left + (at + 0.5) * step - wide / 2).toFixed(2), width: wide.toFixed(2),
          y: Math.min(high, low - 1).toFixed(2), height: Math.max(1, low - high).toFixed(2), rx: Math.min(2, wide / 4) });
      }));
    });
  }

  #lines(series) {
    const { left, step, y } = this.scale;
    return series.map((one) => {
      let path = "";
      const alone = [];
      one.values.forEach((value, at) => {
        if (value === null) return;
        const [x, high] = [left + (at + 0.5) * step, y(value)];
        const joined = at > 0 && one.values[at - 1] !== null;
        path += `${joined ? "L" : "M"}${x.toFixed(1)} ${high.toFixed(1)}`;
        if (!joined && (one.values[at + 1] ?? null) === null) alone.push(svg("circle", { class: one.style, cx: x, cy: high, r: 2.5 }));
      });
      return [svg("path", { class: `line ${one.style}`, d: path, "stroke-dasharray": one.dashed ?? null }), ...alone];
    });
  }

  #mark() {
    if (!this.cursor) return;
    if (this.#at === null) return this.cursor.replaceChildren();
    const { left, step, floor, y } = this.scale;
    const x = left + (this.#at + 0.5) * step;
    const points = this.kind === "bars" ? [] : this.#shown.series.filter((one) => one.values[this.#at] !== null)
      .map((one) => svg("circle", { class: one.style, cx: x, cy: y(one.values[this.#at]), r: 4 }));
    const band = svg("rect", { class: "band", x: x - step / 2, width: step, y: TOP - 4, height: floor - TOP + 4 });
    const line = svg("line", { class: "guide", x1: x, x2: x, y1: TOP - 4, y2: floor });
    this.cursor.replaceChildren(this.kind === "bars" ? band : line, ...points);
  }
}

function legend(series) {
  return html("span", { class: "legend" }, series.map((one) => html("span", { class: `key ${one.style}` }, one.name)));
}
