import type { Host } from "../platform/host.ts";

/** How long writers of one tag wait for one another on registries that ignore `If-Match`. Times in milliseconds. */
export interface SettleOptions {
  /** The shortest wait between writing a tag and reading it back. */
  readonly base: number;
  /** The wait as a multiple of the time from reading a tag to having written it, if that is more. */
  readonly factor: number;
  /** How old a reading may be that a write rests on; an older one is read again first. */
  readonly freshness: number;
  /** The longest single wait. */
  readonly longest: number;
  /** Readings after a write until the tag must have come to rest. */
  readonly attempts: number;
}

export const SETTLE: SettleOptions = { base: 400, factor: 3, freshness: 100, longest: 15_000, attempts: 40 };

/** What settling needs of the outside world. */
export type SettleHost = Pick<Host, "sleep" | "random" | "now">;

/**
 * Milliseconds to wait before a written tag is read back. Another writer that read the tag before this write will
 * have written by then, if it is not slower than `factor` times this one; `contention`, the changes by others seen so far,
 * spreads writers out.
 */
export function settleTime(options: SettleOptions, window: number, contention: number, random: number): number {
  const wait = Math.max(options.base, options.factor * window);
  return Math.min(wait * (1 + random * 0.5 * (1 + contention)), options.longest);
}
