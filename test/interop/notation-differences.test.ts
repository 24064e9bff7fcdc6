import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { VerifyReport } from "../../src/reports/report.ts";
import { fileOf, runCountersign } from "../support/countersign.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { ANY_PURPOSE, authority, type CertificateSpec, DAY, type Issued, issue, signer } from "../trust/support/pki.ts";
import { type PushedImage, pushImage } from "./support/image.ts";
import {
  type CraftedSigner,
  coseHeader,
  craftCose,
  craftJws,
  ENVELOPE_TYPES,
  jwsHeader,
  payloadOf,
  plantEnvelope,
} from "./support/notary-crafted.ts";
import { notationFolder, notationVerify } from "./support/notation.ts";
import { describeWithPeer } from "./support/peers.ts";

// Real programs, several for each promise, beside whatever else this machine does.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

// A row of docs/differences.md each: what notation 1.3.2 does, what is done here, and what with --compat notation.

const period = { notBefore: new Date(Date.now() - DAY), notAfter: new Date(Date.now() + 30 * DAY) };
const root = issue({ ...authority("Root"), ...period });
const scheme = "io.cncf.notary.signingScheme";
const signingTime = "io.cncf.notary.signingTime";

/** A leaf of the root, or of this issuer, as something that signs. */
function leafOf(spec: CertificateSpec = {}, issuers: readonly Issued[] = [root]): CraftedSigner {
  const leaf = issue({ ...signer(), issuer: issuers[0] ?? root, ...period, ...spec });
  return { key: leaf.key, chain: [leaf, ...issuers].map(({ pem }) => pem).join("") };
}

const good = leafOf();
const jws = { mediaType: ENVELOPE_TYPES.jws } as const;
const cose = { mediaType: ENVELOPE_TYPES.cose } as const;

/** Base64url of the same bytes with the bits set that are left over in the last digit; the text must not be a multiple of three bytes. */
function respelled(text: string): string {
  const padded = text.length % 3 === 0 ? text.replace("{", "{ ") : text;
  const spelled = Buffer.from(padded).toString("base64url");
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return spelled.slice(0, -1) + alphabet[alphabet.indexOf(spelled.at(-1) ?? "") + 1];
}

/** A protected header of COSE whose alg is written in two bytes where one would do. */
function longHeader(): Uint8Array {
  const bytes = Buffer.from(craftCose({ header: coseHeader(), payload: "" }, good));
  const start = bytes.indexOf(Buffer.of(0xa5, 0x01, 0x26));
  const end = bytes.indexOf(Buffer.of(0xa1, 0x18, 0x21), start);
  const header = bytes.subarray(start, end);
  return Buffer.concat([Buffer.of(0xa5, 0x01, 0x38, 0x06), header.subarray(3)]);
}

interface Made {
  readonly bytes: Buffer;
  readonly mediaType: string;
  /** Of the referrer's manifest. */
  readonly manifest?: object;
}

/** What notation ends in; what is found here; and with --compat notation. */
type Expected = readonly [notation: 0 | 1, here: string, compat: string];

interface Situation {
  readonly id: string;
  readonly make: (image: PushedImage) => Made | readonly Made[];
  readonly expected: Expected;
  /** PEM of the trust store, where it is not the root. */
  readonly roots?: string;
}

const alone = issue({ ...signer("alone"), ...period });
const constrained = issue({
  ...authority("Constrained"),
  issuer: root,
  ...period,
  extensions: [
    // Permitted are host names under example.com alone, and directory names of another organisation.
    {
      oid: "2.5.29.30",
      critical: true,
      value: Buffer.from("3018a01630 14a412301031 0e300c060355040a0c054f74686572".replaceAll(" ", ""), "hex"),
    },
  ],
});

const situations: readonly Situation[] = [
  {
    id: "critical-attributes",
    make: (image) => ({
      ...jws,
      bytes: craftJws(
        {
          header: jwsHeader({ crit: [scheme, "com.example.rule"], "com.example.rule": "x" }),
          payload: payloadOf(image),
        },
        good,
      ),
    }),
    expected: [0, "untrusted E_ATTRIBUTE_UNKNOWN", "trusted"],
  },
  {
    id: "critical-attributes",
    make: (image) => ({
      ...cose,
      bytes: craftCose(
        {
          header: coseHeader([
            [2, [scheme, "com.example.rule"]],
            ["com.example.rule", "x"],
          ]),
          payload: payloadOf(image),
        },
        good,
      ),
    }),
    expected: [0, "untrusted E_ATTRIBUTE_UNKNOWN", "trusted"],
  },
  {
    id: "repeated-members",
    make: (image) => ({
      ...jws,
      bytes: craftJws(
        {
          header: JSON.stringify(jwsHeader()).replace(/^\{/, `{"${signingTime}":"2001-01-01T00:00:00Z",`),
          payload: payloadOf(image),
        },
        good,
      ),
    }),
    expected: [0, "untrusted E_SIGNATURE_MALFORMED", "trusted"],
  },
  {
    id: "repeated-members",
    make: (image) => ({
      ...jws,
      bytes: craftJws({ header: jwsHeader(), payload: payloadOf(image).replace('"size"', '"size":1,"size"') }, good),
    }),
    expected: [0, "untrusted E_PAYLOAD_MALFORMED", "trusted"],
  },
  {
    id: "unknown-members",
    make: (image) => ({
      ...jws,
      bytes: craftJws({ header: jwsHeader(), payload: payloadOf(image), members: { signatures: [] } }, good),
    }),
    expected: [0, "untrusted E_SIGNATURE_MALFORMED", "trusted"],
  },
  {
    id: "unknown-members",
    make: (image) => ({
      ...jws,
      bytes: craftJws({ header: jwsHeader(), payload: payloadOf(image, { tag: "v2" }) }, good),
    }),
    expected: [0, "untrusted E_PAYLOAD_MALFORMED", "trusted"],
  },
  {
    id: "base64url",
    make: (image) => ({
      ...jws,
      bytes: craftJws({ header: jwsHeader(), payload: payloadOf(image), encode: (text) => respelled(text) }, good),
    }),
    expected: [0, "untrusted E_SIGNATURE_MALFORMED", "trusted"],
  },
  {
    id: "long-numbers",
    make: (image) => ({ ...cose, bytes: craftCose({ header: longHeader(), payload: payloadOf(image) }, good) }),
    expected: [0, "untrusted E_SIGNATURE_MALFORMED", "trusted"],
  },
  {
    id: "any-purpose",
    make: (image) => ({
      ...jws,
      bytes: craftJws({ header: jwsHeader(), payload: payloadOf(image) }, leafOf({ extendedKeyUsage: [ANY_PURPOSE] })),
    }),
    expected: [0, "untrusted E_CERTIFICATE_USAGE", "trusted"],
  },
  {
    id: "signing-time",
    make: (image) => ({
      ...jws,
      bytes: craftJws(
        { header: jwsHeader({ [signingTime]: "2001-01-01T00:00:00Z" }), payload: payloadOf(image) },
        good,
      ),
    }),
    expected: [0, "untrusted E_CERTIFICATE_NOT_YET_VALID", "trusted"],
  },
  {
    id: "self-signed",
    make: (image) => ({
      ...jws,
      bytes: craftJws({ header: jwsHeader(), payload: payloadOf(image) }, { key: alone.key, chain: alone.pem }),
    }),
    roots: alone.pem,
    expected: [0, "untrusted E_CERTIFICATE_SELF_SIGNED", "trusted"],
  },
  {
    id: "name-constraints",
    make: (image) => ({
      ...jws,
      bytes: craftJws({ header: jwsHeader(), payload: payloadOf(image) }, leafOf({}, [constrained, root])),
    }),
    expected: [0, "untrusted E_CERTIFICATE_CONSTRAINT", "untrusted E_CERTIFICATE_CONSTRAINT"],
  },
  {
    id: "names-in-any-case",
    make: (image) => ({
      ...jws,
      bytes: craftJws({ header: jwsHeader(), payload: payloadOf(image).replace("digest", "DIGEST") }, good),
    }),
    expected: [0, "untrusted E_PAYLOAD_MALFORMED", "untrusted E_PAYLOAD_MALFORMED"],
  },
  {
    id: "junk-beside",
    make: (image) => {
      const envelope = { ...jws, bytes: craftJws({ header: jwsHeader(), payload: payloadOf(image) }, good) };
      return [{ ...envelope, manifest: { layers: [] } }, envelope];
    },
    expected: [1, "trusted", "trusted"],
  },
];

/** What the specification forbids, and both refuse. */
const agreed: readonly [string, (image: PushedImage) => Made][] = [
  [
    "bytes behind a COSE envelope",
    (image) => {
      const whole = craftCose({ header: coseHeader(), payload: payloadOf(image) }, good);
      return { ...cose, bytes: Buffer.concat([whole, Buffer.of(0)]) };
    },
  ],
  [
    "another tag",
    (image) => ({ ...cose, bytes: craftCose({ header: coseHeader(), payload: payloadOf(image), tag: 98 }, good) }),
  ],
  [
    "a time that is plain seconds",
    (image) => ({
      ...cose,
      bytes: craftCose({ header: coseHeader([[signingTime, 1_700_000_000]]), payload: payloadOf(image) }, good),
    }),
  ],
  [
    "a chain that is plain bytes",
    (image) => ({
      ...cose,
      bytes: craftCose({ header: coseHeader(), payload: payloadOf(image), chain: Uint8Array.of(1) }, good),
    }),
  ],
  ["a scheme that is not critical", (image) => crafted(image, { crit: [signingTime] })],
  ["a critical attribute that is not there", (image) => crafted(image, { crit: [scheme, "com.example.gone"] })],
  ["a critical attribute that is named twice", (image) => crafted(image, { crit: [scheme, scheme] })],
  ["a registered name among the critical attributes", (image) => crafted(image, { crit: [scheme, "alg"] })],
  ["the signing time among the critical attributes", (image) => crafted(image, { crit: [scheme, signingTime] })],
  ["no critical attributes", (image) => crafted(image, { crit: undefined })],
  ["an expiry that is not critical", (image) => crafted(image, { "io.cncf.notary.expiry": "2099-01-01T00:00:00Z" })],
  ["an unknown scheme", (image) => crafted(image, { [scheme]: "notary.x500" })],
  ["no signing time", (image) => crafted(image, { [signingTime]: undefined })],
  ["another content type", (image) => crafted(image, { cty: "application/json" })],
  ["another algorithm than the key's", (image) => crafted(image, { alg: "ES384" })],
  ["RSA with PKCS #1 v1.5", (image) => crafted(image, { alg: "RS256" })],
  ["no algorithm", (image) => crafted(image, { alg: "none" })],
  [
    "a verification plugin that is not there",
    (image) =>
      crafted(image, {
        crit: [scheme, "io.cncf.notary.verificationPlugin"],
        "io.cncf.notary.verificationPlugin": "com.example.plugin",
      }),
  ],
  [
    "another media type of the manifest",
    (image) => crafted(image, {}, { mediaType: "application/vnd.oci.image.index.v1+json" }),
  ],
  ["another size of the manifest", (image) => crafted(image, {}, { size: image.size + 1 })],
  ["a leaf without critical key usage", (image) => by(image, leafOf({ keyUsage: [] }))],
  [
    "a leaf that may sign certificates",
    (image) => by(image, leafOf({ keyUsage: ["digitalSignature", "keyCertSign"] })),
  ],
  ["a leaf for TLS servers", (image) => by(image, leafOf({ extendedKeyUsage: ["1.3.6.1.5.5.7.3.1"] }))],
  [
    "a chain without its root",
    (image) => by(image, { ...good, chain: good.chain.slice(0, good.chain.indexOf("-----END") + 26) }),
  ],
];

function crafted(image: PushedImage, header: object, payload: object = {}): Made {
  return { ...jws, bytes: craftJws({ header: jwsHeader(header), payload: payloadOf(image, payload) }, good) };
}

function by(image: PushedImage, who: CraftedSigner): Made {
  return { ...jws, bytes: craftJws({ header: jwsHeader(), payload: payloadOf(image) }, who) };
}

describeWithPeer("notation", "where notation 1.3.2 and countersign differ, as docs/differences.md says", () => {
  let registry: StartedRegistry;
  beforeAll(async () => {
    registry = await startRegistry();
  });
  afterAll(() => registry.close());

  async function plantAll(image: PushedImage, made: Made | readonly Made[]): Promise<void> {
    for (const { bytes, mediaType, manifest } of [made].flat()) await plantEnvelope(image, bytes, mediaType, manifest);
  }

  async function verdictHere(image: PushedImage, roots: string, flags: readonly string[] = []): Promise<string> {
    const trust = ["--ca-roots", fileOf(roots), ...flags];
    const done = await runCountersign(["verify", "--output", "json", ...trust, image.reference]);
    const report = done.json() as VerifyReport;
    const [{ verdict, signatures }] = report.images as [VerifyReport["images"][number]];
    const codes = verdict === "trusted" ? [] : signatures.flatMap(({ reasons }) => reasons.map(({ code }) => code));
    return [verdict, ...new Set(codes)].join(" ");
  }

  describe.each(situations.map((situation, index) => ({ ...situation, index })))("$id ($index)", (situation) => {
    const { id, index, make, expected, roots = root.pem } = situation;
    it.concurrent("is as the table says", async () => {
      const image = await pushImage(registry.host, `differences/${id}/${index}`, id);
      await plantAll(image, make(image));
      const theirs = await notationVerify(notationFolder({ roots }), image.reference);
      const here = await verdictHere(image, roots);
      const compat = await verdictHere(image, roots, ["--compat", "notation"]);
      expect([theirs.exitCode, here, compat], theirs.stderr).toEqual(expected);
    });
  });

  describe("what the specification forbids and both refuse:", () => {
    it.concurrent.each(agreed)("%s", async (name, make) => {
      const image = await pushImage(registry.host, `agreed/${agreed.findIndex(([each]) => each === name)}`, name);
      await plantAll(image, make(image));
      const theirs = await notationVerify(notationFolder({ roots: root.pem }), image.reference);
      const here = await verdictHere(image, root.pem, ["--compat", "notation"]);
      expect([theirs.exitCode, here.split(" ")[0]], theirs.stdout).toEqual([1, "untrusted"]);
    });
  });

  it("has a row of docs/differences.md for each", () => {
    const page = readFileSync(new URL("../../docs/differences.md", import.meta.url), "utf8");
    const section = page.slice(page.indexOf("# Differences from notation"));
    const rows = [...section.matchAll(/^\| `([a-z0-9-]+)`, /gm)].map(([, id]) => id);
    expect(rows).toEqual([...new Set(situations.map(({ id }) => id))]);
  });
});
