// What is shown, as the address has it behind the #: a view can be shared. The key is never part of it.

import { isZone, ownZone } from "./time.js";

const RANGES = ["24h", "7d", "30d", "12m", "custom"];
const VIEWS = ["llm_calls", "invocations"];

/** The state in a location's hash; whatever is missing or odd there is the ordinary one. */
export function readState(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const one = (name, allowed, ordinary) => (allowed.includes(given.get(name)) ? given.get(name) : ordinary);
  const zone = given.get("zone");
  const range = one("range", RANGES, "30d");
  return {
    range: range === "custom" && !(given.get("from") && given.get("to")) ? "30d" : range,
    view: one("view", VIEWS, "llm_calls"),
    zone: zone && isZone(zone) ? zone : ownZone(),
    tenant: given.get("tenant") || null,
    from: given.get("from"),
    to: given.get("to"),
  };
}

/** A state as a location's hash. */
export function writeState(state) {
  const told = { range: state.range, view: state.view, zone: state.zone };
  if (state.tenant) told.tenant = state.tenant;
  if (state.range === "custom") Object.assign(told, { from: state.from ?? "", to: state.to ?? "" });
  return `#${new URLSearchParams(told).toString().replaceAll("%2F", "/")}`;
}
