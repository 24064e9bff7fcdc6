import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../src/model/digest.ts";
import { CountersignError } from "../../src/model/errors.ts";
import { OPENPGP_SIGNATURE } from "../../src/model/media-types.ts";
import type { Artefact } from "../../src/model/signature.ts";
import { createExchange } from "../../src/platform/http.ts";
import { createNodeHost } from "../../src/platform/node-host.ts";
import { createRetrier } from "../../src/platform/retry.ts";
import { type Handler, serve } from "../../src/platform/serve.ts";
import type { LookasideBase } from "../../src/stores/lookaside-base.ts";
import { readLookasideBlob } from "../../src/stores/lookaside-blob.ts";
import { openLookasideFolder } from "../../src/stores/lookaside-folder.ts";
import { openLookasideHttp } from "../../src/stores/lookaside-http.ts";
import { indexOfFile, lookasideFolder } from "../../src/stores/lookaside-path.ts";
import { createLookasideStore } from "../../src/stores/lookaside-store.ts";
import { bundle } from "../support/bundle.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { subject } from "./support/samples.ts";

const { files } = createNodeHost();
const repository = "team/app";
const folder = lookasideFolder(repository, subject.digest);

/** Adds one signature. */
let program = "";
beforeAll(async () => {
  program = await bundle('import "./test/stores/support/lookaside-writer.ts";');
});

function artefact(text: string): Artefact {
  const bytes = Buffer.concat([Buffer.of(0xc4), Buffer.from(text)]);
  return { format: "openpgp", mediaType: OPENPGP_SIGNATURE, bytes, annotations: {} };
}

function storeAt(base: LookasideBase) {
  return createLookasideStore({ repository, read: base, write: base });
}

function contentsOf(root: string): string[] {
  const place = join(root, folder);
  const names = readdirSync(place).sort((one, other) => (indexOfFile(one) ?? 0) - (indexOfFile(other) ?? 0));
  return names.map((name) => `${name} ${readFileSync(join(place, name)).subarray(1).toString()}`);
}

describe("a lookaside folder", () => {
  it("gets one file more for each signature, readable by everybody, and none for one that is there", async () => {
    const root = temporaryFolder();
    const store = storeAt(openLookasideFolder(`${root}/`, files));
    for (const text of ["one", "two", "one"]) await store.append(subject, artefact(text));
    expect(contentsOf(root)).toEqual(["signature-1 one", "signature-2 two"]);
    const { entries, failures } = await store.list(subject.digest);
    expect(failures).toEqual([]);
    expect(entries.map(({ place }) => place)).toEqual(
      ["one", "two"].map((text, at) => ({
        kind: "lookaside",
        name: `${root}/${folder}/signature-${at + 1}`,
        digest: digestOf(artefact(text).bytes),
      })),
    );
  });

  it("takes a signature that stands there with its format named for the same", async () => {
    const root = temporaryFolder();
    mkdirSync(join(root, folder), { recursive: true });
    writeFileSync(
      join(root, folder, "signature-1"),
      Buffer.concat([Buffer.from("\0simple-signing\n"), artefact("one").bytes]),
    );
    await storeAt(openLookasideFolder(root, files)).append(subject, artefact("one"));
    expect(readdirSync(join(root, folder))).toEqual(["signature-1"]);
  });

  it("gets no file behind a number that a link to nowhere has", async () => {
    const root = temporaryFolder();
    mkdirSync(join(root, folder), { recursive: true });
    symlinkSync(join(root, "nowhere"), join(root, folder, "signature-1"));
    const store = storeAt(openLookasideFolder(root, files));
    await expect(store.append(subject, artefact("ours"))).rejects.toMatchObject({ code: "E_LOOKASIDE_ANSWER" });
    expect(readdirSync(join(root, folder))).toEqual(["signature-1"]);
  });

  it("is full at 128 signatures", async () => {
    const root = temporaryFolder();
    mkdirSync(join(root, folder), { recursive: true });
    for (let n = 1; n <= 128; n += 1) writeFileSync(join(root, folder, `signature-${n}`), artefact(`${n}`).bytes);
    const store = storeAt(openLookasideFolder(root, files));
    expect(await store.list(subject.digest)).toMatchObject({ failures: [] });
    await expect(store.append(subject, artefact("more"))).rejects.toMatchObject({ code: "E_LIMIT" });
    expect(readdirSync(join(root, folder))).toHaveLength(128);
  });

  it("keeps what eight processes add at the same time, each signature once and none in another's place", async () => {
    const root = temporaryFolder();
    const ended = await Promise.all(Array.from({ length: 8 }, (_, n) => writer(root, `writer ${n}`).ended));
    expect(ended).toEqual(Array.from({ length: 8 }, () => 0));
    const names = contentsOf(root);
    expect(names.map((line) => line.split(" ", 1)[0])).toEqual(
      Array.from({ length: 8 }, (_, n) => `signature-${n + 1}`),
    );
    expect(new Set(names.map((line) => line.slice(line.indexOf(" ")))).size).toBe(8);
  }, 60_000);

  it("has no broken file, wherever a writer is killed", async () => {
    const root = temporaryFolder();
    const large = "x".repeat(2_000_000);
    for (let at = 0; at < 6; at += 1) {
      const { child, started, ended } = writer(root, `${at} ${large}`);
      await started;
      await new Promise((resolve) => setTimeout(resolve, at * 2));
      child.kill("SIGKILL");
      await ended;
    }
    await storeAt(openLookasideFolder(root, files)).append(subject, artefact("last"));
    const { entries, failures } = await storeAt(openLookasideFolder(root, files)).list(subject.digest);
    expect(failures).toEqual([]);
    const sizes = entries.map(({ descriptor }) => descriptor.size);
    expect(sizes.pop()).toBe(artefact("last").bytes.length);
    expect(sizes.every((size) => size === artefact(`0 ${large}`).bytes.length)).toBe(true);
  }, 60_000);
});

describe("a base that answers otherwise each time", () => {
  const list = (base: Partial<LookasideBase>) =>
    createLookasideStore({
      repository,
      read: { name: "/sigs", read: async () => undefined, create: async () => false, ...base },
    }).list(subject.digest);

  it("is left with the gap where the missing file comes and goes", async () => {
    let asked = 0;
    const read = async (path: string) => {
      if (!path.endsWith("/signature-1")) return artefact("two").bytes;
      asked += 1;
      if (asked > 1000) throw new Error("asked without end");
      return asked % 2 === 0 ? artefact("one").bytes : undefined;
    };
    expect(await list({ read })).toMatchObject({ failures: [{ code: "E_LOOKASIDE_GAP" }] });
    expect(asked).toBeLessThan(20);
  });

  it("keeps what was read where the folder cannot be listed", async () => {
    const read = async (path: string) => (path.endsWith("/signature-1") ? artefact("one").bytes : undefined);
    const names = async () => {
      throw new CountersignError("E_FILE_UNREADABLE", "the folder cannot be read: EACCES", { hint: "ask" });
    };
    const { entries, failures } = await list({ read, names });
    expect([entries.length, failures]).toMatchObject([1, [{ code: "E_FILE_UNREADABLE" }]]);
  });
});

/** A process that adds one signature; `started` when its own code runs. */
function writer(root: string, text: string) {
  const child = spawn(process.execPath, [program, root, text.slice(0, 40), String(text.length)]);
  const started = new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve());
    child.once("close", () => reject(new Error("the writer did not start")));
  });
  started.catch(() => undefined);
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  return { child, started, ended };
}

describe("staging", () => {
  it("begins with what is published, and adds to that alone where it is given", async () => {
    const [published, staged] = [temporaryFolder(), temporaryFolder()];
    const [read, write] = [openLookasideFolder(published, files), openLookasideFolder(staged, files)];
    await storeAt(read).append(subject, artefact("theirs"));
    const store = createLookasideStore({ repository, read, write });
    await store.append(subject, artefact("ours"));
    expect(contentsOf(published)).toEqual(["signature-1 theirs"]);
    expect(contentsOf(staged)).toEqual(["signature-1 theirs", "signature-2 ours"]);
    expect((await store.list(subject.digest)).entries).toHaveLength(2);
  });

  it("is refused a lookaside that is only read", async () => {
    const store = createLookasideStore({ repository, read: openLookasideFolder(temporaryFolder(), files) });
    await expect(store.append(subject, artefact("ours"))).rejects.toMatchObject({ code: "E_LOOKASIDE_MISSING" });
  });
});

describe("a lookaside server that takes PUT", () => {
  async function withServer<T>(
    options: { honours?: boolean; refuses?: number; overwrite?: string; hides?: boolean },
    work: (base: LookasideBase, kept: Map<string, Uint8Array>) => Promise<T>,
  ) {
    const kept = new Map<string, Uint8Array>();
    let overwrite = options.overwrite;
    const handler: Handler = async ({ method, url, body, headers }) => {
      const there = method === "GET" && options.hides ? undefined : kept.get(url.pathname);
      if (method === "GET") return there ? { status: 200, headers: {}, body: there } : { status: 404, headers: {} };
      if (options.refuses !== undefined) return { status: options.refuses, headers: {} };
      if (there && options.honours !== false && headers["if-none-match"] === "*") return { status: 412, headers: {} };
      kept.set(url.pathname, overwrite === undefined ? body : artefact(overwrite).bytes);
      overwrite = undefined;
      return { status: 201, headers: {} };
    };
    const server = await serve(handler);
    const exchange = createExchange();
    const host = { now: () => new Date(), random: () => 0, sleep: async () => undefined };
    const retrier = createRetrier(host, { throttledCode: "E_LOOKASIDE_FAILING" });
    try {
      return await work(
        openLookasideHttp(new URL(`${server.origin}/s/`), { exchange, retrier, host, userAgent: "test" }),
        kept,
      );
    } finally {
      exchange.close();
      await server.close();
    }
  }

  it("keeps what several writers add at the same time", () =>
    withServer({}, async (base, kept) => {
      const texts = Array.from({ length: 8 }, (_, n) => `writer ${n}`);
      await Promise.all(texts.map((text) => storeAt(base).append(subject, artefact(text))));
      expect([...kept.keys()].sort()).toEqual(texts.map((_, n) => `/s/${folder}/signature-${n + 1}`));
      expect(new Set([...kept.values()].map((bytes) => Buffer.from(bytes).toString()))).toHaveLength(8);
    }));

  it("puts a signature again, under the next number, that another has replaced", () =>
    withServer({ honours: false, overwrite: "theirs" }, async (base, kept) => {
      const { place } = await storeAt(base).append(subject, artefact("ours"));
      expect(place.name).toMatch(/signature-2$/);
      expect([...kept.values()].map((bytes) => Buffer.from(bytes).subarray(1).toString())).toEqual(["theirs", "ours"]);
    }));

  it("is not filled with one signature where a cache before it remembers that nothing is there", () =>
    withServer({ hides: true }, async (base, kept) => {
      for (let n = 0; n < 2; n += 1) {
        await expect(storeAt(base).append(subject, artefact("ours"))).rejects.toMatchObject({
          code: "E_LOOKASIDE_ANSWER",
        });
      }
      expect([...kept.keys()]).toEqual([`/s/${folder}/signature-1`]);
    }));

  it.each([401, 403, 404, 405, 501])("is left with the mend where it answers %i", (refuses) =>
    withServer({ refuses }, async (base) => {
      await expect(storeAt(base).append(subject, artefact("ours"))).rejects.toMatchObject({
        code: "E_LOOKASIDE_READ_ONLY",
        hint: expect.stringContaining("--lookaside-staging"),
      });
    }),
  );
});

describe("paths", () => {
  it.each(["../etc", "team/../app", "/app", "app/", "team//app", "Team/app", "a@b", "a\nb", ""])(
    "refuse the repository %j",
    (name) => {
      expect(() => lookasideFolder(name, subject.digest)).toThrow(/gives no path/);
    },
  );

  it("stay one step deep in the folder of the repository, whatever a digest says", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        let path: string;
        try {
          path = lookasideFolder(repository, `sha256:${text}` as typeof subject.digest);
        } catch {
          return true;
        }
        return /^team\/app@sha256=[0-9a-f]{64,128}$/.test(path);
      }),
    );
  });

  it("name an image of no registry by its digest alone", () => {
    expect(lookasideFolder(undefined, subject.digest)).toBe(subject.digest.replace(":", "="));
  });
});

it("tells every blob apart without failing, and never changes what it takes for a signature", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const blob = readLookasideBlob(bytes);
      if ("fault" in blob) return blob.fault.length > 0;
      return Buffer.from(bytes)
        .subarray(bytes.length - blob.bytes.length)
        .equals(blob.bytes);
    }),
  );
});
