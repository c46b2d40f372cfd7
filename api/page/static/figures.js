// Puts answers where they belong: tiles, cards and what is said of them; and takes away what has no answer.

import { makeCards } from "./cards.js";
import { deadLetters } from "./dead.js";
import { byId } from "./dom.js";
import * as format from "./format.js";
import { emptyTiles, tiles } from "./tiles.js";

const UNKNOWN = "There is no answer to this question.";

/** All that shows figures. `state` is what the person looks at; its view is the one that is shown. */
export function makeFigures() {
  const cards = makeCards();
  const dead = deadLetters();
  byId("cards").append(...cards.elements);

  function showTime(answer, asked, { view, zone }) {
    const total = answer.total[view];
    const before = answer.total.previous?.[view] ?? null;
    byId("tiles").replaceChildren(...tiles(total, before, view));
    byId("title-calls").textContent = view === "llm_calls" ? "Calls over time" : "Invocations over time";
    const quiet = total.total === 0;
    byId("empty").hidden = !quiet;
    byId("cards").hidden = quiet;
    const names = { ...format.stretchNames(asked.unit, zone), moments: answer.groups.map((group) => Math.max(Date.parse(group.start), asked.from)) };
    const now = Date.parse(answer.as_of);
    const running = answer.groups.findIndex((group) => Date.parse(group.start) <= now && now < Date.parse(group.end));
    cards.showTime(answer.groups.map((group) => group[view]), { names, running, unit: asked.unit });
    byId("fresh").textContent = freshness(answer, total, zone);
  }

  function emptyTime() {
    byId("tiles").replaceChildren(...emptyTiles());
    byId("empty").hidden = true;
    byId("cards").hidden = false;
    byId("fresh").textContent = "\u00a0";
    cards.showTime([], { names: { ...format.stretchNames("day", "UTC"), moments: [] }, running: -1, unit: "day" });
  }

  function showBy(by, answer, { view }) {
    cards.show(by, answer, view);
    if (by === "model") byId("unpriced").textContent = lowerBound(answer, view);
  }

  function emptyBy(by, { view }, said = UNKNOWN) {
    cards.show(by, null, view, said);
    if (by === "model") byId("unpriced").replaceChildren();
  }

  return {
    dead,
    dimensions: cards.dimensions,
    showTime,
    emptyTime,
    showBy,
    emptyBy,
    /** As before anything was asked. */
    clear(state) {
      emptyTime();
      dead.clear();
      for (const by of ["operation", "model", "error_class", "tenant"]) emptyBy(by, state, "");
    },
  };
}

/** Why the cost is a lower bound, if it is: a price that nobody knows is another thing than a call that failed. */
function lowerBound(answer, view) {
  const { unpriced, failed_unpriced: failed, total } = answer.total[view];
  if (!unpriced) return "";
  const named = answer.unpriced_models.filter((one) => one.calls > one.failed).map((one) => one.model);
  const said = [`The cost is a lower bound: of ${format.count(unpriced)} of ${format.count(total)} it is not, or not wholly, known.`];
  if (failed) said.push(`${format.count(failed)} of them failed.`);
  if (named.length) said.push(`No price is known for ${new Intl.ListFormat(undefined).format(named)}.`);
  return said.join(" ");
}

function freshness(answer, total, zone) {
  const parts = [`Everything that was stored until ${format.moment(Date.parse(answer.as_of), zone)}.`];
  const lag = answer.freshness?.lag;
  if (typeof lag === "number") parts.push(`${format.count(lag)} LLM calls wait to be stored.`);
  if (total.late) parts.push(`${format.count(total.late)} LLM calls were stored over an hour after they ended.`);
  if (answer.compared_with) {
    const { from, to } = answer.compared_with;
    parts.push(`“Before” is ${format.period(Date.parse(from), Date.parse(to), zone)}, as long a time.`);
  }
  if (answer.not_compared) parts.push(answer.not_compared);
  return parts.join(" ");
}
