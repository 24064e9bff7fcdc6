const pattern = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

/** A time of RFC 3339, at any offset; undefined when it is none. Fractions of a millisecond are dropped. */
export function parseInstant(text: string): Date | undefined {
  const parts = pattern.exec(text);
  if (parts === null) return undefined;
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return undefined;
  // JavaScript takes 31 February for 3 March.
  const day = Number(parts[3]);
  const days = new Date(Date.UTC(Number(parts[1]), Number(parts[2]), 0)).getUTCDate();
  return day <= days ? date : undefined;
}

/** UTC, whole seconds. */
export function instantOf(at: Date): string {
  return at.toISOString().replace(/\.\d+Z$/, "Z");
}

export function wholeSeconds(at: Date): Date {
  return new Date(Math.floor(at.getTime() / 1000) * 1000);
}
