import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import type { VerifyReport } from "../../src/reports/report.ts";
import { runCountersign } from "../support/countersign.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { oidOf, sequenceOf } from "../trust/support/der-writer.ts";
import { authority, CODE_SIGNING, DAY, issue, signer } from "../trust/support/pki.ts";
import {
  makeToken,
  secondsOf,
  stamper,
  TIME_STAMPING,
  type TokenSpec,
  unknownExtension,
} from "../trust/support/time-stamps.ts";
import { pushImage } from "./support/image.ts";
import { craftJws, ENVELOPE_TYPES, jwsHeader, payloadOf, plantEnvelope } from "./support/notary-crafted.ts";
import { notationVerify } from "./support/notation.ts";
import { describeWithPeer } from "./support/peers.ts";
import { temporaryFolder } from "./support/run.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const span = { notBefore: new Date(Date.now() - 9 * DAY), notAfter: new Date(Date.now() + 30 * DAY) };
const root = issue({ ...authority("Company Root"), ...span });
const leaf = issue({ ...signer(), issuer: root, ...span });
const stampRoot = issue({ ...authority("TSA Root"), ...span });
const good = stamper(stampRoot, span);
const usage = (critical: boolean, ...purposes: readonly string[]) =>
  stamper(stampRoot, {
    ...span,
    extensions: [{ oid: "2.5.29.37", critical, value: sequenceOf(...purposes.map(oidOf)) }],
  });

/** A row of docs/differences.md each: what notation ends in, and what is found here. */
const differences: readonly [string, Partial<TokenSpec>, readonly [notation: 0 | 1, here: string]][] = [
  ["stamp-named-by-sha1", { namedBy: "v1" }, [1, "trusted"]],
  ["stamp-key-identifier", { keyIdentifier: true }, [1, "trusted"]],
  ["stamp-critical-extension", { extensions: unknownExtension(true) }, [0, "untrusted E_TIMESTAMP_INVALID"]],
];

const accepted: readonly [string, Partial<TokenSpec>][] = [
  ["as RFC 3161 has it", {}],
  ["over a SHA-384", { hash: "sha384" }],
  ["with an extension that is not critical", { extensions: unknownExtension(false) }],
  ["without the root inside", { issuers: [] }],
];

const refused: readonly [string, Partial<TokenSpec>][] = [
  ["that does not name its certificate", { named: null }],
  ["that names another certificate", { named: stampRoot.der }],
  ["by a certificate whose purpose is not critical", { signer: usage(false, TIME_STAMPING) }],
  ["by a certificate with another purpose too", { signer: usage(true, TIME_STAMPING, CODE_SIGNING) }],
  ["over a SHA-1", { hash: "sha1" }],
  ["less exact than its certificate lasts", { accuracy: secondsOf((40 * DAY) / 1000) }],
  ["without certificates", { withoutCertificates: true }],
  ["of another version", { version: 2 }],
  ["over other octets", { data: Buffer.from("another signature") }],
];

function folderOf(): string {
  const folder = temporaryFolder("notation");
  for (const [type, { pem }] of [
    ["ca", root],
    ["tsa", stampRoot],
  ] as const) {
    const store = path.join(folder, "truststore", "x509", type, "company");
    mkdirSync(store, { recursive: true });
    writeFileSync(path.join(store, "root.pem"), pem);
  }
  const statement = { name: "all", registryScopes: ["*"], signatureVerification: { level: "strict" } };
  const trust = { trustStores: ["ca:company", "tsa:company"], trustedIdentities: ["*"] };
  const document = { version: "1.0", trustPolicies: [{ ...statement, ...trust }] };
  writeFileSync(path.join(folder, "trustpolicy.json"), JSON.stringify(document), { mode: 0o600 });
  return folder;
}

describeWithPeer("notation", "a time stamp, as notation 1.3.2 and verify look at it", () => {
  let registry: StartedRegistry;
  let folder: string;
  beforeAll(async () => {
    registry = await startRegistry();
    folder = folderOf();
  });
  afterAll(() => registry.close());

  /** What notation ends in over a good signature with such a time stamp, and what is found here. */
  async function verdicts(spec: Partial<TokenSpec>) {
    const image = await pushImage(registry.host, "stamps", randomUUID());
    const by = { key: leaf.key, chain: leaf.pem + root.pem };
    const made = craftJws({ header: jwsHeader(), payload: payloadOf(image) }, by);
    const envelope = JSON.parse(made.toString()) as { signature: string; header: object };
    const data = Buffer.from(envelope.signature, "base64url");
    const at = new Date(Math.floor(Date.now() / 1000) * 1000);
    const token = makeToken({ signer: good, issuers: [stampRoot], data, at, ...spec });
    const header = { ...envelope.header, "io.cncf.notary.timestampSignature": Buffer.from(token).toString("base64") };
    await plantEnvelope(image, Buffer.from(JSON.stringify({ ...envelope, header })), ENVELOPE_TYPES.jws);
    const theirs = await notationVerify(folder, image.reference);
    const done = await runCountersign(["verify", "--output", "json", "--notation-config", folder, image.reference]);
    const [{ verdict, signatures }] = (done.json() as VerifyReport).images as [VerifyReport["images"][number]];
    const codes = signatures.flatMap(({ reasons }) => reasons.map(({ code }) => code));
    return [theirs.exitCode, [verdict, ...new Set(codes)].join(" ")];
  }

  it.each(differences)("%s is as docs/differences.md says", async (_, spec, expected) => {
    expect(await verdicts(spec)).toEqual(expected);
  });

  it("has a row of docs/differences.md for each difference", () => {
    const page = readFileSync(new URL("../../docs/differences.md", import.meta.url), "utf8");
    const rows = [...page.matchAll(/^\| `(stamp-[a-z0-9-]+)` /gm)].map(([, id]) => id);
    expect(rows).toEqual(differences.map(([id]) => id));
  });

  it.each(accepted)("%s counts with both", async (_, spec) => {
    expect(await verdicts(spec)).toEqual([0, "trusted"]);
  });

  it.each(refused)("%s counts with neither", async (_, spec) => {
    const [theirs, here] = await verdicts(spec);
    expect([theirs, here]).toEqual([1, expect.stringMatching(/^untrusted E_(TIMESTAMP|CERTIFICATE)_/)]);
  });
});
