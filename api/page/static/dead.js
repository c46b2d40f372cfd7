// What could not be answered: how many, why and of which operation, in words that a person understands.

import { Breakdown } from "./breakdown.js";
import { byId, html } from "./dom.js";
import * as format from "./format.js";
import { Refused } from "./query.js";

const BUDGET = "budget_exhausted";

/** Why, by the codes of the README's list; one that is not here is shown as it is. */
const REASONS = {
  empty_payload: "The message was empty",
  not_json: "The message was not JSON",
  wrong_schema: "The message was not what its topic carries",
  unknown_version: "A newer format than this release knows",
  blank_content: "The feedback had no text",
  too_large: "Too large",
  not_storable: "The database refused it",
  unknown_framework: "Its coding framework did not come in time",
  incomplete_request: "Parts of the request did not come",
  invalid_output: "The model's answers were of no use",
  provider_refused: "The provider refused this request",
  llm_error: "The provider failed",
  deadline_exceeded: "No answer in the time allowed",
  internal_error: "A fault in this program",
};
const OLDER = "This API does not count dead letters; a newer release does.";

/** The card: `show` what is asked for, or `clear` it. */
export function deadLetters() {
  const table = new Breakdown({ title: "Dead letters by reason and operation", head: "Why", style: "failed", weight: (row) => row.dead_letters, columns: [
    { head: "Operation", text: (row) => row.operation ?? "the whole input" },
    { head: "How many", text: (row) => format.count(row.dead_letters) },
    { head: "Last", text: (row) => row.last },
  ] });
  byId("dead-table").append(...table.parts);

  function draw(rows, said, waiting = "") {
    table.show(rows, "");
    byId("dead-table").hidden = rows.length === 0;
    byId("dead-said").replaceChildren(...[said].flat());
    byId("dead-waiting").textContent = waiting;
  }

  function answered({ total, set_aside_for_budget: waiting, groups }, zone) {
    const failed = total - waiting;
    const rows = groups.filter((group) => group.reason !== BUDGET).map((group) =>
      ({ ...group, name: Object.hasOwn(REASONS, group.reason) ? REASONS[group.reason] : group.reason, last: format.day(Date.parse(group.last_failed_at), zone) }));
    draw(rows, failed ? [html("data", { value: failed }, format.count(failed)), " could not be answered, or taken in."] : "None in this time.",
      waiting ? `Set aside as a budget was spent: ${format.count(waiting)}. That is no fault: they are sent again when the pause is over.` : "");
  }

  return {
    clear: () => draw([], "\u00a0"),
    /** Show an answer that is awaited. Where there is none, the card says why, and the rest of the page goes on. */
    async show(asked, zone) {
      try {
        answered(await asked, zone);
      } catch (error) {
        if (!(error instanceof Refused) || error.status === 401) throw error;
        draw([], error.status === 404 ? OLDER : error.message);
      }
    },
  };
}
