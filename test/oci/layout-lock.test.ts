import { setImmediate as tick } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { CountersignError, isCountersignError } from "../../src/model/errors.ts";
import type { LayoutHost } from "../../src/oci/layout-host.ts";
import { createLock } from "../../src/oci/layout-lock.ts";
import { noStreams } from "../support/no-streams.ts";

const PATH = "index.json.lock";

/** Files in memory, each call taking a turn of the event loop; time passes only while somebody sleeps. */
function simulation(hooks: { readonly sleep?: () => void; readonly remove?: (path: string) => Promise<void> } = {}) {
  const stored = new Map<string, Uint8Array>();
  const removed: string[] = [];
  let tokens = 0;
  const host: LayoutHost = {
    random: () => 0.5,
    randomBytes(length) {
      tokens += 1;
      return new Uint8Array(length).fill(tokens);
    },
    async sleep() {
      hooks.sleep?.();
      await tick();
    },
    files: {
      ...noStreams,
      async read(path) {
        await tick();
        const bytes = stored.get(path);
        if (bytes === undefined) throw new CountersignError("E_FILE_UNREADABLE", `${path} is not there`);
        return bytes;
      },
      async write(path, bytes, options = {}) {
        await tick();
        if (options.exclusive && stored.has(path)) throw new CountersignError("E_FILE_EXISTS", `${path} is there`);
        stored.set(path, bytes);
      },
      async remove(path) {
        await hooks.remove?.(path);
        stored.delete(path);
        removed.push(path);
      },
      exists: async (path) => stored.has(path),
      list: async () => [...stored.keys()],
      isLink: async () => false,
    },
  };
  return { host, stored, removed, leave: (token: string) => stored.set(PATH, new TextEncoder().encode(token)) };
}

/** Runs `count` workers, each with a lock of its own over one path; resolves to the most that were at work at once. */
async function work(host: LayoutHost, count: number): Promise<number> {
  let inside = 0;
  let most = 0;
  const one = async () => {
    inside += 1;
    most = Math.max(most, inside);
    for (let turn = 0; turn < 20; turn += 1) await tick();
    inside -= 1;
  };
  await Promise.all(Array.from({ length: count }, () => createLock(host, PATH)(one)));
  return most;
}

describe("a lock by a file", () => {
  it("lets one in at a time, and is gone when all are done", async () => {
    const { host, stored } = simulation();
    expect(await work(host, 12)).toBe(1);
    expect([...stored.keys()]).toEqual([]);
  });

  it("gives the results of the work, and is let go when the work fails", async () => {
    const { host, stored } = simulation();
    const lock = createLock(host, PATH);
    const failing = lock(async () => {
      throw new Error("on purpose");
    });
    const next = lock(async () => 7);
    await expect(failing).rejects.toThrow("on purpose");
    expect(await next).toBe(7);
    expect(stored.size).toBe(0);
  });

  it("that was left behind is taken over by one waiter, however slow another is to remove it", async () => {
    // The first remover of the dead lock stops just before it removes, long enough for anybody else to take over.
    let held = true;
    const { host, stored, leave } = simulation({
      async remove(path) {
        if (path !== PATH || !held) return;
        held = false;
        for (let turn = 0; turn < 30; turn += 1) await tick();
      },
    });
    leave("somebody who died");
    expect(await work(host, 6)).toBe(1);
    expect([...stored.keys()]).toEqual([]);
  });

  it("of holders that come and go is never taken for left behind", async () => {
    let holder = 0;
    const { host, removed, leave } = simulation({
      sleep() {
        holder += 1;
        leave(`holder ${holder}`);
      },
    });
    leave("holder 0");
    const error = await createLock(host, PATH)(async () => {}).catch((thrown: unknown) => thrown);
    if (!isCountersignError(error)) throw error;
    expect([error.code, error.hint]).toEqual(["E_REGISTRY_CONFLICT", expect.stringContaining(PATH)]);
    expect(removed).toEqual([]);
  });

  it("that somebody else has taken over is not removed by who had it before", async () => {
    const { host, stored, leave } = simulation();
    await createLock(host, PATH)(async () => void leave("the next one"));
    expect(new TextDecoder().decode(stored.get(PATH))).toBe("the next one");
  });
});
