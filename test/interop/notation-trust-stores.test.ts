import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Tag } from "cbor2";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { VerifyReport } from "../../src/reports/report.ts";
import { runCountersign } from "../support/countersign.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { authority, DAY, issue, signer } from "../trust/support/pki.ts";
import { pushImage } from "./support/image.ts";
import {
  coseHeader,
  craftCose,
  craftJws,
  ENVELOPE_TYPES,
  jwsHeader,
  payloadOf,
  plantEnvelope,
} from "./support/notary-crafted.ts";
import { notationVerify } from "./support/notation.ts";
import { describeWithPeer } from "./support/peers.ts";
import { temporaryFolder } from "./support/run.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const SCHEME = "io.cncf.notary.signingScheme";
const SIGNING_TIME = "io.cncf.notary.signingTime";
const AUTHENTIC_TIME = "io.cncf.notary.authenticSigningTime";
const AUTHORITY = "notary.x509.signingAuthority";

const span = { notBefore: new Date(Date.now() - 9 * DAY), notAfter: new Date(Date.now() + 30 * DAY) };
const root = issue({ ...authority("Company Root"), ...span });
const stranger = issue({ ...authority("Stranger Root"), ...span });
const ago = (days: number) => new Date(Math.floor((Date.now() - days * DAY) / 1000) * 1000);
/** Was valid from eight days ago until yesterday. */
const past = issue({ ...signer(), issuer: root, notBefore: ago(8), notAfter: ago(1) });
const present = issue({ ...signer(), issuer: root, ...span });

type Stores = Readonly<Partial<Record<"ca" | "signingAuthority", string>>>;

/** A configuration folder with these certificates in the stores of these types, all of them trusted. */
function folderOf(stores: Stores): string {
  const folder = temporaryFolder("notation");
  for (const [type, pem] of Object.entries(stores)) {
    const store = path.join(folder, "truststore", "x509", type, "company");
    mkdirSync(store, { recursive: true });
    writeFileSync(path.join(store, "root.pem"), pem);
  }
  const statement = { name: "all", registryScopes: ["*"], signatureVerification: { level: "strict" } };
  const trust = { trustStores: Object.keys(stores).map((type) => `${type}:company`), trustedIdentities: ["*"] };
  const document = { version: "1.0", trustPolicies: [{ ...statement, ...trust }] };
  writeFileSync(path.join(folder, "trustpolicy.json"), JSON.stringify(document), { mode: 0o600 });
  return folder;
}

describeWithPeer("notation", "trust stores, as notation 1.3.2 and verify read them", () => {
  let registry: StartedRegistry;
  const images = new Map<string, string>();

  beforeAll(async () => {
    registry = await startRegistry();
    const by = (leaf: typeof past) => ({ key: leaf.key, chain: leaf.pem + root.pem });
    const plant = async (name: string, make: (payload: string) => Buffer, mediaType: string) => {
      const image = await pushImage(registry.host, `stores/${name}`, name);
      await plantEnvelope(image, make(payloadOf(image)), mediaType);
      images.set(name, image.reference);
    };
    const jws = (name: string, leaf: typeof past, change: object) =>
      plant(name, (payload) => craftJws({ header: jwsHeader(change), payload }, by(leaf)), ENVELOPE_TYPES.jws);
    const authoritative = (at: Date) => ({
      crit: [SCHEME, AUTHENTIC_TIME],
      [SCHEME]: AUTHORITY,
      [AUTHENTIC_TIME]: at.toISOString().replace(/\.\d+/, ""),
      [SIGNING_TIME]: undefined,
    });
    const header = coseHeader([
      [2, [SCHEME, AUTHENTIC_TIME]],
      [SCHEME, AUTHORITY],
      [AUTHENTIC_TIME, new Tag(1, ago(2).getTime() / 1000)],
    ]);
    header.delete(SIGNING_TIME);
    await jws("authority-jws", past, authoritative(ago(2)));
    await plant("authority-cose", (payload) => craftCose({ header, payload }, by(past)), ENVELOPE_TYPES.cose);
    await jws("authority-too-late", past, authoritative(ago(0.5)));
    await jws("plain", present, {});
  });
  afterAll(() => registry.close());

  async function both(folder: string, name: string) {
    const image = images.get(name) ?? "";
    const theirs = await notationVerify(folder, image);
    const done = await runCountersign(["verify", "--output", "json", "--notation-config", folder, image]);
    return { trusted: [theirs.exitCode === 0, done.exitCode === 0], theirs, done };
  }

  describe("signatures of signing authorities, whose certificate has expired since", () => {
    const cases: readonly [string, Stores, Readonly<Record<string, boolean>>][] = [
      ["a store of them alone", { signingAuthority: root.pem }, { authority: true, plain: false }],
      ["a store of certificate authorities alone", { ca: root.pem }, { authority: false, plain: true }],
      [
        "a store of them beside one of other certificate authorities",
        { ca: stranger.pem, signingAuthority: root.pem },
        { authority: true, plain: false },
      ],
      [
        "a store of others beside one of certificate authorities",
        { ca: root.pem, signingAuthority: stranger.pem },
        { authority: false, plain: true },
      ],
      ["both", { ca: root.pem, signingAuthority: root.pem }, { authority: true, plain: true }],
    ];

    it.each(cases)("under %s", async (_, stores, expected) => {
      const folder = folderOf(stores);
      for (const name of ["authority-jws", "authority-cose", "plain"]) {
        const { trusted, done } = await both(folder, name);
        const wanted = expected[name === "plain" ? "plain" : "authority"];
        expect(trusted, `${name}: ${done.stdout}`).toEqual([wanted, wanted]);
      }
    });

    it("count at the authority's time, which must be one when the certificate was valid", async () => {
      const folder = folderOf({ signingAuthority: root.pem });
      const { trusted, done } = await both(folder, "authority-too-late");
      expect(trusted).toEqual([false, false]);
      const [signature] = (done.json() as VerifyReport).images[0]?.signatures ?? [];
      expect(new Set(signature?.reasons.map(({ code }) => code))).toEqual(new Set(["E_CERTIFICATE_EXPIRED"]));
    });
  });

  describe("a symbolic link", () => {
    const move = (from: string) => {
      const to = path.join(temporaryFolder("elsewhere"), path.basename(from));
      renameSync(from, to);
      symlinkSync(to, from);
    };

    it.each([
      ["to a certificate", "x509/ca/company/root.pem"],
      ["to a store", "x509/ca/company"],
    ])("%s makes the store unusable: what it holds could be changed from elsewhere", async (_, place) => {
      const folder = folderOf({ ca: root.pem });
      expect((await both(folder, "plain")).trusted).toEqual([true, true]);
      move(path.join(folder, "truststore", place));
      const { trusted, theirs, done } = await both(folder, "plain");
      expect(trusted, theirs.stdout).toEqual([false, false]);
      expect([done.exitCode, done.stdout]).toEqual([2, expect.stringContaining("E_POLICY_INVALID")]);
      expect(done.stdout).toContain("symbolic link");
    });
  });
});
