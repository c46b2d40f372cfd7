// The page: who looks (a key), at what (the state in the address), and what the API answers.

import { againSaid } from "./again.js";
import { makeCards } from "./cards.js";
import { deadLetters } from "./dead.js";
import { byId, html } from "./dom.js";
import * as format from "./format.js";
import { ask, askDeadLetters, askFailures, holder, keepCSV, mayBeKey, parameters, Refused } from "./query.js";
import { readState, writeState } from "./state.js";
import { emptyTiles, tiles } from "./tiles.js";
import { dateField, windowOf, zones } from "./time.js";

const KEY = "feedback-key";
const root = document.documentElement;
const cards = makeCards();
const dead = deadLetters();
let key = kept(() => sessionStorage.getItem(KEY));
let state = readState(location.hash);
let window_ = null;
let asking = new AbortController();
let who = null;
let tenants = [];

function kept(act) {
  try {
    return act();
  } catch {
    return null; // A browser that keeps nothing.
  }
}

// Log-in

byId("log-in-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const given = byId("key").value.trim();
  if (!mayBeKey(given)) return refuseKey("Paste the whole key: it begins with fbk_ and has no spaces.");
  key = given;
  byId("log-in-error").textContent = "";
  refresh();
});

function open() {
  if (root.dataset.open === "figures") return;
  kept(() => sessionStorage.setItem(KEY, key));
  byId("key").value = "";
  root.dataset.open = "figures";
  byId("main").focus({ preventScroll: true });
}

function close(message) {
  asking.abort();
  key = null;
  kept(() => sessionStorage.removeItem(KEY));
  who = null;
  tenants = [];
  byId("who").textContent = "";
  clear();
  showControls();
  root.dataset.open = "log-in";
  refuseKey(message);
}

function refuseKey(message) {
  byId("log-in-error").textContent = message;
  byId("key").setAttribute("aria-invalid", String(Boolean(message)));
  byId("key").focus();
}

byId("log-out").addEventListener("click", () => close(""));

// Controls

function showControls() {
  for (const name of ["range", "view"]) {
    for (const radio of document.getElementsByName(name)) radio.checked = radio.value === state[name];
  }
  byId("custom").hidden = state.range !== "custom";
  byId("from").value = state.from ?? "";
  byId("to").value = state.to ?? "";
  const zone = byId("zone");
  if (![...zone.options].some((one) => one.value === state.zone)) zone.append(html("option", {}, state.zone));
  zone.value = state.zone;
  byId("zone-hint").hidden = state.zone === "UTC";
  byId("card-tenant").hidden = !who?.superuser || Boolean(state.tenant);
  byId("cards").classList.toggle("odd", byId("card-tenant").hidden);
  showTenants();
}

function showTenants() {
  const named = [...new Set([...tenants, ...(state.tenant ? [state.tenant] : [])])].sort();
  byId("tenant").replaceChildren(html("option", { value: "" }, "All tenants"), ...named.map((name) => html("option", { value: name }, name)));
  byId("tenant").value = state.tenant ?? "";
  byId("tenant-field").hidden = !who?.superuser;
}

byId("controls").addEventListener("submit", (event) => event.preventDefault());
byId("controls").addEventListener("change", (event) => {
  const { name, id, value } = event.target;
  const next = { ...state, [name || id]: value || null };
  if (next.range === "custom" && !next.from && !next.to && window_) {
    next.from = dateField(window_.from, next.zone);
    next.to = dateField(window_.to - 1, next.zone);
  }
  go(next);
});

function go(next) {
  state = next;
  history.replaceState(null, "", writeState(state));
  showControls();
  refresh();
}

addEventListener("hashchange", () => {
  state = readState(location.hash);
  showControls();
  refresh();
});

for (const id of ["again", "refresh"]) byId(id).addEventListener("click", () => refresh());

byId("theme").addEventListener("click", () => {
  const next = { auto: "light", light: "dark", dark: "auto" }[root.dataset.theme ?? "auto"];
  if (next === "auto") delete root.dataset.theme;
  else root.dataset.theme = next;
  kept(() => localStorage.setItem("feedback-theme", next));
  showTheme();
});

function showTheme() {
  byId("theme").textContent = `Theme: ${root.dataset.theme ?? "auto"}`;
}

byId("cards").addEventListener("click", async (event) => {
  if (event.target.id === "count-again" && window_ && key) return countAgain(event.target, asking.signal);
  const id = event.target.closest("[data-csv]")?.dataset.csv;
  if (!id || !window_ || !key) return;
  const by = cards.dimensions[id] === "time" ? window_.unit : cards.dimensions[id];
  const days = `${dateField(window_.from, state.zone)}_${dateField(window_.to - 1, state.zone)}`;
  try {
    await keepCSV(key, parameters(state, window_, by, { percentiles: "50,95,99" }), `usage-by-${by}_${days}.csv`);
    say("The file is downloaded.");
  } catch (error) {
    trouble(error);
  }
});

async function countAgain(button, signal) {
  button.disabled = true;
  try {
    const { total } = await askFailures(key, parameters(state, window_), signal);
    if (!signal.aborted) byId("counted-again").textContent = againSaid(total);
  } catch (error) {
    trouble(error);
  } finally {
    button.disabled = false;
  }
}

// Answers

/** Ask everything anew. An answer to an older question is dropped. */
async function refresh() {
  if (!key) return;
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  byId("trouble").hidden = true;
  byId("counted-again").textContent = "";
  busy(true);
  const done = await Promise.allSettled([knowHolder(signal).then(() => askAll(signal))]);
  const failed = [...done, ...(done[0].value ?? [])].find((one) => one.status === "rejected");
  if (signal.aborted) return;
  busy(false);
  if (failed) trouble(failed.reason);
  else if (done[0].value) say("The figures are up to date.");
}

async function knowHolder(signal) {
  who ??= await holder(key, signal);
  signal.throwIfAborted();
  if (!who.superuser) state.tenant = null; // A shared view may name a tenant that this key does not open.
  byId("who").textContent = who.superuser ? "All tenants" : who.tenant_id;
  open();
  showControls();
}

async function askAll(signal) {
  const asked = windowOf(state, Date.now());
  if (!asked) {
    showTrouble("Choose a first day, and a last one that is not before it.");
    return null;
  }
  window_ = asked;
  byId("period").textContent = format.period(asked.from, asked.to, state.zone);
  const one = (by, options, of = state) => ask(key, parameters(of, asked, by, options), signal);
  const work = [
    one(asked.unit, { compare: true, percentiles: "50,95,99" }).then((answer) => showTime(answer, asked)),
    ...["operation", "model", "error_class"].map((by) => one(by).then((answer) => showBy(by, answer))),
    dead.show(askDeadLetters(key, parameters(state, asked), signal), state.zone),
  ];
  if (who.superuser) work.push(one("tenant", {}, { ...state, tenant: null }).then(showByTenant));
  return Promise.allSettled(work);
}

function showTime(answer, asked) {
  const total = answer.total[state.view];
  const before = answer.total.previous?.[state.view] ?? null;
  byId("tiles").replaceChildren(...tiles(total, before, state.view));
  byId("title-calls").textContent = state.view === "llm_calls" ? "Calls over time" : "Invocations over time";
  const quiet = total.total === 0;
  byId("empty").hidden = !quiet;
  byId("cards").hidden = quiet;
  const names = { ...format.stretchNames(asked.unit, state.zone), moments: answer.groups.map((group) => Math.max(Date.parse(group.start), asked.from)) };
  const partial = answer.groups.length > 0 && Date.parse(answer.groups.at(-1).end) > asked.to;
  cards.showTime(answer.groups.map((group) => group[state.view]), { names, partial, unit: asked.unit });
  showFreshness(answer, total);
}

function showBy(by, answer) {
  cards.show(by, answer, state.view);
  if (by === "model") showLowerBound(answer);
}

function showByTenant(answer) {
  tenants = answer.groups.map((group) => group.keys.tenant).filter(Boolean);
  showTenants();
  showBy("tenant", answer);
}

function showLowerBound(answer) {
  const { unpriced, total } = answer.total[state.view];
  const models = answer.groups.filter((group) => group[state.view].unpriced).map((group) => group.keys.model ?? "(none named)");
  const named = new Intl.ListFormat(undefined).format(models);
  byId("unpriced").textContent = unpriced
    ? `The cost is a lower bound: ${format.count(unpriced)} of ${format.count(total)} have no price, those of ${named}.` : "";
}

function showFreshness(answer, total) {
  const parts = [`Everything that was stored until ${format.moment(Date.parse(answer.as_of), state.zone)}.`];
  const lag = answer.freshness?.lag;
  if (typeof lag === "number") parts.push(`${format.count(lag)} LLM calls wait to be stored.`);
  if (total.late) parts.push(`${format.count(total.late)} LLM calls were stored over an hour after they ended.`);
  if (answer.compared_with) {
    const { from, to } = answer.compared_with;
    parts.push(`“Before” is ${format.period(Date.parse(from), Date.parse(to), state.zone)}, as long a time.`);
  }
  byId("fresh").textContent = parts.join(" ");
}

function clear() {
  byId("tiles").replaceChildren(...emptyTiles());
  for (const id of ["unpriced", "counted-again"]) byId(id).replaceChildren();
  byId("trouble").hidden = true;
  byId("empty").hidden = true;
  byId("cards").hidden = false;
  byId("fresh").textContent = "\u00a0";
  const nothing = { names: { ...format.stretchNames("day", "UTC"), moments: [] }, partial: false, unit: "day" };
  cards.showTime([], nothing);
  dead.clear();
  for (const by of ["operation", "model", "error_class", "tenant"]) cards.show(by, null, state.view);
}

function busy(is) {
  root.classList.toggle("busy", is);
  byId("content").setAttribute("aria-busy", String(is));
}

function say(text) {
  byId("said").textContent = text;
}

function showTrouble(text) {
  busy(false);
  byId("trouble").firstElementChild.textContent = text;
  byId("trouble").hidden = false;
}

/** An error as one sentence: where the key is to blame at the log-in, else above the figures. */
function trouble(error) {
  if (error.name === "AbortError") return;
  if (!(error instanceof Refused)) {
    console.error(error);
    showTrouble("The page could not show the answer. Reload it, and tell whoever runs the system if that does not help.");
  } else if (error.status === 401) close(error.message);
  else if (root.dataset.open === "log-in") refuseKey(error.message);
  else showTrouble(error.message);
}

byId("cards").append(...cards.elements);
byId("zone").replaceChildren(...zones().map((name) => html("option", { value: name }, name.replaceAll("_", " "))));
clear();
showTheme();
showControls();
if (key) refresh();
else byId("key").focus();
