import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { VerifyReport } from "../../src/reports/report.ts";
import { runCountersign } from "../support/countersign.ts";
import { authority, type Issued, issue } from "../trust/support/pki.ts";
import { startDockerRegistry } from "./support/docker-registry.ts";
import { type PushedImage, pushImage, putBlob, putManifest } from "./support/image.ts";
import { notationSign, notationVerify } from "./support/notation.ts";
import { describeWithPeer } from "./support/peers.ts";
import { fallbackTagOf, fetchBlob, fetchManifest } from "./support/planted.ts";
import { temporaryFolder } from "./support/run.ts";

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const day = 86_400_000;
const span = { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + 30 * day) };

function rootOf(name: string): Issued {
  return issue({ ...authority(name), ...span });
}

function leafOf(root: Issued, organization: string, notAfter = span.notAfter): Issued {
  const subject = [
    ["C", "US"],
    ["ST", "WA"],
    ["O", organization],
    ["CN", "release"],
  ] as const;
  const usage = { keyUsage: ["digitalSignature"], extendedKeyUsage: ["1.3.6.1.5.5.7.3.3"] } as const;
  return issue({ subject, issuer: root, ca: false, ...usage, ...span, notAfter });
}

const actions = ["authenticity", "authenticTimestamp", "expiry", "revocation"] as const;
type Overrides = Partial<Record<(typeof actions)[number], "enforce" | "log" | "skip">>;
const policies: readonly { readonly level: string; readonly override?: Overrides }[] = [
  { level: "strict" },
  { level: "permissive" },
  { level: "audit" },
  { level: "skip" },
  { level: "strict", override: { authenticity: "log" } },
  { level: "strict", override: { authenticTimestamp: "log" } },
  { level: "strict", override: { expiry: "log" } },
  { level: "strict", override: { revocation: "skip" } },
  { level: "strict", override: { authenticity: "log", authenticTimestamp: "log", expiry: "log", revocation: "log" } },
  { level: "permissive", override: { expiry: "enforce" } },
  { level: "permissive", override: { authenticTimestamp: "enforce" } },
  { level: "audit", override: { authenticity: "enforce" } },
  { level: "audit", override: { expiry: "enforce", authenticTimestamp: "enforce" } },
];

const IDENTITY = "x509.subject: C=US, ST=WA, O=Example";
const LIFETIME = 15_000;

describeWithPeer(["notation", "docker-registry"], "the same trust policy read by notation 1.3.2 and here", () => {
  const images = new Map<string, PushedImage>();
  const root = rootOf("Company Root");
  let stop: (() => Promise<void>) | undefined;

  /** A configuration folder with one statement for everything. */
  function folderOf(statement: object, roots: Issued = root): string {
    const folder = temporaryFolder("notation");
    const store = path.join(folder, "truststore", "x509", "ca", "company");
    mkdirSync(store, { recursive: true });
    writeFileSync(path.join(store, "root.pem"), roots.pem);
    const document = { version: "1.0", trustPolicies: [{ name: "all", registryScopes: ["*"], ...statement }] };
    writeFileSync(path.join(folder, "trustpolicy.json"), JSON.stringify(document), { mode: 0o600 });
    return folder;
  }

  function statementOf(signatureVerification: object & { level: string }): object {
    if (signatureVerification.level === "skip") return { signatureVerification };
    return { signatureVerification, trustStores: ["ca:company"], trustedIdentities: [IDENTITY] };
  }

  async function verifyHere(folder: string, references: readonly string[]) {
    const done = await runCountersign(["verify", "--output", "json", "--notation-config", folder, ...references]);
    try {
      const report = done.json() as VerifyReport;
      expect(report.images, done.stderr).toBeDefined();
      return { ...done, report };
    } catch {
      throw new Error(`no report: ${done.stdout}${done.stderr}`);
    }
  }

  const references = () => [...images.values()].map(({ reference }) => reference);

  beforeAll(async () => {
    const registry = await startDockerRegistry();
    stop = registry.stop;
    const push = async (name: string) => {
      const image = await pushImage(registry.host, `policy/${name}`, name);
      images.set(name, image);
      return image;
    };
    const sign = async (name: string, leaf: Issued, issuer = root, flags: readonly string[] = []) => {
      const image = await push(name);
      const key = leaf.key.export({ type: "pkcs8", format: "pem" }).toString();
      const chain = leaf.pem + issuer.pem;
      const done = await notationSign({
        image: image.reference,
        key,
        chain,
        envelope: "jws",
        fallbackTag: true,
        flags,
      });
      expect(done.exitCode, done.stderr).toBe(0);
      return image;
    };
    const stranger = rootOf("Stranger Root");
    const good = await sign("good", leafOf(root, "Example"));
    await sign("other-identity", leafOf(root, "Elsewhere"));
    await sign("untrusted", leafOf(stranger, "Example"), stranger);
    await push("unsigned");
    await sign("signature-expired", leafOf(root, "Example"), root, ["--expiry", "1s"]);
    const ends = new Date(Date.now() + LIFETIME);
    await sign("certificate-expired", leafOf(root, "Example", ends));
    await sign("both-expired", leafOf(root, "Example", ends), root, ["--expiry", "1s"]);
    await sign("untrusted-and-expired", leafOf(stranger, "Example", ends), stranger);
    await sign("other-identity-and-expired", leafOf(root, "Elsewhere", ends));
    await tamper(registry.host, good, await push("tampered"));
    await sleep(Math.max(0, ends.getTime() - Date.now()) + 1500);
  });
  afterAll(() => stop?.());

  for (const policy of policies) {
    const title =
      policy.override === undefined ? policy.level : `${policy.level} with ${JSON.stringify(policy.override)}`;
    it(`ends the same for every kind of signature: ${title}`, async () => {
      const folder = folderOf(statementOf(policy));
      const { report } = await verifyHere(folder, references());
      const ours = Object.fromEntries(
        [...images.keys()].map((name, at) => [name, report.images[at]?.verdict === "trusted"]),
      );
      const theirs: Record<string, boolean> = {};
      for (const [name, { reference }] of images) {
        theirs[name] = (await notationVerify(folder, reference)).exitCode === 0;
      }
      expect(ours).toEqual(theirs);
      // The test would hold nothing if one of the two always said the same.
      expect(new Set(Object.values(theirs)).size).toBe(policy.level === "skip" ? 1 : 2);
    });
  }

  it("reports each validation with action and result, and the document with its hash", async () => {
    const folder = folderOf(statementOf({ level: "permissive" }));
    const { report, exitCode } = await verifyHere(folder, [images.get("both-expired")?.reference ?? ""]);
    expect(exitCode).toBe(0);
    expect(report.policies).toEqual([
      {
        kind: "notation",
        path: path.join(folder, "trustpolicy.json"),
        digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      },
    ]);
    const rows = report.images[0]?.signatures[0]?.validations?.map(({ name, action, result, reasons }) => [
      name,
      action,
      result,
      ...reasons.map(({ code }) => code),
    ]);
    expect(rows).toEqual([
      ["integrity", "enforce", "passed"],
      ["authenticity", "enforce", "passed"],
      ["authenticTimestamp", "log", "failed", "E_CERTIFICATE_EXPIRED"],
      ["expiry", "log", "failed", "E_SIGNATURE_EXPIRED"],
      ["revocation", "log", "passed"],
    ]);
  });

  it("says that an image was not verified where the policy skips it", async () => {
    const folder = folderOf(statementOf({ level: "skip" }));
    const { report } = await verifyHere(folder, [images.get("tampered")?.reference ?? ""]);
    expect(report.images[0]).toMatchObject({ verdict: "trusted", status: "skipped", signatures: [] });
    expect(report.warnings.join()).toMatch(/skips verification/);
  });

  describe("scopes", () => {
    const scoped = (scopes: readonly string[]) => ({ ...statementOf({ level: "strict" }), registryScopes: scopes });

    it("pick the statement of the repository, as with notation", async () => {
      const good = images.get("good");
      const repository = good?.reference.split("@")[0] ?? "";
      for (const [scopes, expected] of [
        [[repository], true],
        [[`${repository}/sub`], false],
        [["registry.example.com/other"], false],
      ] as const) {
        const folder = folderOf(scoped(scopes));
        const { exitCode } = await verifyHere(folder, [good?.reference ?? ""]);
        const theirs = await notationVerify(folder, good?.reference ?? "");
        expect([exitCode === 0, theirs.exitCode === 0], scopes.join()).toEqual([expected, expected]);
      }
    });
  });

  it("refuses with exit status 2 what notation refuses to read", async () => {
    const reference = images.get("good")?.reference ?? "";
    const strict = { level: "strict" };
    for (const statement of [
      { ...statementOf(strict), registryScopes: ["registry.example.com/*"] },
      { ...statementOf(strict), registryScopes: [] },
      { ...statementOf(strict), trustedIdentities: ["*", IDENTITY] },
      { ...statementOf(strict), trustedIdentities: ["x509.subject: CN=release"] },
      { ...statementOf(strict), trustedIdentities: [IDENTITY, "x509.subject: C=US, ST=WA, O=Example, CN=a"] },
      { ...statementOf(strict), trustStores: ["ca:nowhere"] },
      { ...statementOf(strict), trustStores: [] },
      { ...statementOf({ level: "strict", override: { integrity: "log" } } as never) },
      { ...statementOf({ level: "strict", override: { authenticity: "skip" } } as never) },
      { ...statementOf({ level: "lax" }) },
    ]) {
      const folder = folderOf(statement);
      const ours = await runCountersign(["verify", "--notation-config", folder, reference]);
      expect((await notationVerify(folder, reference)).exitCode, JSON.stringify(statement)).not.toBe(0);
      expect([ours.exitCode, ours.stderr], JSON.stringify(statement)).toEqual([
        2,
        expect.stringContaining("E_POLICY_INVALID"),
      ]);
    }
  });
});

/** Copies a signature to another image with one octet of it changed: what a registry could do. */
async function tamper(host: string, from: PushedImage, to: PushedImage): Promise<void> {
  const index = await fetchManifest(host, from.repository, fallbackTagOf(from));
  const entry = index?.manifests?.[0];
  const manifest = entry && (await fetchManifest(host, from.repository, entry.digest));
  const layer = manifest?.layers[0];
  if (manifest === undefined || layer === undefined) throw new Error("no signature to copy");
  const envelope = JSON.parse((await fetchBlob(host, from.repository, layer.digest)).toString()) as { payload: string };
  const payload = JSON.parse(Buffer.from(envelope.payload, "base64url").toString()) as { targetArtifact: object };
  payload.targetArtifact = { ...payload.targetArtifact, digest: to.digest, size: to.size };
  envelope.payload = Buffer.from(JSON.stringify(payload)).toString("base64url");
  const blob = await putBlob(host, to.repository, JSON.stringify(envelope));
  const empty = { mediaType: "application/vnd.cncf.notary.signature", ...(await putBlob(host, to.repository, "{}")) };
  const subject = { mediaType: to.mediaType, digest: to.digest, size: to.size };
  const type = "application/vnd.oci.image.manifest.v1+json";
  const copy = {
    schemaVersion: 2,
    mediaType: type,
    config: empty,
    layers: [{ mediaType: layer.mediaType, ...blob }],
    subject,
    annotations: manifest.annotations,
  };
  const pushed = await putManifest(host, to.repository, copy, type);
  const listed = {
    mediaType: type,
    digest: pushed.digest,
    size: pushed.size,
    artifactType: "application/vnd.cncf.notary.signature",
    annotations: manifest.annotations,
  };
  const indexType = "application/vnd.oci.image.index.v1+json";
  await putManifest(
    host,
    to.repository,
    { schemaVersion: 2, mediaType: indexType, manifests: [listed] },
    indexType,
    fallbackTagOf(to),
  );
}
