// The page: who looks (a key), at what (the state in the address), and what the API answers.

import { againSaid } from "./again.js";
import { byId, html } from "./dom.js";
import { makeFigures } from "./figures.js";
import * as format from "./format.js";
import { ask, askDeadLetters, askFailures, holder, keepCSV, mayBeKey, parameters, Refused } from "./query.js";
import { readState, writeState } from "./state.js";
import { dateField, windowOf, zones } from "./time.js";

const KEY = "feedback-key";
const root = document.documentElement;
const figures = makeFigures();
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
  const by = figures.dimensions[id] === "time" ? window_.unit : figures.dimensions[id];
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
  if (location.hash) history.replaceState(null, "", writeState(state)); // What it named that is not shown goes.
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
  // What has no answer is emptied: what stood there was of another time, which the heading does not name any more.
  const shown = (answer, show, empty) => answer.then(show).catch((error) => {
    if (!signal.aborted) empty();
    throw error;
  });
  const by = (name, answer, show = (found) => figures.showBy(name, found, state)) => shown(answer, show, () => figures.emptyBy(name, state));
  const time = one(asked.unit, { compare: true, percentiles: "50,95,99" });
  const work = [
    shown(time, (answer) => figures.showTime(answer, asked, state), () => figures.emptyTime()),
    ...["operation", "model", "error_class"].map((name) => by(name, one(name))),
    shown(figures.dead.show(askDeadLetters(key, parameters(state, asked), signal), state.zone), () => {}, figures.dead.clear),
  ];
  if (who.superuser) work.push(by("tenant", one("tenant", {}, { ...state, tenant: null }), showByTenant));
  return Promise.allSettled(work);
}

function showByTenant(answer) {
  tenants = answer.groups.map((group) => group.keys.tenant).filter(Boolean);
  showTenants();
  figures.showBy("tenant", answer, state);
}

function clear() {
  byId("counted-again").replaceChildren();
  byId("trouble").hidden = true;
  figures.clear(state);
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

byId("zone").replaceChildren(...zones().map((name) => html("option", { value: name }, name.replaceAll("_", " "))));
clear();
showTheme();
showControls();
if (key) refresh();
else byId("key").focus();
