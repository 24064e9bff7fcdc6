import { describe, expect, it } from "vitest";
import type { Certificate } from "../../src/model/certificate.ts";
import { CountersignError } from "../../src/model/errors.ts";
import { checkSigningChain, type SigningChain } from "../../src/signers/preflight.ts";
import { publicKeyFrom } from "../../src/trust/public-keys.ts";
import {
  authority,
  createPki,
  DAY,
  type Issued,
  issue,
  makeKey,
  NOW,
  type Pki,
  SERVER_AUTH,
  signer,
} from "../trust/support/pki.ts";

const check = (
  pki: Pick<Pki, "key">,
  certificates: readonly Certificate[],
  anchors?: readonly Certificate[],
  at = NOW,
): SigningChain => checkSigningChain({ publicKey: publicKeyFrom(pki.key), certificates, anchors, at });
const names = ({ chain }: SigningChain) => chain.map(({ subject }) => subject.text.split(",")[0]?.slice(3));
const warned = ({ warnings }: SigningChain) => warnings.map(({ code }) => code);
const certificatesOf = (...issued: readonly Issued[]) => issued.map(({ certificate }) => certificate);

function refusal(work: () => unknown): CountersignError {
  try {
    work();
  } catch (error) {
    if (error instanceof CountersignError) return error;
    throw error;
  }
  throw new Error("accepted");
}

describe("certificates that fit the key", () => {
  const pki = createPki({ intermediates: [{}, {}] });
  const [leaf, second, first, root] = pki.chain as [Certificate, Certificate, Certificate, Certificate];
  const ordered = ["release", "Intermediate 2", "Intermediate 1", "Root"];

  it.each([
    ["in order", [leaf, second, first, root]],
    ["root first", [root, first, second, leaf]],
    ["shuffled", [first, root, leaf, second]],
    ["twice", [leaf, second, second, first, root, leaf, root]],
  ])("come out leaf first and root last: %s", (_, certificates) => {
    const result = check(pki, certificates);
    expect(names(result)).toEqual(ordered);
    expect(result.warnings).toEqual([]);
  });

  it("do without the root, with a warning who is missing", () => {
    const result = check(pki, [first, leaf, second]);
    expect(names(result)).toEqual(ordered.slice(0, 3));
    expect(result.warnings).toEqual([{ code: "E_CERTIFICATE_MISSING", message: expect.stringContaining("CN=Root") }]);
  });

  it("do without any issuer, with a warning", () => {
    const result = check(pki, [leaf]);
    expect(names(result)).toEqual(["release"]);
    expect(warned(result)).toEqual(["E_CERTIFICATE_MISSING"]);
  });

  it("lose strangers, with a warning for each", () => {
    const strangers = certificatesOf(issue(authority("Stranger")), createPki({ leaf: { subject: "other" } }).leaf);
    const result = check(pki, [...strangers, root, second, leaf, first]);
    expect(names(result)).toEqual(ordered);
    expect(warned(result)).toEqual(["E_CERTIFICATE_UNTRUSTED", "E_CERTIFICATE_UNTRUSTED"]);
  });

  it("are warned about when they end within a day, issuers too", () => {
    const soon = new Date(NOW.getTime() + DAY / 2);
    for (const hasty of [createPki({ leaf: { notAfter: soon } }), createPki({ intermediates: [{ notAfter: soon }] })]) {
      expect(warned(check(hasty, hasty.chain))).toEqual(["E_CERTIFICATE_EXPIRED"]);
    }
  });

  it("may end in the caller's anchors, which stay out of the chain when they were not handed over", () => {
    const result = check(pki, [first, leaf, second], [root]);
    expect(names(result)).toEqual(ordered.slice(0, 3));
    expect(result.warnings).toEqual([]);
    expect(names(check(pki, pki.chain, [root]))).toEqual(ordered);
  });

  it("tell the leaf from an authority with the same key", () => {
    const ca = issue({ ...authority("Same Key"), key: pki.key, issuer: pki.root });
    expect(names(check(pki, [ca.certificate, root, first, second, leaf]))).toEqual(ordered);
  });
});

describe("certificates that would not verify", () => {
  const pki = createPki();
  const past = { notBefore: new Date(NOW.getTime() - 9 * DAY), notAfter: new Date(NOW.getTime() - DAY) };
  const of = (made: Pki) => () => check(made, made.chain);
  const rolled = () => issue({ ...authority("Intermediate 1"), issuer: pki.root }).certificate;

  it.each<[string, () => unknown, string]>([
    ["none at all", () => check(pki, []), "E_CERTIFICATE_MISSING"],
    ["another key's", () => check({ key: makeKey("p256") }, pki.chain), "E_CERTIFICATE_KEY_MISMATCH"],
    ["only the issuers", () => check(pki, pki.chain.slice(1)), "E_CERTIFICATE_KEY_MISMATCH"],
    ["an expired leaf", of(createPki({ leaf: past })), "E_CERTIFICATE_EXPIRED"],
    [
      "an expired leaf alone",
      () => {
        const made = createPki({ leaf: past });
        return check(made, certificatesOf(made.leaf));
      },
      "E_CERTIFICATE_EXPIRED",
    ],
    ["an expired intermediate", of(createPki({ intermediates: [past] })), "E_CERTIFICATE_EXPIRED"],
    [
      "an expired intermediate without the root",
      () => {
        const made = createPki({ intermediates: [past] });
        return check(made, made.chain.slice(0, 2));
      },
      "E_CERTIFICATE_EXPIRED",
    ],
    [
      "a leaf of the future",
      of(createPki({ leaf: { notBefore: new Date(NOW.getTime() + DAY) } })),
      "E_CERTIFICATE_NOT_YET_VALID",
    ],
    ["a leaf for servers", of(createPki({ leaf: { extendedKeyUsage: [SERVER_AUTH] } })), "E_CERTIFICATE_USAGE"],
    ["a leaf that may not sign", of(createPki({ leaf: { keyUsage: ["keyAgreement"] } })), "E_CERTIFICATE_USAGE"],
    [
      "an intermediate that is no authority",
      of(createPki({ intermediates: [{ ca: false }] })),
      "E_CERTIFICATE_CONSTRAINT",
    ],
    ["a path too long for its root", of(createPki({ root: { ca: { pathLength: 0 } } })), "E_CERTIFICATE_CONSTRAINT"],
    ["a tampered leaf", of(createPki({ leaf: { tampered: true } })), "E_CERTIFICATE_SIGNATURE"],
    [
      "an intermediate whose key was changed since",
      () => check(pki, [pki.leaf.certificate, rolled(), pki.root.certificate]),
      "E_CERTIFICATE_SIGNATURE",
    ],
    ["the same without the root", () => check(pki, [pki.leaf.certificate, rolled()]), "E_CERTIFICATE_SIGNATURE"],
    [
      "a self-signed leaf",
      () => {
        const made = issue(signer());
        return check(made, [made.certificate]);
      },
      "E_CERTIFICATE_SELF_SIGNED",
    ],
    ["a weak intermediate", of(createPki({ intermediates: [{ keyKind: "rsa1024" }] })), "E_KEY_WEAK"],
    [
      "a path that misses the caller's anchors",
      () => check(pki, pki.chain, [issue(authority("Other")).certificate]),
      "E_CERTIFICATE_UNTRUSTED",
    ],
    [
      "a missing intermediate under the caller's anchors",
      () => check(pki, [pki.leaf.certificate], [pki.root.certificate]),
      "E_CERTIFICATE_UNTRUSTED",
    ],
  ])("are refused with exit status 2: %s", (_, work, code) => {
    expect(refusal(work)).toMatchObject({ code, exit: 2, hint: expect.any(String) });
  });
});
