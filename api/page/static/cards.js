// The cards below the tiles: which question each asks, and how it shows the answer.

import { againParts } from "./again.js";
import { Breakdown } from "./breakdown.js";
import { TimeChart } from "./charts.js";
import { html } from "./dom.js";
import * as format from "./format.js";
import { ratio } from "./tiles.js";

const number = (text) => Number(text);
const percentile = (measures, name) => measures.duration_ms.percentiles?.[name] ?? null;
const told = (value) => (value === null ? format.NONE : format.share(value));
const axisShare = (value) => format.share(value);

/** A card with a heading and a button for its CSV. */
function card(id, title, parts) {
  const csv = html("button", { type: "button", class: "quiet csv", "data-csv": id, "aria-label": `${title}: download CSV` }, "↓ CSV");
  return html("section", { class: "card", id: `card-${id}`, "aria-labelledby": `title-${id}` },
    html("header", {}, html("h2", { id: `title-${id}` }, title), csv), parts);
}

/** Cards over time; they show the answer to one question, the one by stretches of time. */
function timeCards() {
  const cost = new TimeChart({ title: "Cost over time", kind: "bars", axis: format.axisMoney });
  const calls = new TimeChart({ title: "Count over time", kind: "bars", axis: format.shortCount });
  const latency = new TimeChart({ title: "Duration over time", kind: "lines", axis: format.axisDuration });
  const failures = new TimeChart({ title: "Failed share over time", kind: "lines", axis: axisShare });

  function show(stretches, frame) {
    const of = (pick) => stretches.map(pick);
    const shown = (chart, series, note) => chart.show({ series, names: frame.names, running: frame.running, note });
    const each = { hour: "an hour", day: "a day", week: "a week", month: "a month" }[frame.unit];
    shown(cost, [
      { name: "answered", style: "accent", text: format.money, values: of((m) => Math.max(0, number(m.cost_usd) - number(m.failed_cost_usd))) },
      { name: "failed", style: "failed", text: format.money, values: of((m) => number(m.failed_cost_usd)) },
    ], `US dollars ${each}`);
    shown(calls, [
      { name: "answered", style: "accent", text: format.count, values: of((m) => m.total - m.failed) },
      { name: "failed", style: "failed", text: format.count, values: of((m) => m.failed) },
    ], `How many ${each}`);
    shown(latency, [["50", "p50", "first", null], ["95", "p95", "second", "7 3"], ["99", "p99", "third", "2 3"]].map(
      ([name, label, style, dashed]) => ({ name: label, style, dashed, text: format.duration, values: of((m) => percentile(m, name)) })),
    "Percentiles of those answered");
    shown(failures, [{ name: "failed", style: "failed", text: told, values: of((m) => ratio(m.failed, m.total)) }], `Share that failed, by ${frame.unit}`);
  }
  return { cost, calls, latency, failures, show };
}

const shares = (row) => format.share(ratio(row.measures.failed, row.measures.total));

function breakdown(title, head, counted) {
  return new Breakdown({ title, head, weight: (row) => number(row.measures.cost_usd) || 0, columns: [
    { head: "Cost", text: (row) => format.atLeast(row.measures.cost_usd, row.measures.unpriced) },
    { head: counted, text: (row) => format.count(row.measures.total) },
    { head: "Failed", text: shares },
    { head: "p95", text: (row) => format.duration(percentile(row.measures, "95")) },
  ] });
}

/** Every card: `elements` in their order, and what to ask and show. */
export function makeCards() {
  const time = timeCards();
  const operation = breakdown("By operation", "Operation", "Count");
  const model = breakdown("By model", "Model", "Count");
  const tenant = breakdown("By tenant", "Tenant", "Count");
  const errors = new Breakdown({ title: "By error class", head: "Error class", style: "failed", weight: (row) => row.measures.failed, columns: [
    { head: "Failed", text: (row) => format.count(row.measures.failed) },
    { head: "Of all failed", text: (row) => format.share(row.share) },
    { head: "Spent", text: (row) => format.atLeast(row.measures.failed_cost_usd, row.measures.failed_unpriced) },
  ] });
  const elements = [
    card("cost", "Cost over time", time.cost.parts),
    card("calls", "Calls over time", time.calls.parts),
    card("operation", "By operation", operation.parts),
    card("model", "By model", [model.parts, html("p", { class: "faint unpriced", id: "unpriced" })]),
    card("failures", "Failures over time", time.failures.parts),
    card("errors", "Why they failed", [errors.parts, againParts()]),
    card("latency", "How long they take", time.latency.parts),
    card("tenant", "By tenant", tenant.parts),
  ];
  const rows = (groups, view, dimension) => groups
    .map((group) => ({ name: group.keys[dimension] ?? "(none named)", measures: group[view] }))
    .filter((row) => row.measures.total > 0);
  return {
    elements,
    /** The dimension that a card's CSV is by; "time" for the unit of time. */
    dimensions: { cost: "time", calls: "time", latency: "time", failures: "time", operation: "operation", model: "model", errors: "error_class", tenant: "tenant" },
    showTime: time.show,
    /** Show an answer; null: there is none, and `said` is all there is to say. */
    show(dimension, answer, view, said = "") {
      if (!answer) return { operation, model, tenant, error_class: errors }[dimension].show([], said);
      const found = rows(answer.groups, view, dimension);
      if (dimension === "operation") return operation.show(found, "No operation asked a model.");
      if (dimension === "model") return model.show(found, "No model was asked.");
      if (dimension === "tenant") return tenant.show(found, "No tenant asked a model.");
      const failed = found.filter((row) => row.measures.failed > 0);
      const all = failed.reduce((sum, row) => sum + row.measures.failed, 0);
      return errors.show(failed.map((row) => ({ ...row, share: ratio(row.measures.failed, all) })), "Nothing failed.");
    },
  };
}
