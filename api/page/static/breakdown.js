// What the usage consists of: one bar and one line of a table per operation, model, tenant or error class.

import { html } from "./dom.js";

const FEW = 8;

/** A name that may break where its words begin. */
const breakable = (name) => name.split(/(?<=[a-z0-9])(?=[A-Z])|(?<=[_-])/).flatMap((part) => [html("wbr"), part]);

/** A table whose first number is drawn as a bar; long ones show their head until asked for more. */
export class Breakdown {
  #all = false;
  #rows = [];

  /** columns: [{head, text(row)}] behind the name; weight(row): what is drawn. */
  constructor({ title, head, columns, weight, style }) {
    this.columns = columns;
    this.weight = weight;
    this.style = style ?? "accent";
    this.body = html("tbody");
    const heads = [head, ...columns.map((column) => column.head)];
    const table = html("table", { class: "breakdown" }, html("caption", { class: "only-read" }, title),
      html("thead", {}, html("tr", {}, heads.map((text) => html("th", { scope: "col" }, text)))), this.body);
    this.more = html("button", { type: "button", class: "quiet more", hidden: true });
    this.more.addEventListener("click", () => {
      this.#all = !this.#all;
      this.#draw();
    });
    this.nothing = html("p", { class: "faint nothing", hidden: true });
    this.parts = [html("div", { class: "stack" }, html("div", { class: "scroll" }, table), this.nothing), this.more];
    this.table = table;
  }

  /** rows: anything that the columns understand, with a `name`; nothing: what is said where there are none. */
  show(rows, nothing) {
    this.#rows = [...rows].sort((one, other) => this.weight(other) - this.weight(one) || one.name.localeCompare(other.name));
    this.nothing.textContent = nothing ?? "";
    this.nothing.hidden = rows.length > 0;
    this.table.hidden = rows.length === 0;
    this.#draw();
  }

  #draw() {
    const shown = this.#all ? this.#rows : this.#rows.slice(0, FEW);
    const greatest = Math.max(...this.#rows.map(this.weight), 0);
    this.body.replaceChildren(...shown.map((row) => this.#row(row, greatest)));
    this.more.hidden = this.#rows.length <= FEW;
    this.more.textContent = this.#all ? "Show fewer" : `Show all ${this.#rows.length}`;
    this.more.setAttribute("aria-expanded", String(this.#all));
  }

  #row(row, greatest) {
    const bar = html("span", { class: `bar ${this.style}`, "aria-hidden": "true" });
    bar.style.inlineSize = `${greatest ? (this.weight(row) / greatest) * 100 : 0}%`;
    return html("tr", {}, html("th", { scope: "row" }, html("span", { class: "name" }, breakable(row.name)),
      html("span", { class: "track", "aria-hidden": "true" }, bar)),
      this.columns.map((column) => html("td", { "data-head": column.head }, column.text(row))));
  }
}
