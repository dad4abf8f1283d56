// The last hour, as columns: kept on the page, and brought up to date by the last steps that each event holds.

const isColumn = (value) => Array.isArray(value);

export function merge(known, newer) {
  // The history after these steps, as long as it was: those of the same time are replaced, the oldest fall out.
  if (!known || known.step_seconds !== newer.step_seconds) return newer;
  const kept = known.at.findIndex((at) => at >= newer.at[0]);
  const before = kept < 0 ? known.at.length : kept;
  const extra = Math.max(0, before + newer.at.length - known.at.length);
  const joined = (old, recent, none) => {
    const past = old ? old.slice(extra, before) : Array(Math.max(before - extra, 0)).fill(none);
    return [...past, ...recent];
  };
  const counts = (old = {}, recent = {}) =>
    Object.fromEntries(
      [...new Set([...Object.keys(old), ...Object.keys(recent)])].map((name) => {
        const of = (column) => joined(old[name]?.[column], recent[name]?.[column] ?? newer.at.map(() => 0), 0);
        return [name, { sent: of("sent"), failed: of("failed"), cancelled: of("cancelled") }];
      }),
    );
  const merged = { step_seconds: newer.step_seconds };
  for (const [name, value] of Object.entries(newer)) {
    if (isColumn(value)) merged[name] = joined(known[name], value, null);
  }
  return { ...merged, channels: counts(known.channels, newer.channels), queues: counts(known.queues, newer.queues) };
}

export function beginning(history, leastSeconds) {
  // The place in the columns from which on something happened, and early enough to show so many seconds.
  const happened = ["sent", "failed", "cancelled", "in_flight", "waiting"].map((name) => history[name].findIndex(Boolean));
  const latest = history.at.length - 1 - Math.ceil(leastSeconds / history.step_seconds);
  return Math.max(0, Math.min(latest, ...happened.filter((place) => place >= 0)));
}

export const sum = (column) => (column ?? []).reduce((total, value) => total + (value ?? 0), 0);

export function perSecond(column, step) {
  return column.map((count) => (count === null ? null : count / step));
}

export function coarse(column, parts) {
  // So many sums over stretches of equal length, for a line that is a few pixels wide.
  const length = Math.ceil(column.length / parts);
  return Array.from({ length: Math.ceil(column.length / length) }, (_, part) =>
    sum(column.slice(part * length, (part + 1) * length)),
  );
}
