// What was tried again and done again. It is read from single calls, so it is counted when somebody wants to know.

import { html } from "./dom.js";
import * as format from "./format.js";

/** The parts of the card of errors that are about it. */
export const againParts = () => [
  html("p", { class: "faint unpriced", id: "counted-again", role: "status" }),
  html("button", { type: "button", class: "quiet more", id: "count-again" }, "Count retries and repeats"),
];

/** The `total` of an answer about failures in a sentence or two. */
export function againSaid({ retries, repeats }) {
  const money = (part) => format.atLeast(part.cost_usd, part.unpriced);
  const said = [
    `Retries: ${format.count(retries.calls)} (${money(retries)}).`,
    `Done again on the same input: ${format.count(repeats.invocations)} (${money(repeats)}), ${format.count(repeats.after_an_answer)} of them after an answer.`,
  ];
  if (repeats.not_told) said.push(`Of ${format.count(repeats.not_told)} invocations it is not known.`);
  return said.join(" ");
}
