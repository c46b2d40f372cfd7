// The few numbers that come first, each beside the period before.

import { html } from "./dom.js";
import * as format from "./format.js";

/** A ratio, or null where there is nothing to divide by. */
export const ratio = (part, whole) => (whole ? part / whole : null);

const duration = (measures, name) => measures?.duration_ms?.percentiles?.[name] ?? null;

function changed(now, before, unknown = "no comparison") {
  if (now === null || before === null || before === undefined) return unknown;
  if (!before) return now ? "none before" : "none before either";
  const by = now / before - 1;
  if (Math.abs(by) < 0.005) return "about as before";
  return `${format.change(by)} vs. before`;
}

function tile(id, name, value, shown, ...lines) {
  return html("div", { class: "tile card", id: `tile-${id}` }, html("h2", {}, name),
    html("p", { class: "big" }, html("data", { value: value ?? "" }, shown)),
    lines.map((line) => html("p", { class: "faint" }, line)));
}

const each = ({ cost_usd, total }) => (total ? `${format.money(cost_usd / total)} each` : "\u00a0");

/** The tiles of a total (measures of one view), of the period before (or null), and of the view's name. */
export function tiles(total, before, view) {
  const calls = view === "llm_calls";
  const failed = ratio(total.failed, total.total);
  const p95 = duration(total, "95");
  const tokens = (measures) => (measures ? (measures.input_tokens.total ?? 0) + (measures.output_tokens.total ?? 0) : null);
  const many = calls ? "with every retry" : `${format.count(total.attempts)} LLM calls`;
  return [
    tile("cost", "Cost", total.cost_usd, format.atLeast(total.cost_usd, total.unpriced), changed(Number(total.cost_usd), before && Number(before.cost_usd)),
      total.unpriced ? `a lower bound: ${format.count(total.unpriced)} unpriced` : each(total)),
    tile("count", calls ? "LLM calls" : "Invocations", total.total, format.count(total.total), changed(total.total, before && before.total), many),
    tile("failed", "Failed", total.failed, format.share(failed),
      `${format.count(total.failed)}${before?.total ? `; ${format.share(ratio(before.failed, before.total))} before` : ""}`,
      `spent: ${format.atLeast(total.failed_cost_usd, total.failed_unpriced)}`),
    tile("duration", "Duration, p95", p95, format.duration(p95), changed(p95, duration(before, "95")),
      `median ${format.duration(duration(total, "50"))}`),
    tile("tokens", "Tokens", tokens(total), format.shortCount(tokens(total)), changed(tokens(total), tokens(before)),
      `${format.shortCount(total.input_tokens.total ?? 0)} in, ${format.shortCount(total.output_tokens.total ?? 0)} out`),
  ];
}

/** Tiles without numbers, as large as those with them. */
export function emptyTiles() {
  const named = [["cost", "Cost"], ["count", "Calls"], ["failed", "Failed"], ["duration", "Duration, p95"], ["tokens", "Tokens"]];
  return named.map(([id, name]) => tile(id, name, null, "\u00a0", "\u00a0", "\u00a0"));
}
