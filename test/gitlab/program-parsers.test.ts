import { mkdtempSync, readdirSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { root } from "./support/templates.ts";

// The parsers of gitlab/*.mjs against whatever a mirror, a variable or an error may hold.

const isFunction = (value: unknown) => typeof value === "function";
const load = async (name: string): Promise<object> => (await import(path.join(root, "gitlab", name))) as object;
const loaded = { ...(await load("stop.mjs")), ...(await load("archive.mjs")), ...(await load("program.mjs")) };
const { show, parseHash, unpack, getProgram, Stop } = z
  .object({
    show: z.custom<(text: string) => string>(isFunction),
    parseHash: z.custom<(text: string) => { algorithm: string; digest: Buffer }>(isFunction),
    unpack: z.custom<(bytes: Uint8Array, target: string, what: string) => Promise<void>>(isFunction),
    getProgram: z.custom<(source: string, folder: string, env: object) => Promise<string>>(isFunction),
    Stop: z.custom<new (...args: unknown[]) => Error>(isFunction),
  })
  .parse(loaded);

describe("show", () => {
  it("makes one line of anything, without control characters, bidirectional marks and sections of GitLab's log", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.string({ unit: fc.constantFrom("section_", "start:", "\u001b[0K", "\r", "\u202e", "\u2066", "a") }),
        ),
        (text) => {
          const shown = show(text);
          expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|section_(start|end)/u);
          expect(shown.length).toBeLessThanOrEqual(500);
        },
      ),
    );
  });

  it("leaves plain words as they are", () => {
    expect(show("registry.example.com/app:1.2 is «größer»")).toBe("registry.example.com/app:1.2 is «größer»");
  });
});

describe("parseHash", () => {
  it("reads what it should, in hex and in base64", () => {
    const hash = fc.constantFrom<[string, number]>(["sha256", 32], ["sha512", 64]);
    fc.assert(
      fc.property(
        hash.chain(([name, size]) => fc.tuple(fc.constant(name), fc.uint8Array({ minLength: size, maxLength: size }))),
        ([name, bytes]) => {
          const digest = Buffer.from(bytes);
          for (const text of [
            `${name}=${digest.toString("hex")}`,
            `${name}:${digest.toString("hex")}`,
            `${name}-${digest.toString("base64")}`,
          ]) {
            expect(parseHash(text)).toEqual({ algorithm: name, digest });
          }
        },
      ),
    );
  });

  it("refuses everything else", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => parseHash(text)).toThrow(Stop);
      }),
    );
  });
});

describe("unpack", () => {
  const field = (text: string, length: number) => Buffer.concat([Buffer.from(text)], length);
  const entry = fc
    .record({
      name: fc.oneof(
        fc.constantFrom(
          "dist/index.js",
          "./dist/a.js",
          "x/dist/b.js",
          "../dist/c.js",
          "/dist/d.js",
          "dist/../e.js",
          "dist/.f",
          "dist/g/h.js",
        ),
        fc.string({ maxLength: 99 }),
      ),
      size: fc.oneof(
        fc.nat(2000).map((n) => n.toString(8)),
        fc.string({ maxLength: 12 }),
      ),
      type: fc.constantFrom("0", "\0", "1", "2", "5", "x", "g", "L"),
      prefix: fc.oneof(fc.constant(""), fc.constantFrom("..", "/etc", "dist"), fc.string({ maxLength: 100 })),
      body: fc.uint8Array({ maxLength: 1024 }),
    })
    .map(({ name, size, type, prefix, body }) =>
      Buffer.concat([
        field(name, 100),
        field("", 24),
        field(size, 12),
        field("", 20),
        field(type, 1),
        field("/etc/passwd", 100),
        field("ustar", 8),
        field("", 80),
        field(prefix, 167),
        field(Buffer.from(body).toString("latin1"), Math.ceil(body.length / 512) * 512),
      ]),
    );

  it("writes plain files into its own folder or stops, whatever the archive holds", async () => {
    const base = temporaryFolder();
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array(),
          fc.array(entry, { maxLength: 4 }).map((entries) => gzipSync(Buffer.concat(entries))),
        ),
        async (bytes) => {
          const outer = mkdtempSync(path.join(base, "o-"));
          const target = mkdtempSync(path.join(outer, "dist-"));
          await unpack(bytes, target, "test").catch((error: unknown) => {
            expect(error).toBeInstanceOf(Stop);
          });
          expect(readdirSync(outer)).toHaveLength(1);
          for (const file of readdirSync(target, { withFileTypes: true })) {
            expect(file.isFile() && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(file.name)).toBe(true);
          }
        },
      ),
    );
  });
});

describe("the input program", () => {
  it("stops with a sentence for everything that names no source", async () => {
    const start = fc.constantFrom("", "project:", "npm:", "path:", "project:a/b@", "npm:a@1.2.3#", "file:", "ftp://");
    await fc.assert(
      fc.asyncProperty(start, fc.string({ unit: "binary" }), async (scheme, rest) => {
        fc.pre(!/^https?:/.test(scheme + rest));
        const outcome = getProgram(scheme + rest, temporaryFolder(), {});
        await expect(outcome).rejects.toBeInstanceOf(Stop);
        await expect(outcome).rejects.toMatchObject({
          status: 2,
          message: expect.any(String),
          mend: expect.any(String),
        });
      }),
    );
  });
});
