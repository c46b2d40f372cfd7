// Numbers and times as the browser's locale writes them.

import { wall } from "./time.js";

const intl = (options) => new Intl.NumberFormat(undefined, options);
const whole = intl({ maximumFractionDigits: 0 });
const short = intl({ notation: "compact", maximumSignificantDigits: 3 });
const percent = intl({ style: "percent", maximumFractionDigits: 1 });
const finePercent = intl({ style: "percent", maximumFractionDigits: 2 });
const signed = intl({ style: "percent", maximumFractionDigits: 0, signDisplay: "exceptZero" });
const dollars = (digits) =>
  intl({ style: "currency", currency: "USD", currencyDisplay: "narrowSymbol", minimumFractionDigits: Math.min(digits, 2), maximumFractionDigits: digits });
const DOLLARS = [0, 2, 4, 6].map((digits) => [digits, dollars(digits)]);
const dollarsBy = Object.fromEntries(DOLLARS);
const shortDollars = intl({ style: "currency", currency: "USD", currencyDisplay: "narrowSymbol", notation: "compact", maximumFractionDigits: 1 });

export const NONE = "–";

/** Money, from a decimal string or a number: in cents, with more digits where cents would say little. */
export function money(amount) {
  const value = Number(amount);
  const size = Math.abs(value);
  return dollarsBy[size === 0 || size >= 0.1 ? 2 : size >= 0.001 ? 4 : 6].format(value);
}

/** Money that is, or is less than, what was spent: where some items' cost is not known, or none's. */
export const atLeast = (amount, unpriced) => (unpriced && !Number(amount) ? "unknown" : `${unpriced ? "≥ " : ""}${money(amount)}`);

/** Money on an axis, whose steps are this large. */
export function axisMoney(amount, step) {
  if (amount >= 10_000) return shortDollars.format(amount);
  return dollarsBy[amount === 0 || step >= 1 ? 0 : step >= 0.01 ? 2 : step >= 0.0001 ? 4 : 6].format(amount);
}

export const count = (number) => whole.format(number);
export const shortCount = (number) => (number < 10_000 ? whole.format(number) : short.format(number));
export const change = (ratio) => signed.format(ratio);

/** A share of a whole, null where there is no whole. */
export const share = (ratio) => (ratio === null ? NONE : (ratio > 0 && ratio < 0.01 ? finePercent : percent).format(ratio));

/** Milliseconds, as a person says them. */
export function duration(ms) {
  if (ms === null || ms === undefined) return NONE;
  const [value, unit] = ms < 1000 ? [ms, "millisecond"] : ms < 120_000 ? [ms / 1000, "second"] : [ms / 60_000, "minute"];
  const digits = unit === "millisecond" || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return intl({ style: "unit", unit, unitDisplay: "short", maximumFractionDigits: digits }).format(value);
}

/** Milliseconds on an axis. */
export const axisDuration = (ms) => (ms === 0 ? "0" : duration(ms));

const LONG = { hour: { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }, day: { weekday: "short", day: "numeric", month: "short", year: "numeric" }, month: { month: "long", year: "numeric" } };
const HOURS = [1, 2, 3, 4, 6, 8, 12, 24];
const SHORT = { hour: { hour: "2-digit", minute: "2-digit" }, day: { day: "numeric", month: "short" }, week: { day: "numeric", month: "short" }, month: { month: "short" } };

/**
 * Names of stretches of time: in full, and as short as an axis wants them. Where there is no room for all, one of `every`
 * so many is marked; of hours, those of a clock that begins at midnight, which has the day's name.
 */
export function stretchNames(unit, zone) {
  const by = (options) => new Intl.DateTimeFormat(undefined, { ...options, timeZone: zone });
  const full = by(unit === "week" ? LONG.day : LONG[unit]);
  const brief = by(SHORT[unit]);
  const day = by(SHORT.day);
  const hour = (moment) => wall(moment, zone).hour;
  const ofHours = unit === "hour" && {
    brief: (moment) => (hour(moment) ? brief : day).format(moment),
    every: (least) => HOURS.find((number) => number >= least) ?? 24,
    marked: (moment, at, every) => hour(moment) % every === 0,
  };
  return {
    full: (moment) => (unit === "week" ? `Week of ${full.format(moment)}` : full.format(moment)),
    brief: (moment) => brief.format(moment),
    every: (least) => least,
    marked: (moment, at, every) => at % every === 0,
    ...ofHours,
  };
}

/** From one day to another one, both included. */
export function period(from, to, zone) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: zone });
  return format.formatRange(from, to - 1);
}

/** The day of a moment. */
export const day = (at, zone) => new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: zone }).format(at);

/** A moment to the second. */
export function moment(at, zone) {
  return new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", timeZone: zone }).format(at);
}
