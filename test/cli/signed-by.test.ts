import { afterEach, describe, expect, it } from "vitest";
import { status, withFaults } from "../support/faults.ts";
import { pushImage, storageSink } from "../support/images.ts";
import { type StartedRegistry, type StartOptions, startRegistry } from "../support/start-registry.ts";
import { createPki, makeKey } from "../trust/support/pki.ts";
import { keyPem, publicKeyPem } from "./support/keys.ts";
import { createMachine } from "./support/machine.ts";
import { expectClean, parseReport, saidIn, storageState } from "./support/refusals.ts";
import { errorCodes, signReportOf, verifyReportOf } from "./support/reports.ts";

const machine = createMachine();
const [old, next, foreign] = [makeKey("p256"), makeKey("p384"), makeKey("ed25519")];
const file = {
  old: machine.file("old.key", keyPem(old)),
  oldPublic: machine.file("old.pub", publicKeyPem(old)),
  next: machine.file("next.key", keyPem(next)),
  nextPublic: machine.file("next.pub", publicKeyPem(next)),
  foreign: machine.file("foreign.key", keyPem(foreign)),
};
const pki = createPki();
const root = machine.file("root.pem", pki.root.pem);
const certified = [
  ...["--key", machine.file("leaf.key", keyPem(pki.key)), "--certificate", machine.file("leaf.pem", pki.leaf.pem)],
  ...["--certificate-chain", machine.file("chain.pem", pki.intermediates.map(({ pem }) => pem).join(""))],
];

const started: StartedRegistry[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.close()));
});

async function start(options: StartOptions = {}): Promise<StartedRegistry> {
  const registry = await startRegistry(options);
  started.push(registry);
  for (const tag of ["bare", "cosign", "bundle", "both", "foreign"]) {
    await pushImage(storageSink(registry.storage, "app"), { tag, seed: tag });
  }
  return registry;
}

async function sign(...args: readonly string[]) {
  const run = await machine.run(["sign", "--output", "json", ...args]);
  expectClean(run);
  return { exit: run.exit, report: signReportOf(run) };
}

/** As after some time of use: two formats, an image that nobody signed, one that somebody else did. */
async function used(): Promise<{ readonly registry: StartedRegistry; readonly image: (tag: string) => string }> {
  const registry = await start();
  const image = (tag: string) => `${registry.host}/app:${tag}`;
  await sign("--key", file.old, "--format", "cosign", image("cosign"));
  await sign("--key", file.old, "--format", "bundle", image("bundle"));
  await sign("--key", file.old, "--format", "cosign,bundle", image("both"));
  await sign("--key", file.foreign, image("foreign"));
  return { registry, image };
}

function outcomes({ images }: Awaited<ReturnType<typeof sign>>["report"]) {
  return Object.fromEntries(
    images.map(({ reference, status: outcome, skippedAs }) => [
      reference.slice(reference.lastIndexOf(":") + 1),
      skippedAs === undefined ? outcome : `${outcome}, ${skippedAs}`,
    ]),
  );
}

async function trusted(key: string, image: string): Promise<boolean> {
  return verifyReportOf(await machine.run(["verify", "--output", "json", "--key", key, image])).verdict === "trusted";
}

describe("a new key beside an old one, with --all --signed-by", () => {
  it("signs wherever a valid signature by the old key stands, in any format, and nowhere else", async () => {
    const { registry, image } = await used();
    const { exit, report } = await sign(
      "--key",
      file.next,
      "--all",
      "--signed-by",
      file.oldPublic,
      `${registry.host}/app`,
    );
    expect(outcomes(report)).toEqual({
      bare: "skipped, unsigned",
      cosign: "signed",
      bundle: "signed",
      both: "signed",
      foreign: "skipped, untrusted",
    });
    expect(exit).toBe(0);
    for (const tag of ["cosign", "bundle", "both"]) {
      expect([tag, await trusted(file.oldPublic, image(tag)), await trusted(file.nextPublic, image(tag))]).toEqual([
        tag,
        true,
        true,
      ]);
    }
    for (const tag of ["bare", "foreign"]) expect(await trusted(file.nextPublic, image(tag))).toBe(false);
  });

  it("adds nothing the second time", async () => {
    const { registry } = await used();
    const args = ["--key", file.next, "--all", "--signed-by", file.oldPublic, `${registry.host}/app`];
    await sign(...args);
    const before = storageState(registry);
    const { exit, report } = await sign(...args);
    expect([exit, outcomes(report)["both"], outcomes(report)["bare"]]).toEqual([0, "unchanged", "skipped, unsigned"]);
    expect(storageState(registry)).toBe(before);
  });

  it("takes any of several old keys, and warns when it was for nothing", async () => {
    const { registry } = await used();
    const some = ["--signed-by", file.oldPublic, "--signed-by", machine.file("foreign.pub", publicKeyPem(foreign))];
    const { report } = await sign("--key", file.next, "--all", ...some, `${registry.host}/app`);
    expect(outcomes(report)["foreign"]).toBe("signed");
    const nobody = machine.file("nobody.pub", publicKeyPem("p256"));
    const none = await sign("--key", file.next, "--all", "--signed-by", nobody, `${registry.host}/app`);
    expect(none.exit).toBe(0);
    expect(none.report.warnings.join()).toContain("nothing was signed");
  });

  it("does not take what is signed for another image for a signature", async () => {
    const { registry } = await used();
    const kept = registry.storage.get("app");
    const [bare, signed] = [kept?.tags.get("bare"), kept?.tags.get("cosign")];
    if (kept === undefined || bare === undefined || signed === undefined) throw new Error("no images");
    const signature = kept.tags.get(`${signed.replace(":", "-")}.sig`);
    if (signature === undefined) throw new Error("no signature");
    kept.tags.set(`${bare.replace(":", "-")}.sig`, signature);
    const { report } = await sign("--key", file.next, "--all", "--signed-by", file.oldPublic, `${registry.host}/app`);
    expect(outcomes(report)["bare"]).toBe("skipped, untrusted");
  });

  it("fails, and does not skip, where the old signature could not be looked for", async () => {
    const { registry } = await used();
    const before = storageState(registry);
    let down = false;
    const behind = await startRegistry({
      wrap: [
        () =>
          withFaults(
            async (request) => {
              const url = new URL(request.url.pathname + request.url.search, registry.origin);
              const answer = await fetch(url, {
                method: request.method,
                headers: { accept: request.headers["accept"] ?? "*/*" },
              });
              const headers = Object.fromEntries([...answer.headers].filter(([name]) => name !== "content-encoding"));
              return { status: answer.status, headers, body: new Uint8Array(await answer.arrayBuffer()) };
            },
            [{ path: /\.sig$/, fault: (request, pass) => (down ? status(403)(request, pass) : pass()) }],
          ),
      ],
    });
    started.push(behind);
    down = true;
    const { exit, report } = await sign(
      "--key",
      file.next,
      "--all",
      "--signed-by",
      file.oldPublic,
      `${behind.host}/app`,
    );
    // What cannot be told from the place that answered is not told at all; what can be is not signed without seeing what is there.
    expect(outcomes(report)).toEqual({
      bare: "failed",
      cosign: "failed",
      bundle: "failed",
      both: "failed",
      foreign: "failed",
    });
    expect(errorCodes(report)).toEqual(["E_REGISTRY_DENIED"]);
    expect(exit).toBe(3);
    expect(storageState(registry)).toBe(before);
  });
});

describe("a certificate authority as the old signer", () => {
  it("is named by its roots, and by the name in its certificates", async () => {
    const { registry, image } = await used();
    await sign(...certified, image("bare"));
    const by = (...rest: readonly string[]) =>
      sign("--key", file.next, "--all", "--signed-by-ca-roots", root, ...rest, `${registry.host}/app`);
    const stranger = await by("--signed-by-identity", "stranger@example.com");
    expect(outcomes(stranger.report)["bare"]).toBe("skipped, untrusted");
    const { report } = await by("--signed-by-identity", "release@example.com");
    expect(outcomes(report)).toMatchObject({ bare: "signed", cosign: "skipped, untrusted" });
    expect((await by()).report.images.find(({ reference }) => reference.endsWith(":bare"))?.status).toBe("unchanged");
  });

  it("cannot be named by half", async () => {
    for (const flags of [
      ["--signed-by-identity", "a"],
      ["--signed-by-ca-roots", root, "--signed-by-identity", ""],
    ]) {
      const run = await machine.run(["sign", "--output", "json", "--key", file.next, ...flags, "127.0.0.1:1/app:1"]);
      expect([run.exit, ...saidIn(parseReport(run.stdout)).map(({ code }) => code)]).toEqual([2, "E_USAGE"]);
    }
    const run = await machine.run([
      "sign",
      "--output",
      "json",
      "--key",
      file.next,
      "--signed-by",
      file.old,
      "127.0.0.1:1/app:1",
    ]);
    expect([run.exit, ...saidIn(parseReport(run.stdout)).map(({ code }) => code)]).toEqual([2, "E_KEY_INVALID"]);
  });
});

describe("the text report", () => {
  it("tells what was left alone, and why", async () => {
    const { registry } = await used();
    const run = await machine.run([
      "sign",
      "--key",
      file.next,
      "--all",
      "--signed-by",
      file.oldPublic,
      `${registry.host}/app`,
    ]);
    expect(run.stdout).toMatch(/app:bare: skipped, nothing signed it\n/);
    expect(run.stdout).toMatch(/app:foreign: skipped, no valid signature/);
    expect(run.stdout).toMatch(/5 images: 3 signed, 2 skipped\n$/);
  });
});
