import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { memo, memoUnlessFailed } from "../../src/platform/memo.ts";
import { createSemaphore, mapConcurrently } from "../../src/platform/parallel.ts";

const soon = (milliseconds = 1) => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe("work on many items", () => {
  it("keeps the order of the items and the limit, whatever takes how long", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(3), { maxLength: 20 }),
        fc.integer({ min: -1, max: 5 }),
        async (waits, limit) => {
          let running = 0;
          let most = 0;
          const results = await mapConcurrently(waits, limit, async (wait, index) => {
            running += 1;
            most = Math.max(most, running);
            for (let turn = 0; turn < wait; turn += 1) await Promise.resolve();
            running -= 1;
            return [index, wait];
          });
          expect(results).toEqual(waits.map((wait, index) => [index, wait]));
          expect(most).toBeLessThanOrEqual(Math.max(1, limit));
        },
      ),
      { numRuns: 50 },
    );
  });

  it("begins nothing after a failure, and leaves nothing running", async () => {
    const begun: number[] = [];
    const ended: number[] = [];
    const work = mapConcurrently([0, 1, 2, 3, 4], 2, async (n) => {
      begun.push(n);
      if (n === 1) throw new Error("first");
      await soon(10);
      ended.push(n);
      if (n === 0) throw new Error("second");
    });
    await expect(work).rejects.toThrow("first");
    expect(begun).toEqual([0, 1]);
    expect(ended).toEqual([0]);
  });
});

describe("a semaphore", () => {
  it("lets in as many as it has places, the rest in order, and each back out once", async () => {
    const semaphore = createSemaphore(2);
    const order: string[] = [];
    const enter = async (name: string) => {
      const leave = await semaphore.acquire();
      order.push(name);
      return leave;
    };
    const [a] = await Promise.all([enter("a"), enter("b")]);
    const waiting = [enter("c"), enter("d")];
    await soon();
    expect(order).toEqual(["a", "b"]);
    a();
    a();
    await soon();
    expect(order).toEqual(["a", "b", "c"]);
    (await waiting[0])?.();
    await waiting[1];
    expect(order).toEqual(["a", "b", "c", "d"]);
  });
});

describe("work that is remembered", () => {
  it("is done once, also by many at the same time", async () => {
    let done = 0;
    const values = new Map<string, Promise<number>>();
    const work = () => memo(values, "key", async () => ++done);
    expect(await Promise.all([work(), work()])).toEqual([1, 1]);
    expect(await work()).toBe(1);
  });

  it("is done again after a failure, which everybody is told", async () => {
    let turn = 0;
    const values = new Map<string, Promise<number>>();
    const work = () =>
      memoUnlessFailed(values, "key", async () => {
        turn += 1;
        if (turn === 1) throw new Error("once");
        return turn;
      });
    const both = await Promise.allSettled([work(), work()]);
    expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(await work()).toBe(2);
  });
});
