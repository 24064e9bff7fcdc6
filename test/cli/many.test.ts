import { afterEach, describe, expect, it } from "vitest";
import { digestOf } from "../../src/model/digest.ts";
import { LIMITS } from "../../src/model/limits.ts";
import { OCI_MANIFEST, SIGSTORE_BUNDLE } from "../../src/model/media-types.ts";
import { bareKey } from "../formats/support/signing.ts";
import { status, throttled, withFaults } from "../support/faults.ts";
import { type PushedImage, pushImage, storageSink } from "../support/images.ts";
import { type StartedRegistry, type StartOptions, startRegistry } from "../support/start-registry.ts";
import { makeKey } from "../trust/support/pki.ts";
import { attachAsReferrer, attachAsTag, listUnderTag, signatureOf } from "./support/attach.ts";
import { publicKeyPem } from "./support/keys.ts";
import { createMachine } from "./support/machine.ts";
import { errorCodes, verifyReportOf } from "./support/reports.ts";

const machine = createMachine();
const key = makeKey("p256");
const signing = { key, material: bareKey(key) };
const publicKey = machine.file("cosign.pub", publicKeyPem(key));

const started: StartedRegistry[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.close()));
});

async function start(options: StartOptions = {}): Promise<StartedRegistry> {
  const registry = await startRegistry(options);
  started.push(registry);
  return registry;
}

async function push(registry: StartedRegistry, tag: string, signed = true): Promise<PushedImage> {
  const target = { registry, repository: "app" };
  const image = await pushImage(storageSink(registry.storage, "app"), { tag });
  if (signed) await attachAsTag(target, image.digest, [signatureOf("cosign", target, image, signing)]);
  return image;
}

async function verify(...args: readonly string[]) {
  const run = await machine.run(["verify", "--key", publicKey, "--output", "json", ...args]);
  return { exit: run.exit, stderr: run.stderr, report: verifyReportOf(run) };
}

describe("an image with 10,000 junk referrers", () => {
  const JUNK = 10_000;

  async function junked(artifactType: string, where: "referrers API" | "fallback tag") {
    const registry = await start({ referrersApi: where === "referrers API", referrersPage: 500 });
    const target = { registry, repository: "app" };
    const image = await pushImage(storageSink(registry.storage, "app"), { tag: "1" });
    const junk = Array.from({ length: JUNK }, (_, at) => {
      const bytes = Buffer.from(`junk ${at}`);
      return { mediaType: OCI_MANIFEST, digest: digestOf(bytes), size: bytes.length, artifactType };
    });
    const listed = new Map(junk.map((descriptor) => [descriptor.digest, descriptor]));
    if (where === "referrers API") registry.storage.getOrCreate("app").referrers.set(image.digest, listed);
    const good = await attachAsReferrer(target, image.descriptor, signatureOf("bundle", target, image, signing));
    if (where === "fallback tag") await listUnderTag(target, image.digest, [...junk, good]);
    return { registry, reference: `${registry.host}/app@${image.digest}` };
  }

  it.each(["referrers API", "fallback tag"] as const)("of another type, by %s: finds the good one", async (where) => {
    const { registry, reference } = await junked("application/vnd.example.sbom", where);
    const { exit, report } = await verify(reference);
    expect(report.verdict).toBe("trusted");
    expect(exit).toBe(0);
    const fetched = registry.count("GET", /manifests\/sha256:|blobs/);
    // The image, the good referrer and its bundle; and the payload that a signature under the tag would have.
    expect(fetched).toBeLessThanOrEqual(4);
    expect(registry.requests.length).toBeLessThanOrEqual(JUNK / 500 + 7);
  });

  it.each(["referrers API", "fallback tag"] as const)(
    "of the type of signatures, by %s: looks at no more than the limit, and names it",
    async (where) => {
      const { registry, reference } = await junked(SIGSTORE_BUNDLE, where);
      const { exit, report } = await verify(reference);
      expect(report.verdict).toBe("undetermined");
      expect(exit).toBe(3);
      expect(errorCodes(report)).toContain("E_LIMIT");
      expect(registry.requests.length).toBeLessThanOrEqual(LIMITS.signatures + JUNK / 500 + 6);
    },
  );
});

describe("many images in one run", () => {
  it("looks at each digest once, however many tags name it", async () => {
    const registry = await start();
    const image = await push(registry, "1.0");
    for (const tag of ["1", "latest", "stable"]) registry.storage.getOrCreate("app").tags.set(tag, image.digest);
    const names = ["1.0", "1", "latest", "stable"].map((tag) => `${registry.host}/app:${tag}`);
    const { report } = await verify(...names, `${registry.host}/app@${image.digest}`, names[0] ?? "");
    expect(report.images.map(({ verdict }) => verdict)).toEqual(Array.from({ length: 5 }, () => "trusted"));
    expect(report.images.map(({ reference }) => reference)).toEqual([...names, `${registry.host}/app@${image.digest}`]);
    expect(registry.count("GET", /\.sig$/)).toBe(1);
    expect(registry.count("GET", /referrers/)).toBe(1);
    expect(registry.count("GET", /blobs/)).toBe(1);
    for (const tag of ["1.0", "1", "latest", "stable"]) expect(registry.count("GET", new RegExp(`/${tag}$`))).toBe(1);
  });

  it("reports all of them when some fail, in the order they were named", async () => {
    const registry = await start({
      wrap: [(inner) => withFaults(inner, [{ path: /manifests\/throttled$/, fault: throttled(3600) }])],
    });
    for (const tag of ["a", "z"]) await push(registry, tag);
    await push(registry, "bare", false);
    await push(registry, "throttled");
    const tags = ["a", "lost", "throttled", "bare", "z"];
    const { exit, report } = await verify(...tags.map((tag) => `${registry.host}/app:${tag}`), "127.0.0.1:1/app:1");
    expect(report.images.map(({ verdict, status }) => [verdict, status])).toEqual([
      ["trusted", "verified"],
      ["untrusted", "missing"],
      ["undetermined", "unreachable"],
      ["unsigned", "unsigned"],
      ["trusted", "verified"],
      ["undetermined", "unreachable"],
    ]);
    expect(report.verdict).toBe("untrusted");
    expect(exit).toBe(1);
  });

  it("takes them from a file and from standard input, comments and blanks passed over", async () => {
    const registry = await start();
    for (const tag of ["a", "b", "c"]) await push(registry, tag);
    const list = machine.file("list.txt", `# built\r\n\n  ${registry.host}/app:b  \r\n`);
    const run = await machine.run(
      ["verify", "--key", publicKey, "--output", "json", "--images", list, "-", `${registry.host}/app:a`],
      { stdin: `${registry.host}/app:c\n` },
    );
    expect(verifyReportOf(run).images.map(({ reference }) => reference.slice(-1))).toEqual(["a", "c", "b"]);
    expect(run.exit).toBe(0);
  });

  it("tells how far it is on standard error", async () => {
    const registry = await start();
    const names: string[] = [];
    for (let at = 0; at < 20; at += 1) {
      await push(registry, `t${at}`);
      names.push(`${registry.host}/app:t${at}`);
    }
    const { stderr } = await verify(...names);
    expect(stderr).toContain("verified 20/20\n");
    expect(stderr.split("\n").length).toBeLessThanOrEqual(11);
  });
});

describe("a whole repository", () => {
  it("is every tag but those that carry signatures, with --all, over many pages", async () => {
    const registry = await start({ tagsPage: 2 });
    for (const tag of ["1.0", "1.1", "dev"]) await push(registry, tag);
    const { exit, report } = await verify("--all", `${registry.host}/app`);
    expect(report.images.map(({ reference }) => reference)).toEqual(
      ["1.0", "1.1", "dev"].map((tag) => `${registry.host}/app:${tag}`),
    );
    expect(exit).toBe(0);
  });

  it("is what matches any pattern, with --tags", async () => {
    const registry = await start();
    for (const tag of ["v1.0", "v1.1", "v2.0", "xv1.0", "latest"]) await push(registry, tag);
    const { report } = await verify("--tags", "v1.?", "--tags", "lat*", `${registry.host}/app`);
    expect(report.images.map(({ reference }) => reference.slice(registry.host.length))).toEqual([
      "/app:latest",
      "/app:v1.0",
      "/app:v1.1",
    ]);
  });

  it("that cannot be listed stands in the report beside those that can", async () => {
    const registry = await start({
      wrap: [(inner) => withFaults(inner, [{ path: /^\/v2\/hidden\/tags/, fault: status(403) }])],
    });
    await push(registry, "1");
    const { exit, report } = await verify("--all", `${registry.host}/hidden`, `${registry.host}/app`);
    expect(report.images.map(({ reference, verdict }) => [reference.slice(registry.host.length), verdict])).toEqual([
      ["/app:1", "trusted"],
      ["/hidden", "undetermined"],
    ]);
    expect(errorCodes(report)).toEqual(["E_REGISTRY_DENIED"]);
    expect(exit).toBe(3);
  });
});

describe("every image of an index, with --recursive", () => {
  const platforms = [
    { os: "linux", architecture: "amd64" },
    { os: "linux", architecture: "arm64" },
  ];

  it("needs a signature of its own", async () => {
    const registry = await start();
    const target = { registry, repository: "app" };
    const index = await pushImage(storageSink(registry.storage, "app"), { tag: "1", platforms });
    const sign = (image: PushedImage) =>
      attachAsTag(target, image.digest, [signatureOf("cosign", target, image, signing)]);
    await sign(index);
    const [amd64, arm64] = index.children;
    if (amd64 === undefined || arm64 === undefined) throw new Error("no children");
    await sign(amd64);
    const reference = `${registry.host}/app:1`;
    expect((await verify(reference)).report.verdict).toBe("trusted");
    const { exit, report } = await verify("--recursive", reference);
    expect(report.images.map(({ digest, verdict }) => [digest, verdict])).toEqual([
      [index.digest, "trusted"],
      [amd64.digest, "trusted"],
      [arm64.digest, "unsigned"],
    ]);
    expect(exit).toBe(1);
  });

  it("that is not all there is no verdict about the index", async () => {
    const registry = await start();
    const index = await pushImage(storageSink(registry.storage, "app"), { tag: "1", platforms });
    registry.storage.remove("app", index.children[1]?.digest ?? index.digest);
    const { exit, report } = await verify("--recursive", `${registry.host}/app:1`);
    expect(errorCodes(report)).toContain("E_SUBJECT_NOT_FOUND");
    expect(report.verdict).toBe("untrusted");
    expect(exit).toBe(1);
  });
});
