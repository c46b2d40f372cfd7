// Asks the API. The key travels in a header, never in an address.

const QUERY = "v1/usage/query";
const FAILURES = "v1/usage/failures";
const DEAD_LETTERS = "v1/dead-letters";
const PAGE = 10_000;

/** The API said no; `message` is its sentence for a person. */
export class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    Object.assign(this, { status, code });
  }
}

/** Whether a text can be a key at all: what cannot stand in a header is none. */
export const mayBeKey = (text) => /^[\x21-\x7e]{1,200}$/.test(text);

async function fetched(path, key, parameters, signal) {
  let answer;
  try {
    answer = await fetch(parameters.length ? `${path}?${new URLSearchParams(parameters)}` : path, {
      headers: { Authorization: `Bearer ${key}` }, credentials: "omit", cache: "no-store", redirect: "error", signal,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "unreachable", "The API does not answer. Is it running, and is this computer connected to it?");
  }
  if (answer.ok) return answer;
  const told = await answer.json().then((body) => body.error, () => null);
  const wait = Number(answer.headers.get("Retry-After"));
  const message = told?.message ?? `The API answered with status ${answer.status}.`;
  const again = wait && !/again/i.test(message) ? ` Try again in ${wait} s.` : "";
  throw new Refused(answer.status, told?.code ?? "unknown", message + again);
}

/** Whose key it is: {tenant_id, superuser}. */
export const holder = async (key, signal) => (await fetched("v1/key", key, [], signal)).json();

/** The answer of an address that takes no more than the window and tenant of these parameters. */
const askOf = (path) => async (key, parameters, signal) => {
  const named = parameters.filter(([name]) => ["from", "to", "tenant"].includes(name));
  return (await fetched(path, key, named, signal)).json();
};

/** What failed, was tried again and was done again. */
export const askFailures = askOf(FAILURES);

/** What could not be answered. */
export const askDeadLetters = askOf(DEAD_LETTERS);

/** A whole answer, its pages put together. */
export async function ask(key, parameters, signal) {
  const whole = await (await fetched(QUERY, key, [...parameters, ["limit", PAGE]], signal)).json();
  for (let next = whole.next_cursor; next; ) {
    const page = await (await fetched(QUERY, key, [...parameters, ["limit", PAGE], ["cursor", next]], signal)).json();
    whole.groups.push(...page.groups);
    next = page.next_cursor;
  }
  return whole;
}

/** The same as a file for a spreadsheet, given to the browser to keep. */
export async function keepCSV(key, parameters, name) {
  const blob = await (await fetched(QUERY, key, [...parameters, ["format", "csv"]])).blob();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** The parameters of a question about a window. */
export function parameters(state, window, groupBy, { compare = false, percentiles = "95" } = {}) {
  const found = [
    ["from", new Date(window.from).toISOString()],
    ["to", new Date(window.to).toISOString()],
    ["zone", state.zone],
    ["views", state.view],
    ["percentiles", percentiles],
  ];
  if (groupBy) found.push(["group_by", groupBy]);
  if (state.tenant) found.push(["tenant", state.tenant]);
  if (compare) found.push(["compare", "previous"]);
  return found;
}
