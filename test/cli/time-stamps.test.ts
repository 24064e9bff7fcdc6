import { sign as signBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { issueRevocationList } from "../../src/trust/issue-crl.ts";
import { pushImage, storageSink } from "../support/images.ts";
import { type StampingServer, startStampingServer } from "../support/stamping-server.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { createPki, DAY, type Issued, NOW, signer } from "../trust/support/pki.ts";
import { listWithInvalidityDate } from "../trust/support/revocation-lists.ts";
import { createStampAuthority } from "../trust/support/time-stamps.ts";
import { keyPem } from "./support/keys.ts";
import { createMachine } from "./support/machine.ts";
import { expectClean } from "./support/refusals.ts";
import { onlyImage, promoteReportOf, verifyReportOf } from "./support/reports.ts";

vi.setConfig({ testTimeout: 30_000 });

const machine = createMachine();
const tsa = createStampAuthority();
const pki = createPki({ intermediates: [], leaf: signer("release") });
const next = createPki({ leaf: signer("production") });
const stampRoot = machine.file("tsa-root.pem", tsa.pki.root.pem);
const root = machine.file("root.pem", pki.root.pem);
const nextRoot = machine.file("next-root.pem", next.root.pem);
const certified = [
  ...["--certificate", machine.file("leaf.pem", pki.leaf.pem)],
  ...["--certificate-chain", machine.file("chain.pem", pki.root.pem)],
];
const own = ["--key", machine.file("leaf.key", keyPem(pki.key)), ...certified];
const trusted = ["--ca-roots", root, "--timestamp-roots", stampRoot];

let registry: StartedRegistry;
let server: StampingServer;
let stamp: readonly string[];
let image: string;
let destination: string;
let images = 0;
beforeAll(async () => {
  [registry, server] = await Promise.all([startRegistry(), startStampingServer(tsa)]);
  stamp = ["--timestamp-url", server.url, "--timestamp-roots", stampRoot];
});
afterAll(() => Promise.all([registry.close(), server.close()]));
beforeEach(async () => {
  images += 1;
  await pushImage(storageSink(registry.storage, `app${images}`), { tag: "1", seed: `${images}` });
  image = `${registry.host}/app${images}:1`;
  destination = `${registry.host}/prod${images}:1`;
});

async function succeed(...args: readonly string[]) {
  const run = await machine.run(args);
  expect(run.exit, run.stdout + run.stderr).toBe(0);
  return run;
}

/** The verdict and its codes, and where the time of the only signature is from. */
async function verdict(flags: readonly string[], reference = image) {
  const run = await machine.run(["verify", "--output", "json", ...flags, reference]);
  expectClean(run);
  const { verdict: told, signatures } = onlyImage(verifyReportOf(run));
  expect(signatures).toHaveLength(1);
  const [only] = signatures;
  const reasons = only?.reasons ?? [];
  return {
    told,
    codes: reasons.map(({ code }) => code),
    why: reasons.map(({ message }) => message).join(),
    time: only?.time,
  };
}

const counted = { told: "trusted", codes: [], time: { source: "rfc3161", at: NOW.toISOString() } };

describe.each(["cosign", "bundle", "notation", "notation-cose"])("attach --timestamp-url, format %s", (format) => {
  it("has the signature from elsewhere stamped before it is stored", async () => {
    const out = machine.absent(`payload-${format}`);
    await succeed("payload", "--format", format, "--out", out, ...certified, image);
    const encoding = format.startsWith("notation") ? ({ dsaEncoding: "ieee-p1363" } as const) : {};
    const signature = machine.file(
      `signature-${format}`,
      signBytes("sha256", readFileSync(out), { key: pki.key, ...encoding }),
    );
    const before = server.given();
    await succeed("attach", "--payload", out, "--signature", signature, ...certified, ...stamp, image);
    expect(server.given()).toBe(before + 1);
    expect(await verdict([...trusted, "--use-signed-timestamps"])).toMatchObject(counted);
  });
});

describe("a revoked certificate", () => {
  const span = { thisUpdate: NOW, nextUpdate: new Date(NOW.getTime() + DAY), number: 1 };
  let lists = 0;
  /** `--crl` with a list of an issuer that revokes these. */
  function listOf(issuer: Issued, ...revoked: readonly Issued[]): readonly string[] {
    lists += 1;
    const entries = revoked.map(({ certificate: { serial } }) => ({
      serial,
      at: NOW,
      reason: "keyCompromise" as const,
    }));
    const der = issueRevocationList({ issuer: issuer.certificate, ...span, revoked: entries }, issuer.key);
    return ["--crl", machine.file(`list-${lists}.crl`, der)];
  }
  const [stampIssuer] = tsa.pki.intermediates;
  if (stampIssuer === undefined) throw new Error("no intermediate");

  it.each(["cosign", "notation"])("of the time-stamping authority takes its stamps' worth: %s", async (format) => {
    await succeed("sign", "--format", format, ...own, ...stamp, image);
    const signers = listOf(pki.root);
    const stampers = listOf(tsa.pki.root);
    expect(await verdict([...trusted, ...signers, ...stampers, ...listOf(stampIssuer)])).toMatchObject(counted);
    for (const revoked of [
      [...stampers, ...listOf(stampIssuer, tsa.signer)],
      [...listOf(tsa.pki.root, stampIssuer), ...listOf(stampIssuer)],
    ]) {
      const { told, codes, why } = await verdict([...trusted, ...signers, ...revoked]);
      expect([told, codes, why]).toEqual(["untrusted", ["E_TIMESTAMP_UNTRUSTED"], expect.stringContaining("revoked")]);
    }
    const silent = await verdict([...trusted, ...signers, ...stampers]);
    expect([silent.told, silent.codes]).toEqual(["undetermined", ["E_REVOCATION_UNCHECKED"]]);
  });

  it("of the signer counts where a time stamp is from before the key may have been another's, and only there", async () => {
    await succeed("sign", "--format", "cosign", ...own, ...stamp, image);
    const others = [...listOf(tsa.pki.root), ...listOf(stampIssuer)];
    const from = (minutes: number) => {
      const date = new Date(NOW.getTime() + minutes * 60_000);
      const der = listWithInvalidityDate(pki.root, pki.leaf.certificate.serial, span, date);
      return ["--crl", machine.file(`invalid-from-${minutes}.crl`, der), ...others];
    };
    expect(await verdict([...trusted, ...from(1)])).toMatchObject(counted);
    for (const flags of [
      [...trusted, ...from(-1)],
      // Without a time that somebody trusted says, nobody knows when it was signed.
      ["--ca-roots", root, ...from(1)],
      [...trusted, ...listOf(pki.root, pki.leaf), ...others],
    ]) {
      const { told, codes } = await verdict(flags);
      expect([told, codes], flags.join(" ")).toEqual(["untrusted", ["E_CERTIFICATE_REVOKED"]]);
    }
  });
});

describe("verify --format", () => {
  it("judges by signatures of that format alone", async () => {
    await succeed("sign", "--format", "notation,cosign", ...own, image);
    for (const format of ["notation", "cosign"]) {
      const run = await machine.run(["verify", "--output", "json", "--ca-roots", root, "--format", format, image]);
      const { verdict: told, signatures } = onlyImage(verifyReportOf(run));
      expect([told, signatures.map((each) => each.format)]).toEqual(["trusted", [format]]);
    }
    const run = await machine.run(["verify", "--output", "json", "--ca-roots", root, "--format", "bundle", image]);
    expect([run.exit, onlyImage(verifyReportOf(run)).verdict]).toEqual([1, "unsigned"]);
  });
});

describe("promote --resign", () => {
  const issuers = [...next.intermediates, next.root].map(({ pem }) => pem).join("");
  const resign = [
    "--resign",
    ...["--resign-key", machine.file("next.key", keyPem(next.key))],
    ...["--resign-certificate", machine.file("next.pem", next.leaf.pem)],
    ...["--resign-certificate-chain", machine.file("next-chain.pem", issuers)],
  ];

  async function promote(...flags: readonly string[]) {
    await succeed("sign", "--format", "cosign", ...own, image);
    const args = ["promote", "--output", "json", "--ca-roots", root, ...resign, ...flags, image, destination];
    const run = await machine.run(args);
    const promoted = onlyImage(promoteReportOf(run));
    expect([run.exit, promoted.status], JSON.stringify(promoted.errors)).toEqual([0, "promoted"]);
    return promoted;
  }

  async function verifiedThere(...flags: readonly string[]) {
    const run = await machine.run(["verify", "--output", "json", "--ca-roots", nextRoot, ...flags, destination]);
    const found = onlyImage(verifyReportOf(run));
    expect(found.verdict, run.stdout).toBe("trusted");
    return found.signatures.filter(({ trusted: counts }) => counts);
  }

  /** Manifests and blobs of the destination, as text. */
  const storedThere = () => {
    const { blobs, manifests } = registry.storage.get(`prod${images}`) ?? expect.fail("nothing was promoted");
    return [...blobs.values(), ...[...manifests.values()].map(({ bytes }) => bytes)].map((bytes) =>
      Buffer.from(bytes).toString("utf8"),
    );
  };

  it("--resign-timestamp-url stamps the new signatures, in every format", async () => {
    const formats = ["bundle", "cosign", "notation"];
    const before = server.given();
    const flags = ["--resign-timestamp-url", server.url, "--resign-timestamp-roots", stampRoot];
    await promote("--resign-format", formats.join(), ...flags);
    expect(server.given()).toBe(before + formats.length);
    const signatures = await verifiedThere("--timestamp-roots", stampRoot, "--use-signed-timestamps");
    expect(signatures.map(({ format, time }) => [format, time.source]).sort()).toEqual(
      formats.map((format) => [format, "rfc3161"]),
    );
  });

  it.each([true, false])("--resign-embed-chain puts the issuers into the bundle: %s", async (embed) => {
    await promote("--resign-format", "bundle", ...(embed ? ["--resign-embed-chain"] : []));
    expect(storedThere().some((text) => text.includes('"x509CertificateChain"'))).toBe(embed);
    await verifiedThere("--format", "bundle");
  });

  it("--resign-sign-container-identity stands in what is signed for the repository", async () => {
    const name = "registry.example.com/released/app";
    await promote("--resign-sign-container-identity", name);
    expect(storedThere().filter((text) => text.includes(`"docker-reference":"${name}"`))).toHaveLength(1);
    await verifiedThere();
  });

  it.each([
    ["legacy", undefined],
    ["artifact", "application/vnd.cncf.notary.signature"],
  ])("--resign-signature-manifest %s writes a manifest of that form", async (form, type) => {
    await promote("--resign-format", "notation", "--resign-signature-manifest", form);
    const manifests = storedThere().filter(
      (text) => text.includes("vnd.cncf.notary.signature") && text.includes('"layers"'),
    );
    expect(manifests.map((text) => (JSON.parse(text) as { artifactType?: string }).artifactType)).toEqual([type]);
    await verifiedThere("--format", "notation");
  });
});
