import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { pushImage, storageSink } from "../support/images.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { makeKey } from "../trust/support/pki.ts";
import { keyPem, publicKeyPem } from "./support/keys.ts";
import { createMachine } from "./support/machine.ts";
import { parseReport } from "./support/refusals.ts";

const machine = createMachine();
const key = makeKey("p256");
const privateKey = machine.file("cosign.key", keyPem(key));
const publicKey = machine.file("cosign.pub", publicKeyPem(key));

const started: StartedRegistry[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.close()));
});

/** A registry that has `app:1`, unsigned. */
async function start(): Promise<StartedRegistry> {
  const registry = await startRegistry();
  started.push(registry);
  await pushImage(storageSink(registry.storage, "app"), { tag: "1" });
  return registry;
}

describe("a report that is kept in files", () => {
  it("takes the place of that of an earlier run", async () => {
    const registry = await start();
    const file = machine.file("again.json", "an earlier report");
    const run = await machine.run(["sign", "--key", privateKey, "--report", file, `${registry.host}/app:1`]);
    expect([run.exit, run.stderr]).toEqual([0, ""]);
    expect(parseReport(readFileSync(file, "utf8"))).toMatchObject({ operation: "sign" });
  });

  it("is of the kind that the ending of each says", async () => {
    const registry = await start();
    const files = ["a.json", "b.txt", "c.XML", "d.md", ".env"].map((name) => machine.absent(name));
    const flags = files.flatMap((file) => ["--report", file]);
    const run = await machine.run(["sign", "--key", privateKey, ...flags, `${registry.host}/app:1`]);
    expect([run.exit, run.stderr]).toEqual([0, ""]);
    const [json = "", other, xml, markdown, dotenv] = files.map((file) => readFileSync(file, "utf8"));
    expect(parseReport(json)).toMatchObject({ operation: "sign", images: [{ status: "signed" }] });
    expect(other).toBe(json);
    expect(xml).toContain(`<testcase classname="countersign.sign" name="${registry.host}/app:1">`);
    expect(markdown).toMatch(/^### ✅ countersign sign: 1 image: 1 ok\n/);
    expect(dotenv).toMatch(/^COUNTERSIGN_REFERENCE=127\.0\.0\.1:[0-9]+\/app@sha256:[0-9a-f]{64}$/m);
  });

  it("is written of a refusal, too, which ends as it would", async () => {
    const registry = await start();
    const file = machine.absent("refused.xml");
    const run = await machine.run(["verify", "--key", publicKey, "--report", file, `${registry.host}/app:1`]);
    expect(run.exit).toBe(1);
    expect(readFileSync(file, "utf8")).toContain('<failure message="unsigned" type="unsigned">');
  });

  it("is refused before the first request when two would have the same file", async () => {
    const registry = await start();
    const file = machine.absent("same.xml");
    const again = `${dirname(file)}/../${basename(dirname(file))}/same.xml`;
    const flags = ["--report", file, "--report", again];
    const run = await machine.run(["sign", "--key", privateKey, ...flags, `${registry.host}/app:1`]);
    expect(run.exit).toBe(2);
    expect(run.stderr).toMatch(/E_USAGE: --report .*same\.xml: this file is named twice\n {2}mend: /);
    expect(registry.requests).toEqual([]);
    expect(existsSync(file)).toBe(false);
  });

  it("is refused where the payload goes", async () => {
    const registry = await start();
    const file = machine.absent("payload.json");
    const run = await machine.run(["payload", "--out", file, "--report", file, `${registry.host}/app:1`]);
    expect([run.exit, registry.requests, existsSync(file)]).toEqual([2, [], false]);
    expect(run.stderr).toContain("payload.json: this file is named twice");
  });

  it("is in the other files when one cannot be written in the end, and the run does not end in 0", async () => {
    const registry = await start();
    const [lost, kept] = [machine.absent("lost.md"), machine.absent("kept.xml")];
    const flags = ["--report", lost, "--report", kept];
    const running = machine.run(["sign", "--key", privateKey, ...flags, `${registry.host}/app:1`]);
    // A folder in its place, made after the places were tried.
    while (registry.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    mkdirSync(lost);
    const run = await running;
    expect(run.exit).toBe(3);
    expect(run.stderr).toContain("E_FILE_UNWRITABLE");
    expect(readFileSync(kept, "utf8")).toContain("<testcase ");
  });
});
