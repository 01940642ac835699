// Times, sizes and names as people read them.

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** A moment, as far from now as it is: `3 minutes ago`. */
export function ago(text) {
  if (!text) return "";
  const seconds = (Date.parse(text) - Date.now()) / 1000;
  const size = Math.abs(seconds);
  if (size < 45) return "just now";
  if (size < 45 * MINUTE) return relative.format(Math.round(seconds / MINUTE), "minute");
  if (size < 22 * HOUR) return relative.format(Math.round(seconds / HOUR), "hour");
  if (size < 30 * DAY) return relative.format(Math.round(seconds / DAY), "day");
  return new Intl.DateTimeFormat(undefined, { dateStyle: "medium" }).format(new Date(text));
}

/** A moment, to the second. */
export const moment = (text) => (text ? exact.format(new Date(text)) : "");

/** A size in bytes. */
export function bytes(count) {
  const size = Number(count ?? 0);
  if (size < 1000) return `${size} B`;
  if (size < 1_000_000) return `${(size / 1024).toFixed(size < 10_240 ? 1 : 0)} KiB`;
  return `${(size / 1_048_576).toFixed(1)} MiB`;
}

/** A duration of the API (`0.0123s`) in milliseconds or seconds. */
export function duration(text) {
  const seconds = Number.parseFloat(text ?? "0");
  if (seconds < 0.0095) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  return `${Number(seconds.toFixed(seconds < 10 ? 2 : 1))} s`;
}

/** `1 method`, `3 methods`. */
export function count(number, word, many = `${word}s`) {
  return `${Number(number ?? 0).toLocaleString("en")} ${Number(number ?? 0) === 1 ? word : many}`;
}

/** The last part of a resource name. */
export const short = (name) => String(name ?? "").split("/").pop();

/** The last part of a dotted name. */
export const leaf = (name) => String(name ?? "").split(".").pop();
