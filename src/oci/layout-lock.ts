import { CountersignError, isCountersignError } from "../model/errors.ts";
import type { LayoutHost } from "./layout-host.ts";

/** A lock seen unchanged for so long has been left behind: work under it takes milliseconds. */
const STALE = 10_000;
const PATIENCE = 60_000;
const LONGEST_PAUSE = 200;
const TOKEN_LIMIT = 256;

/** Runs `work` while no other holder of the lock file `path`, in this process or another, runs theirs. */
export type Lock = <T>(work: () => Promise<T>) => Promise<T>;

/**
 * A lock by a file that only one can create. Its content is its holder's own token, and age is what a waiter has itself seen of one
 * token, so clocks need not agree. A waiter that takes a lock for left behind first creates a second file named after
 * the token and then looks again: of several such waiters one removes the lock, and never a newer one.
 *
 * A holder that was stopped for longer than the stale time and then goes on is the case that remains.
 *
 * @throws E_REGISTRY_CONFLICT when the lock is not had within a minute.
 */
export function createLock(host: LayoutHost, path: string): Lock {
  let turn: Promise<unknown> = Promise.resolve();
  return (work) => {
    const mine = turn.then(async () => {
      const token = await acquire(host, path);
      try {
        return await work();
      } finally {
        await release(host, path, token);
      }
    });
    turn = mine.catch(() => {});
    return mine;
  };
}

async function acquire(host: LayoutHost, path: string): Promise<string> {
  const token = Buffer.from(host.randomBytes(16)).toString("hex");
  let seen: string | undefined;
  let unchanged = 0;
  for (let waited = 0; waited < PATIENCE; ) {
    if (await create(host, path, token)) return token;
    const holder = await holderOf(host, path);
    unchanged = holder !== undefined && holder === seen ? unchanged : 0;
    seen = holder;
    if (holder !== undefined && unchanged >= STALE) await breakLock(host, path, holder);
    const pause = 5 + host.random() * Math.min(LONGEST_PAUSE, 10 + waited / 4);
    await host.sleep(pause);
    waited += pause;
    unchanged += pause;
  }
  throw new CountersignError("E_REGISTRY_CONFLICT", `others keep writing: ${path} was never free`, {
    hint: `try again; when no other program is at work there, remove ${path}`,
  });
}

async function release(host: LayoutHost, path: string, token: string): Promise<void> {
  if ((await holderOf(host, path)) === token) await host.files.remove(path);
}

async function breakLock(host: LayoutHost, path: string, holder: string): Promise<void> {
  const claim = `${path}.${Buffer.from(holder).toString("hex").slice(0, 64)}`;
  if (!(await create(host, claim, holder))) return;
  try {
    if ((await holderOf(host, path)) === holder) await host.files.remove(path);
  } finally {
    await host.files.remove(claim);
  }
}

async function create(host: LayoutHost, path: string, content: string): Promise<boolean> {
  try {
    await host.files.write(path, new TextEncoder().encode(content), { exclusive: true });
    return true;
  } catch (error) {
    if (isCountersignError(error) && error.code === "E_FILE_EXISTS") return false;
    throw error;
  }
}

/** Undefined when it has just been let go. */
async function holderOf(host: LayoutHost, path: string): Promise<string | undefined> {
  try {
    return Buffer.from(await host.files.read(path, TOKEN_LIMIT)).toString();
  } catch (error) {
    if (isCountersignError(error) && error.code === "E_FILE_UNREADABLE") return undefined;
    throw error;
  }
}
