import type { SettleHost } from "../../../src/stores/settle.ts";

/** Time that passes only when everybody waits for it: the order of events follows from their delays alone. */
export interface VirtualTime {
  readonly host: SettleHost;
  sleep(milliseconds: number): Promise<void>;
  now(): number;
  /** Lets time pass until `work` is done. */
  run<T>(work: Promise<T>): Promise<T>;
}

/** `random` gives numbers in [0, 1) for jitter. */
export function createVirtualTime(random: () => number = () => 0.5): VirtualTime {
  const waiting: { readonly at: number; readonly wake: () => void }[] = [];
  let time = 1_700_000_000_000;
  const sleep = (milliseconds: number) =>
    new Promise<void>((wake) => {
      const at = time + milliseconds;
      const later = waiting.findIndex((other) => other.at > at);
      waiting.splice(later < 0 ? waiting.length : later, 0, { at, wake });
    });
  return {
    sleep,
    now: () => time,
    host: { sleep, random, now: () => new Date(time) },
    async run(work) {
      let done = false;
      const settled = work.finally(() => {
        done = true;
      });
      settled.catch(() => undefined);
      while (!done) {
        await new Promise((resolve) => setImmediate(resolve));
        const next = waiting.shift();
        if (next === undefined) {
          if (done) break;
          throw new Error("everybody waits for nothing");
        }
        time = Math.max(time, next.at);
        next.wake();
        await new Promise((resolve) => setImmediate(resolve));
      }
      return settled;
    },
  };
}
