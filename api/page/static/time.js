// Windows of time by the clocks of an IANA zone. Moments are milliseconds since 1970, as Date.now() has them.

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const clocks = new Map();

function clock(zone) {
  if (!clocks.has(zone)) {
    const shown = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" };
    clocks.set(zone, new Intl.DateTimeFormat("en-US", { ...shown, timeZone: zone, hourCycle: "h23", calendar: "iso8601" }));
  }
  return clocks.get(zone);
}

/** What the clocks of a zone show at a moment: year, month (1 to 12), day, hour, minute, second. */
export function wall(moment, zone) {
  return Object.fromEntries(clock(zone).formatToParts(moment).map((part) => [part.type, Number(part.value)]));
}

function wallAsUTC(moment, zone) {
  const shown = wall(moment, zone);
  return Date.UTC(shown.year, shown.month - 1, shown.day, shown.hour, shown.minute, shown.second);
}

/** The first moment of a day; where clocks skip midnight, when they skip it. Days and months may run over. */
export function midnight(year, month, day, zone) {
  const wanted = Date.UTC(year, month - 1, day);
  const by = (near) => wanted - (wallAsUTC(near, zone) - Math.floor(near / 1000) * 1000);
  const before = by(wanted - DAY);
  const after = by(wanted + DAY);
  return wallAsUTC(before, zone) !== wanted && wallAsUTC(after, zone) === wanted ? after : before;
}

/** The zone of the browser. */
export function ownZone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

/** Whether the browser knows a zone of this name. */
export function isZone(name) {
  try {
    clock(name);
    return true;
  } catch {
    return false;
  }
}

/** Every zone to choose from: UTC and the browser's own first. */
export function zones() {
  const known = Intl.supportedValuesOf ? Intl.supportedValuesOf("timeZone") : [];
  return [...new Set(["UTC", ownZone(), ...known])];
}

/** "2026-11-01" as [2026, 11, 1]; null where it is no day. */
function day(written) {
  const parts = /^(\d{4})-(\d\d)-(\d\d)$/.exec(written ?? "");
  return parts && parts.slice(1).map(Number);
}

/** The window that a state asks about, with the unit of time to draw it in; null where a custom one is not whole. */
export function windowOf(state, now) {
  const { year, month, day: today, minute, second } = wall(now, state.zone);
  const to = Math.ceil(now / 60_000) * 60_000;
  const back = (days) => ({ from: midnight(year, month, today - days, state.zone), to, unit: "day" });
  switch (state.range) {
    case "24h":
      return { from: now - (now % 1000) - (minute * 60 + second) * 1000 - 23 * HOUR, to, unit: "hour" };
    case "7d":
      return back(6);
    case "30d":
      return back(29);
    case "12m":
      return { from: midnight(year, month - 11, 1, state.zone), to, unit: "month" };
    default:
      return custom(day(state.from), day(state.to), state.zone);
  }
}

function custom(first, last, zone) {
  if (!first || !last) return null;
  const from = midnight(...first, zone);
  const to = midnight(last[0], last[1], last[2] + 1, zone);
  if (from >= to) return null;
  const days = (to - from) / DAY;
  return { from, to, unit: days < 3.5 ? "hour" : days < 93 ? "day" : days < 400 ? "week" : "month" };
}

/** A moment's day in a zone, as a date field has it. */
export function dateField(moment, zone) {
  const { year, month, day: today } = wall(moment, zone);
  return [String(year).padStart(4, "0"), month, today].map((part) => String(part).padStart(2, "0")).join("-");
}
