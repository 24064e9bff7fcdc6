import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { type Fault, status, throttled, withFaults } from "../support/faults.ts";
import { pushImage, storageSink } from "../support/images.ts";
import { type StartedRegistry, type StartOptions, startRegistry } from "../support/start-registry.ts";
import { createPki, makeKey } from "../trust/support/pki.ts";
import { keyPem, publicKeyPem } from "./support/keys.ts";
import { createMachine } from "./support/machine.ts";
import { expectClean, parseReport, storageState } from "./support/refusals.ts";
import { errorCodes, onlyImage, signReportOf, verifyReportOf } from "./support/reports.ts";

const machine = createMachine();
const [first, second] = [makeKey("p256"), makeKey("ed25519")];
const keys = {
  first: machine.file("first.key", keyPem(first)),
  firstPublic: machine.file("first.pub", publicKeyPem(first)),
  second: machine.file("second.key", keyPem(second)),
  secondPublic: machine.file("second.pub", publicKeyPem(second)),
};

const started: StartedRegistry[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.close()));
});

/** A registry that has `app:1`. */
async function start(options: StartOptions = {}, tags: readonly string[] = ["1"]): Promise<StartedRegistry> {
  const registry = await startRegistry(options);
  started.push(registry);
  for (const tag of tags) await pushImage(storageSink(registry.storage, "app"), { tag, seed: tag });
  return registry;
}

async function sign(...args: readonly string[]) {
  const run = await machine.run(["sign", "--output", "json", ...args]);
  expectClean(run);
  return { exit: run.exit, report: signReportOf(run) };
}

async function verdict(...args: readonly string[]) {
  const run = await machine.run(["verify", "--output", "json", ...args]);
  return verifyReportOf(run).verdict;
}

const registries: readonly (readonly [name: string, options: StartOptions])[] = [
  ["with the referrers API", { referrersApi: true }],
  ["without it", { referrersApi: false }],
  ["that honours conditions", { referrersApi: false, conditionalWrites: true }],
];

describe.each(registries)("signing on a registry %s", (_, options) => {
  it("writes several formats in one run, each of which verifies", async () => {
    const registry = await start(options);
    const image = `${registry.host}/app:1`;
    const { exit, report } = await sign("--key", keys.first, "--format", "cosign,bundle", image);
    const { status: outcome, signatures } = onlyImage(report);
    expect([exit, outcome]).toEqual([0, "signed"]);
    expect(signatures.map(({ format, added }) => [format, added])).toEqual([
      ["cosign", true],
      ["bundle", true],
    ]);
    const run = await machine.run(["verify", "--output", "json", "--key", keys.firstPublic, image]);
    expect(onlyImage(verifyReportOf(run)).signatures.map(({ format, trusted }) => [format, trusted])).toEqual([
      ["cosign", true],
      ["bundle", true],
    ]);
  });

  it("adds nothing the second time", async () => {
    const registry = await start(options);
    const args = ["--key", keys.first, "--format", "cosign,bundle", `${registry.host}/app:1`];
    await sign(...args);
    const before = storageState(registry);
    registry.clear();
    const { exit, report } = await sign(...args);
    expect([exit, onlyImage(report).status]).toEqual([0, "unchanged"]);
    expect(onlyImage(report).signatures.map(({ added }) => added)).toEqual([false, false]);
    expect(storageState(registry)).toBe(before);
    expect(registry.count("PUT") + registry.count("POST")).toBe(0);
  });

  it("adds another key's signature beside the first", async () => {
    const registry = await start(options);
    const image = `${registry.host}/app:1`;
    for (const key of [keys.first, keys.second, keys.first]) {
      await sign("--key", key, "--format", "cosign,bundle", image);
    }
    const run = await machine.run(["verify", "--output", "json", "--key", keys.firstPublic, image]);
    const { signatures } = onlyImage(verifyReportOf(run));
    expect(signatures.map(({ format, trusted }) => `${format} ${trusted}`).sort()).toEqual([
      "bundle false",
      "bundle true",
      "cosign false",
      "cosign true",
    ]);
    expect(await verdict("--key", keys.secondPublic, image)).toBe("trusted");
  });
});

describe("signing with a certificate", () => {
  it("lets verifiers need the root and the name alone", async () => {
    const registry = await start();
    const pki = createPki();
    const image = `${registry.host}/app:1`;
    const { exit } = await sign(
      ...["--key", machine.file("leaf.key", keyPem(pki.key)), "--format", "cosign,bundle"],
      ...["--certificate", machine.file("leaf.pem", pki.leaf.pem)],
      ...["--certificate-chain", machine.file("chain.pem", pki.intermediates.map(({ pem }) => pem).join(""))],
      image,
    );
    expect(exit).toBe(0);
    const root = machine.file("root.pem", pki.root.pem);
    expect(await verdict("--ca-roots", root, "--certificate-identity", "release@example.com", image)).toBe("trusted");
    expect(await verdict("--ca-roots", root, "--certificate-identity", "other@example.com", image)).toBe("untrusted");
  });
});

describe("signing what is not as it should be", () => {
  it("refuses an image that the registry does not have, and writes nothing", async () => {
    const registry = await start();
    const before = storageState(registry);
    for (const reference of ["app:2", `app@sha256:${"0".repeat(64)}`, "lost:1"]) {
      const { exit, report } = await sign("--key", keys.first, `${registry.host}/${reference}`);
      expect([exit, onlyImage(report).status, errorCodes(report)]).toEqual([1, "failed", ["E_SUBJECT_NOT_FOUND"]]);
    }
    expect(storageState(registry)).toBe(before);
  });

  const swapped: Fault = async (request, next) => {
    const answer = await next();
    if (request.method !== "GET" || answer === undefined || !(answer.body instanceof Uint8Array)) return answer;
    const body = Uint8Array.from(answer.body);
    const at = body.length - 20;
    body[at] = (body[at] ?? 0) ^ 1;
    return { ...answer, body };
  };

  it.each([
    ["cosign", /blobs\/sha256/, ["E_DIGEST_MISMATCH"]],
    ["bundle", /blobs\/sha256/, ["E_DIGEST_MISMATCH"]],
    ["bundle", /manifests\/sha256:/, ["E_DIGEST_MISMATCH"]],
  ] as const)("notices a registry that gives back other bytes than it got: %s, %s", async (format, path, codes) => {
    let signing = false;
    const registry = await start({
      wrap: [
        (inner) => (request) => {
          if (request.method === "PUT" && /manifests/.test(request.url.pathname)) signing = true;
          return withFaults(inner, signing ? [{ path, fault: swapped }] : [])(request);
        },
      ],
    });
    const { exit, report } = await sign("--key", keys.first, "--format", format, `${registry.host}/app:1`);
    expect(errorCodes(report)).toEqual(codes);
    expect([exit, onlyImage(report).status]).toEqual([1, "failed"]);
  });

  it("notices a registry that says it has stored something else", async () => {
    const other = `sha256:${"0".repeat(64)}`;
    const lying: Fault = async (request, next) => {
      const answer = await next();
      if (request.method !== "PUT" || answer === undefined) return answer;
      return { ...answer, headers: { ...answer.headers, "docker-content-digest": other } };
    };
    const registry = await start({ wrap: [(inner) => withFaults(inner, [{ path: /manifests/, fault: lying }])] });
    const { exit, report } = await sign("--key", keys.first, `${registry.host}/app:1`);
    expect([exit, errorCodes(report)]).toEqual([1, ["E_DIGEST_MISMATCH"]]);
  });

  it("signs the others when one image fails, and one format when the other fails", async () => {
    const registry = await start(
      { wrap: [(inner) => withFaults(inner, [{ path: /manifests\/throttled$/, fault: throttled(3600) }])] },
      ["1", "2", "throttled"],
    );
    const name = (tag: string) => `${registry.host}/app:${tag}`;
    const { exit, report } = await sign("--key", keys.first, name("1"), name("throttled"), name("2"));
    expect(report.images.map(({ status }) => status)).toEqual(["signed", "failed", "signed"]);
    expect(exit).toBe(3);
    for (const tag of ["1", "2"]) expect(await verdict("--key", keys.firstPublic, name(tag))).toBe("trusted");

    const halved = await start({ wrap: [(inner) => withFaults(inner, [{ path: /referrers/, fault: status(403) }])] });
    const half = await sign("--key", keys.first, "--format", "bundle,cosign", `${halved.host}/app:1`);
    expect(half.exit).toBe(3);
    expect(onlyImage(half.report)).toMatchObject({
      status: "failed",
      signatures: [{ format: "cosign", added: true }],
      errors: [{ code: "E_REGISTRY_DENIED", place: "bundle" }],
    });
  });

  it("ends in 1 when one image is refused and another could not be reached: 1 beats 3", async () => {
    const registry = await start();
    const { exit } = await sign("--key", keys.first, "127.0.0.1:1/app:1", `${registry.host}/app:lost`);
    expect(exit).toBe(1);
  });
});

describe("signing an index with --recursive", () => {
  it("signs the index and every image in it, each once", async () => {
    const registry = await start();
    const platforms = ["amd64", "arm64", "s390x"].map((architecture) => ({ os: "linux", architecture }));
    const index = await pushImage(storageSink(registry.storage, "app"), { tag: "multi", platforms });
    const image = `${registry.host}/app:multi`;
    const { exit, report } = await sign("--key", keys.first, "--recursive", image, image);
    expect(exit).toBe(0);
    expect(report.images.map(({ digest, status }) => [digest, status])).toEqual(
      [index, ...index.children].map(({ digest }) => [digest, "signed"]),
    );
    expect(await verdict("--key", keys.firstPublic, "--recursive", image)).toBe("trusted");
  });
});

describe("annotations and another identity", () => {
  it("are signed, and can be demanded", async () => {
    const registry = await start();
    const image = `${registry.host}/app:1`;
    await sign("--key", keys.first, "-a", "branch=main", "--annotations", "url=https://x/?a=b", image);
    const by = ["--key", keys.firstPublic];
    expect(await verdict(...by, "-a", "branch=main", "-a", "url=https://x/?a=b", image)).toBe("trusted");
    expect(await verdict(...by, "-a", "branch=dev", image)).toBe("untrusted");
    await sign("--key", keys.second, "--sign-container-identity", "registry.example.com/prod/app", image);
    const elsewhere = ["--key", keys.secondPublic, "--require-reference", "repository"];
    expect(await verdict(...elsewhere, image)).toBe("untrusted");
    expect(await verdict(...by, "--require-reference", "repository", image)).toBe("trusted");
  });
});

describe("the report of a run", () => {
  it("is kept whole beside what is printed, as text or as JSON", async () => {
    const registry = await start();
    const file = machine.absent("kept.json");
    const run = await machine.run(["sign", "--key", keys.first, "--report", file, `${registry.host}/app:1`]);
    expect(run.exit).toBe(0);
    expect(run.stdout).toContain(": signed\n");
    const kept = parseReport(readFileSync(file, "utf8"));
    expect(kept).toMatchObject({ operation: "sign", images: [{ status: "signed" }] });
  });

  it("logs each request on standard error with --verbose, without queries and headers", async () => {
    const registry = await start();
    const run = await machine.run(["sign", "--key", keys.first, "--verbose", `${registry.host}/app:1`]);
    expect(run.stderr).toContain(`GET ${registry.host}/v2/app/manifests/1 200\n`);
    expect(run.stderr).toMatch(/PUT \S+ 201/);
    expect(run.stderr).not.toMatch(/[?]|digest=/);
  });
});
