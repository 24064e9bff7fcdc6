import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CountersignError } from "../../src/model/errors.ts";
import type { Host } from "../../src/platform/host.ts";
import { createRetrier, type Outcome, parseRetryAfter, type RetryNotice } from "../../src/platform/retry.ts";
import { createFakeHost, failureOf } from "../oci/fake-network.ts";

const retrier = (host: Pick<Host, "now" | "sleep" | "random">, onRetry?: (notice: RetryNotice) => void) =>
  createRetrier(host, { throttledCode: "E_REGISTRY_THROTTLED", onRetry });

const failing = new CountersignError("E_REGISTRY_FAILING", "it fails");
const again = (retryAfter?: number): Outcome<never> => ({
  again: { error: failing, throttled: retryAfter !== undefined, retryAfter },
});

/** Attempts that end as listed, then well. */
function script(...outcomes: readonly Outcome<string>[]) {
  let turn = 0;
  const attempt = async (): Promise<Outcome<string>> => outcomes[turn++] ?? { done: "done" };
  return { attempt, count: () => turn };
}

describe("attempts at a request", () => {
  it("come further apart, within bounds drawn at random", async () => {
    const { host, sleeps } = createFakeHost(0.5);
    expect(await retrier(host).run("h", script(again(), again(), again(), again()).attempt)).toBe("done");
    expect(sleeps).toEqual([250, 500, 1000, 2000]);
  });

  it("end after five", async () => {
    const { host } = createFakeHost();
    const { attempt, count } = script(...Array.from({ length: 9 }, () => again()));
    expect(await failureOf(retrier(host).run("h", attempt))).toBe(failing);
    expect(count()).toBe(5);
  });

  it("wait as long as the server asks for", async () => {
    const { host, sleeps } = createFakeHost(0);
    await retrier(host).run("h", script(again(12_000)).attempt);
    expect(sleeps).toEqual([12_000]);
  });

  it("take no more than two minutes of waiting in all", async () => {
    const { host, sleeps } = createFakeHost(0);
    const { attempt, count } = script(again(50_000), again(50_000), again(50_000));
    expect(await failureOf(retrier(host).run("h", attempt))).toBe(failing);
    expect(sleeps).toEqual([50_000, 50_000]);
    expect(count()).toBe(3);
  });

  it("end at once when a longer wait is asked for, which the error names", async () => {
    const { host, sleeps } = createFakeHost();
    const failure = await failureOf(retrier(host).run("h", script(again(61_000)).attempt));
    expect(failure).toMatchObject({ code: "E_REGISTRY_THROTTLED", retry: true });
    expect(failure.message).toContain("61 s");
    expect(sleeps).toEqual([]);
  });

  it("end at once for a fault that cannot pass", async () => {
    const { host, sleeps } = createFakeHost();
    for (const error of [
      new CountersignError("E_TLS", "no"),
      new CountersignError("E_NETWORK", "no such host", { retry: false }),
      new CountersignError("E_DIGEST_MISMATCH", "no"),
    ]) {
      expect(await failureOf(retrier(host).run("h", () => Promise.reject(error)))).toBe(error);
    }
    expect(sleeps).toEqual([]);
  });

  it("go on after a fault of the network", async () => {
    const { host, sleeps } = createFakeHost();
    let turn = 0;
    const result = await retrier(host).run("h", async () => {
      turn += 1;
      if (turn < 3) throw new CountersignError(turn === 1 ? "E_NETWORK" : "E_TIMEOUT", "for now");
      return { done: turn };
    });
    expect(result).toBe(3);
    expect(sleeps).toHaveLength(2);
  });

  it("are told of", async () => {
    const { host } = createFakeHost(0.5);
    const notices: unknown[] = [];
    await retrier(host, (notice) => notices.push(notice)).run("h", script(again()).attempt);
    expect(notices).toEqual([{ host: "h", attempt: 1, delay: 250, error: failing }]);
  });
});

describe("a host that throttles one request", () => {
  it("is left alone by the others until the time it named, and no other host is", async () => {
    const { host, sleeps } = createFakeHost(0);
    const waking: (() => void)[] = [];
    const manual = {
      ...host,
      sleep: (milliseconds: number) => {
        sleeps.push(milliseconds);
        return new Promise<void>((resolve) => waking.push(resolve));
      },
    };
    const shared = retrier(manual);
    const throttled = shared.run("slow", script(again(30_000)).attempt);
    await expect.poll(() => sleeps).toEqual([30_000]);
    const beside = script();
    const waiting = shared.run("slow", beside.attempt);
    expect(await shared.run("fast", script().attempt)).toBe("done");
    await expect.poll(() => sleeps).toEqual([30_000, 30_000]);
    expect(beside.count()).toBe(0);
    for (const wake of waking) wake();
    expect(await Promise.all([throttled, waiting])).toEqual(["done", "done"]);
  });
});

describe("Retry-After", () => {
  const now = new Date("2026-01-01T00:00:00Z");

  it.each([
    ["0", 0],
    [" 120 ", 120_000],
    ["Thu, 01 Jan 2026 00:01:00 GMT", 60_000],
    ["Thu, 01 Jan 1970 00:00:00 GMT", 0],
    ["-1", undefined],
    ["1.5", undefined],
    ["soon", undefined],
    ["2026-01-01", undefined],
    ["", undefined],
    [undefined, undefined],
  ])("%j is %j ms", (header, expected) => {
    expect(parseRetryAfter(header, now)).toBe(expected);
  });

  it("is never negative and never not a number", () => {
    fc.assert(
      fc.property(fc.string(), (header) => {
        const wait = parseRetryAfter(header, now);
        expect(wait === undefined || wait >= 0).toBe(true);
      }),
    );
  });
});
