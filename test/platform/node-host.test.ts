import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { CountersignError } from "../../src/model/errors.ts";
import type { Command } from "../../src/platform/host.ts";
import { createNodeHost } from "../../src/platform/node-host.ts";
import { serve } from "../../src/platform/serve.ts";
import { bundle } from "../support/bundle.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const host = createNodeHost();
const { files } = host;
const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe("reading a file", () => {
  it("gives it whole, up to and with the limit", async () => {
    const path = join(temporaryFolder(), "a");
    writeFileSync(path, "x".repeat(10_000));
    expect(decode(await files.read(path, 10_000))).toBe("x".repeat(10_000));
    await expect(files.read(path, 9_999)).rejects.toMatchObject({ code: "E_FILE_TOO_LARGE", exit: 2 });
    writeFileSync(path, "");
    expect(await files.read(path, 0)).toHaveLength(0);
  });

  it("is bounded where there is no size to see", async () => {
    await expect(files.read("/dev/zero", 100_000)).rejects.toMatchObject({ code: "E_FILE_TOO_LARGE" });
    expect(decode(await files.read("/proc/self/stat", 10_000))).toContain(String(process.pid));
  });

  it("names what cannot be read", async () => {
    const folder = temporaryFolder();
    await expect(files.read(join(folder, "none"), 10)).rejects.toMatchObject({
      code: "E_FILE_UNREADABLE",
      message: `${join(folder, "none")} cannot be read: ENOENT`,
    });
    await expect(files.read(folder, 10)).rejects.toMatchObject({
      code: "E_FILE_UNREADABLE",
      hint: "name a file, not a folder",
    });
  });
});

describe("streaming a file", () => {
  const large = Buffer.alloc(700_000, "stream");

  it("gives and takes it in pieces, and tells its size", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "from"), large);
    expect(await files.size(join(folder, "from"))).toBe(large.length);
    expect(await files.size(join(folder, "none"))).toBeUndefined();
    await files.writeFrom(join(folder, "deep", "to"), files.open(join(folder, "from")));
    expect(Buffer.from(await files.read(join(folder, "deep", "to"), large.length)).equals(large)).toBe(true);
  });

  it("leaves nothing of what broke off, and throws why", async () => {
    const folder = temporaryFolder();
    const breaking = async function* () {
      yield large;
      throw new CountersignError("E_NETWORK", "broken");
    };
    await expect(files.writeFrom(join(folder, "to"), breaking())).rejects.toMatchObject({ code: "E_NETWORK" });
    expect(await files.list(folder)).toEqual([]);
    await expect(async () => {
      for await (const _ of files.open(join(folder, "none")));
    }).rejects.toMatchObject({ code: "E_FILE_UNREADABLE" });
  });
});

describe("writing a file", () => {
  it("makes folders, replaces what is there, and leaves nothing beside it", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "a/b/c");
    await files.write(path, encode("one"));
    await files.write(path, encode("two"), { mode: 0o600 });
    expect(readFileSync(path, "utf8")).toBe("two");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(folder, "a/b"))).toEqual(["c"]);
  });

  it("when exclusive never replaces anything, not even a link to nowhere, and has one winner", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "key");
    const writes = await Promise.allSettled(
      Array.from({ length: 8 }, (_, n) => files.write(path, encode(`${n}`), { exclusive: true })),
    );
    expect(writes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(writes.find(({ status }) => status === "rejected")).toMatchObject({
      reason: { code: "E_FILE_EXISTS", exit: 2 },
    });
    symlinkSync("/nowhere", join(folder, "link"));
    await expect(files.write(join(folder, "link"), encode("x"), { exclusive: true })).rejects.toMatchObject({
      code: "E_FILE_EXISTS",
    });
    expect(readdirSync(folder).sort()).toEqual(["key", "link"]);
  });

  it("names what cannot be written", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "file"), "");
    await expect(files.write(join(folder, "file/below"), encode("x"))).rejects.toMatchObject({
      code: "E_FILE_UNWRITABLE",
    });
    mkdirSync(join(folder, "folder"));
    await expect(files.write(join(folder, "folder"), encode("x"))).rejects.toMatchObject({ code: "E_FILE_UNWRITABLE" });
    expect(readdirSync(folder).sort()).toEqual(["file", "folder"]);
  });
});

describe("folders", () => {
  it("list their names, an absent one none; and go", async () => {
    const folder = temporaryFolder();
    await files.write(join(folder, "a/x"), encode(""));
    expect(await files.list(join(folder, "a"))).toEqual(["x"]);
    expect(await files.list(join(folder, "none"))).toEqual([]);
    await expect(files.list(join(folder, "a/x"))).rejects.toMatchObject({ code: "E_FILE_UNREADABLE" });
    expect(await files.exists(join(folder, "a"))).toBe(true);
    await files.remove(join(folder, "a"));
    await files.remove(join(folder, "a"));
    expect(await files.exists(join(folder, "a"))).toBe(false);
  });
});

describe("running a program", () => {
  const run = (argv: Command["argv"], more: Partial<Command> = {}) =>
    host.run({ argv, timeout: 10_000, outputLimit: 10_000, ...more });
  const node = (script: string, more: Partial<Command> = {}) => run([process.execPath, "-e", script], more);

  it("gives its output and exit code, input passed in", async () => {
    const script =
      'process.stdin.on("data", (d) => process.stdout.write(d)); process.stdin.on("end", () => { console.error("e"); process.exitCode = 7; })';
    const { exitCode, stdout, stderr } = await node(script, { stdin: encode("in") });
    expect([exitCode, decode(stdout), decode(stderr)]).toEqual([7, "in", "e\n"]);
  });

  it("uses no shell", async () => {
    const { stdout } = await run(["echo", "$HOME; `id` && x"]);
    expect(decode(stdout)).toBe("$HOME; `id` && x\n");
  });

  it("hands over the named part of the environment alone", async () => {
    process.env["COUNTERSIGN_TEST_SECRET"] = "planted-secret";
    process.env["COUNTERSIGN_TEST_PASSED"] = "passed";
    const { stdout } = await createNodeHost().run({
      argv: ["env"],
      timeout: 10_000,
      outputLimit: 10_000,
      passEnv: ["COUNTERSIGN_TEST_PASSED", "NOT_SET"],
    });
    const names = decode(stdout)
      .split("\n")
      .map((line) => line.split("=", 1)[0]);
    expect(names).toContain("PATH");
    expect(names).toContain("COUNTERSIGN_TEST_PASSED");
    expect(decode(stdout)).not.toContain("planted-secret");
    delete process.env["COUNTERSIGN_TEST_SECRET"];
    delete process.env["COUNTERSIGN_TEST_PASSED"];
  });

  it("does not mind input that is left unread", async () => {
    expect((await run(["true"], { stdin: new Uint8Array(4 << 20) })).exitCode).toBe(0);
  });

  it("is ended with all its children after the time limit", async () => {
    const folder = temporaryFolder();
    const script = join(folder, "family.sh");
    writeFileSync(script, `#!/bin/sh\n(sleep 1; echo alive > ${folder}/grandchild) &\nsleep 30\n`);
    chmodSync(script, 0o755);
    const start = Date.now();
    await expect(run([script], { timeout: 200 })).rejects.toMatchObject({ code: "E_TIMEOUT", exit: 3 });
    expect(Date.now() - start).toBeLessThan(5000);
    await delay(1300);
    expect(existsSync(join(folder, "grandchild"))).toBe(false);
  });

  it("is not waited for through a child that left its group with the output in hand", async () => {
    const start = Date.now();
    await expect(run(["sh", "-c", "setsid sleep 3 & sleep 3"], { timeout: 200 })).rejects.toMatchObject({
      code: "E_TIMEOUT",
    });
    expect(Date.now() - start).toBeLessThan(2000);
  });

  it("is ended when it writes too much, to either stream", async () => {
    for (const stream of ["stdout", "stderr"]) {
      const flood = `setInterval(() => process.${stream}.write("x".repeat(10000)), 1)`;
      await expect(node(flood, { outputLimit: 50_000 })).rejects.toMatchObject({ code: "E_LIMIT", exit: 3 });
    }
  });

  it("that dies by a signal has the shell's exit code for it", async () => {
    expect((await node('process.kill(process.pid, "SIGTERM"); setTimeout(() => {}, 5000)')).exitCode).toBe(143);
  });

  it("that cannot be started is named", async () => {
    await expect(run(["countersign-no-such-program"])).rejects.toMatchObject({
      code: "E_COMMAND",
      exit: 2,
      message: "countersign-no-such-program cannot be started: ENOENT",
    });
    await expect(run([temporaryFolder()])).rejects.toMatchObject({ code: "E_COMMAND" });
    await expect(run(["a\0b"])).rejects.toMatchObject({ code: "E_COMMAND" });
  });
});

describe("the rest of the world", () => {
  it("is the real one", async () => {
    expect(Math.abs(host.now().getTime() - Date.now())).toBeLessThan(1000);
    expect(host.randomBytes(16)).toHaveLength(16);
    expect(host.random()).toBeLessThan(1);
    expect(host.env["PATH"]).toBe(process.env["PATH"]);
    const start = performance.now();
    await host.sleep(20);
    expect(performance.now() - start).toBeGreaterThan(15);
  });

  it("has an environment that nobody changes", () => {
    expect(Object.isFrozen(host.env)).toBe(true);
  });

  it("reads standard input up to a limit", async () => {
    const program = await bundle(`
      import { createNodeHost } from "./src/platform/node-host.ts";
      try { console.log((await createNodeHost().readStdin(5)).length) } catch (error) { console.log(error.code) }`);
    const read = async (input: string) => {
      const argv = [process.execPath, program] as const;
      return decode((await host.run({ argv, stdin: encode(input), timeout: 20_000, outputLimit: 10_000 })).stdout);
    };
    expect(await read("12345")).toBe("5\n");
    expect(await read("123456")).toBe("E_FILE_TOO_LARGE\n");
  });
});

describe("starting up", () => {
  it("loads neither TLS nor processes nor proxies for one request over plain HTTP", async () => {
    const served = await serve(async () => ({ status: 200, headers: {}, body: "ok" }));
    const program = await bundle(
      `
      import { readBody } from "./src/platform/body.ts";
      import { createExchange } from "./src/platform/http.ts";
      import "./src/platform/node-host.ts";
      const response = await createExchange()({ method: "GET", url: new URL(process.argv[2]), headers: {} });
      await readBody(response, 10);
      const heavy = ["https", "tls", "_tls_wrap", "child_process", "internal/deps/undici/undici"];
      console.log(JSON.stringify(heavy.filter((name) => process.moduleLoadList.includes("NativeModule " + name))));`,
      ["https-proxy-agent", "proxy-from-env"],
    );
    const argv = [process.execPath, program, served.origin] as const;
    const { stdout, stderr } = await host.run({ argv, timeout: 20_000, outputLimit: 10_000 });
    await served.close();
    expect(decode(stderr)).toBe("");
    expect(JSON.parse(decode(stdout))).toEqual([]);
  });
});
