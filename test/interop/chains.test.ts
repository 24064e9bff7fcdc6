import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ErrorCode } from "../../src/model/error-codes.ts";
import { buildAndValidatePath } from "../../src/trust/path-validation.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { printable } from "../trust/support/der-writer.ts";
import {
  ANY_PURPOSE,
  authority,
  type CertificateSpec,
  CODE_SIGNING,
  DAY,
  directoryNameOf,
  type Issued,
  issue,
  makeKey,
  nameConstraints,
  SERVER_AUTH,
  signer,
} from "../trust/support/pki.ts";
import { cosignVerify } from "./support/cosign.ts";
import { verifyHere } from "./support/countersign.ts";
import { craftLegacy, payloadOf } from "./support/crafted.ts";
import { pushImage } from "./support/image.ts";
import { describeWithPeer, requirePeer } from "./support/peers.ts";
import { plant } from "./support/planted.ts";
import { temporaryFolder } from "./support/run.ts";

// Real programs have no clock to set: everything here is valid around the time of the run.
const now = Math.floor(Date.now() / 1000) * 1000;
const lasting = { notBefore: new Date(now - 100 * DAY), notAfter: new Date(now + 100 * DAY) };
const past = { notBefore: new Date(now - 50 * DAY), notAfter: new Date(now - DAY) };
const future = { notBefore: new Date(now + DAY) };

const make = (spec: CertificateSpec) => issue({ ...lasting, ...spec });
const root = (spec: CertificateSpec = {}) => make({ ...authority("Root"), ...spec });
const under = (issuer: Issued, spec: CertificateSpec = {}, name = "Intermediate") =>
  make({ ...authority(name), issuer, ...spec });
const leafOf = (issuer: Issued, spec: CertificateSpec = {}) => make({ ...signer(), issuer, ...spec });

interface Chain {
  readonly leaf: Issued;
  readonly anchors: readonly Issued[];
  readonly intermediates: readonly Issued[];
}

/** Root, intermediates next to the root first, leaf. */
function chain({
  top = {},
  between = [{}],
  leaf = {},
}: {
  top?: CertificateSpec;
  between?: CertificateSpec[];
  leaf?: CertificateSpec;
} = {}): Chain {
  const anchor = root(top);
  const intermediates: Issued[] = [];
  for (const [index, spec] of between.entries()) {
    intermediates.push(under(intermediates.at(-1) ?? anchor, spec, `Intermediate ${index + 1}`));
  }
  return { leaf: leafOf(intermediates.at(-1) ?? anchor, leaf), anchors: [anchor], intermediates };
}

/**
 * Why openssl may judge otherwise. Each with what is run to see that this is the reason: flags or an order under which it agrees,
 * or, where there are none, a test of its own below.
 */
const reasons = {
  purpose:
    "openssl 3.0 knows no purpose of code signing, so extended key usage and the leaf's key usage are not looked at",
  order: { reversed: true, why: "openssl takes the first issuer that fits, and never goes back for another" },
  depth: { flags: ["-verify_depth", "8"], why: "openssl walks up to a hundred certificates, here ten" },
  partial: { flags: ["-partial_chain"], why: "openssl lets a path end in a self-signed certificate alone unless told" },
  curve: "openssl takes every curve it knows, here P-256, P-384 and P-521 alone",
  self: "openssl asks whether a certificate is trusted, not whether another vouches for it",
} as const;

interface Row {
  readonly name: string;
  readonly build: () => Chain;
  readonly here: "accepts" | readonly ErrorCode[];
  /** Absent: as here. */
  readonly otherwise?: keyof typeof reasons;
  /** Signed by and held against cosign too; what it says where that is not what is said here. */
  readonly cosign?: "as here" | "accepts" | "refuses";
}

const rows: Row[] = [];
const accepted = (name: string, build: () => Chain, more: Partial<Row> = {}) =>
  rows.push({ name, build, here: "accepts", ...more });
const refused = (name: string, codes: ErrorCode | readonly ErrorCode[], build: () => Chain, more: Partial<Row> = {}) =>
  rows.push({ name, build, here: [codes].flat(), ...more });
const cosign = { cosign: "as here" } as const;

// Lengths.
accepted("a leaf under the root", () => chain({ between: [] }), cosign);
accepted("one intermediate", () => chain(), cosign);
accepted("two intermediates", () => chain({ between: [{}, {}] }));
accepted("three intermediates", () => chain({ between: [{}, {}, {}] }), cosign);
accepted("eight intermediates", () => chain({ between: Array.from({ length: 8 }, () => ({})) }));
refused(
  "nine intermediates",
  "E_CERTIFICATE_UNTRUSTED",
  () => chain({ between: Array.from({ length: 9 }, () => ({})) }),
  {
    otherwise: "depth",
  },
);

// What is handed over, and how.
accepted(
  "three intermediates in wrong order",
  () => {
    const { intermediates, ...rest } = chain({ between: [{}, {}, {}] });
    return { ...rest, intermediates: [1, 2, 0].flatMap((index) => intermediates[index] ?? []) };
  },
  cosign,
);
accepted("the root among the intermediates", () => {
  const { anchors, intermediates, ...rest } = chain();
  return { ...rest, anchors, intermediates: [...anchors, ...intermediates] };
});
accepted("each intermediate twice", () => {
  const built = chain({ between: [{}, {}] });
  return { ...built, intermediates: [...built.intermediates, ...built.intermediates] };
});
accepted(
  "strangers among the intermediates",
  () => {
    const built = chain();
    return { ...built, intermediates: [...chain().intermediates, ...built.intermediates, chain().leaf] };
  },
  cosign,
);
accepted("a stranger among the roots", () => {
  const built = chain();
  return { ...built, anchors: [root({ subject: "Stranger" }), ...built.anchors] };
});
accepted("a stranger of the root's own name", () => {
  const built = chain();
  return { ...built, anchors: [root(), ...built.anchors] };
});
accepted("a namesake of the intermediate with another key", () => {
  const built = chain();
  return { ...built, intermediates: [under(root(), {}, "Intermediate 1"), ...built.intermediates] };
});
refused(
  "no intermediate where one is needed",
  "E_CERTIFICATE_UNTRUSTED",
  () => ({ ...chain(), intermediates: [] }),
  cosign,
);
refused("the middle one of three missing", "E_CERTIFICATE_UNTRUSTED", () => {
  const built = chain({ between: [{}, {}, {}] });
  return { ...built, intermediates: built.intermediates.filter((_, index) => index !== 1) };
});
refused(
  "another root",
  "E_CERTIFICATE_UNTRUSTED",
  () => ({ ...chain(), anchors: [root({ subject: "Other" })] }),
  cosign,
);
refused("another root of the same name", "E_CERTIFICATE_UNTRUSTED", () => ({ ...chain(), anchors: [root()] }));
refused("the root handed over but not trusted", "E_CERTIFICATE_UNTRUSTED", () => {
  const built = chain();
  return { ...built, anchors: [root({ subject: "Other" })], intermediates: [...built.anchors, ...built.intermediates] };
});
accepted(
  "an intermediate as the anchor",
  () => {
    const { leaf, intermediates } = chain();
    return { leaf, anchors: intermediates, intermediates: [] };
  },
  { otherwise: "partial" },
);
accepted("no key identifiers anywhere", () => {
  const keyIdentifiers = false;
  return chain({ top: { keyIdentifiers }, between: [{ keyIdentifiers }], leaf: { keyIdentifiers } });
});

// Cross-signed.
/** One intermediate key under two roots. */
function crossed(): { oldRoot: Issued; newRoot: Issued; byOld: Issued; byNew: Issued; leaf: Issued } {
  const [oldRoot, newRoot] = [root({ subject: "Old Root" }), root({ subject: "New Root" })];
  const byOld = under(oldRoot);
  const byNew = under(newRoot, { key: byOld.key });
  return { oldRoot, newRoot, byOld, byNew, leaf: leafOf(byOld) };
}
accepted(
  "cross-signed, the old root trusted",
  () => {
    const { leaf, oldRoot, byOld, byNew } = crossed();
    return { leaf, anchors: [oldRoot], intermediates: [byNew, byOld] };
  },
  { otherwise: "order", ...cosign },
);
accepted(
  "cross-signed, the new root trusted",
  () => {
    const { leaf, newRoot, byOld, byNew } = crossed();
    return { leaf, anchors: [newRoot], intermediates: [byOld, byNew] };
  },
  { otherwise: "order" },
);
accepted("cross-signed, both trusted", () => {
  const { leaf, oldRoot, newRoot, byOld, byNew } = crossed();
  return { leaf, anchors: [oldRoot, newRoot], intermediates: [byOld, byNew] };
});
accepted("a new root certified by the old one, the old one trusted", () => {
  const [oldRoot, newRoot] = [root({ subject: "Old Root" }), root({ subject: "New Root" })];
  const bridge = make({ ...authority("New Root"), subject: "New Root", key: newRoot.key, issuer: oldRoot });
  const between = under(newRoot);
  return { leaf: leafOf(between), anchors: [oldRoot], intermediates: [between, bridge] };
});
refused("cross-signed, the side that is trusted missing", "E_CERTIFICATE_UNTRUSTED", () => {
  const { leaf, newRoot, byOld } = crossed();
  return { leaf, anchors: [newRoot], intermediates: [byOld] };
});
refused("two authorities that certify each other and lead nowhere", "E_CERTIFICATE_UNTRUSTED", () => {
  const first = root({ subject: "First" });
  const second = make({ ...authority("Second"), subject: "Second", issuer: first });
  const back = make({ ...authority("First"), subject: "First", key: first.key, issuer: second });
  return { leaf: leafOf(second), anchors: [root()], intermediates: [second, back] };
});

// Times.
refused("a leaf that has expired", "E_CERTIFICATE_EXPIRED", () => chain({ leaf: past }), cosign);
refused("an intermediate that has expired", "E_CERTIFICATE_EXPIRED", () => chain({ between: [past] }));
refused("a root that has expired", "E_CERTIFICATE_EXPIRED", () => chain({ top: past }));
refused("a leaf that is not yet valid", "E_CERTIFICATE_NOT_YET_VALID", () => chain({ leaf: future }), cosign);
refused(
  "an intermediate that is not yet valid",
  "E_CERTIFICATE_NOT_YET_VALID",
  () => chain({ between: [future] }),
  cosign,
);
refused("a root that is not yet valid", "E_CERTIFICATE_NOT_YET_VALID", () => chain({ top: future }));
accepted("an expired intermediate beside its renewal", () => {
  const top = root();
  const expired = under(top, past);
  const renewed = under(top, { key: expired.key });
  return { leaf: leafOf(renewed), anchors: [top], intermediates: [expired, renewed] };
});
accepted("a leaf that outlives its issuers", () => chain({ leaf: { notAfter: new Date(now + 4000 * DAY) } }));
accepted("an end beyond 2049", () => chain({ top: { notAfter: new Date("2060-01-01T00:00:00Z") } }));

// basicConstraints.
accepted("path length 1 at the root and 0 at the intermediate", () =>
  chain({ top: { ca: { pathLength: 1 } }, between: [{ ca: { pathLength: 0 } }] }),
);
refused(
  "path length 0 at the root, with an intermediate",
  "E_CERTIFICATE_CONSTRAINT",
  () => chain({ top: { ca: { pathLength: 0 } } }),
  cosign,
);
refused("path length 0 at the first of two", "E_CERTIFICATE_CONSTRAINT", () =>
  chain({ between: [{ ca: { pathLength: 0 } }, {}] }),
);
refused("path length 1 at the root, with three", "E_CERTIFICATE_CONSTRAINT", () =>
  chain({ top: { ca: { pathLength: 1 } }, between: [{}, {}, {}] }),
);
refused(
  "an issuer that is none by its own word",
  "E_CERTIFICATE_CONSTRAINT",
  () => chain({ between: [{ ca: false }] }),
  cosign,
);
refused("a leaf that issued a leaf", ["E_CERTIFICATE_CONSTRAINT", "E_CERTIFICATE_USAGE"], () => {
  const built = chain();
  return { ...built, leaf: leafOf(built.leaf), intermediates: [...built.intermediates, built.leaf] };
});
const { ca: _, ...silent } = authority("Intermediate 1");
refused("an intermediate that says nothing, with keyCertSign", "E_CERTIFICATE_CONSTRAINT", () => {
  const top = root();
  const between = make({ ...silent, issuer: top });
  return { leaf: leafOf(between), anchors: [top], intermediates: [between] };
});
accepted("a root of version 1", () => {
  const top = make({ subject: "Root", version: 1, keyIdentifiers: false });
  return { leaf: leafOf(top, { keyIdentifiers: false }), anchors: [top], intermediates: [] };
});
refused("an intermediate of version 1", "E_CERTIFICATE_CONSTRAINT", () => {
  const top = root();
  const between = make({ subject: "Intermediate 1", version: 1, issuer: top });
  return { leaf: leafOf(between), anchors: [top], intermediates: [between] };
});

// Usages.
refused("an intermediate without keyCertSign", "E_CERTIFICATE_USAGE", () =>
  chain({ between: [{ keyUsage: ["cRLSign"] }] }),
);
refused("a root without keyCertSign", "E_CERTIFICATE_USAGE", () => chain({ top: { keyUsage: ["cRLSign"] } }));
accepted("authorities without key usage", () => {
  const { keyUsage: __, ...bare } = authority("Root");
  const top = make(bare);
  const between = make({ ...bare, subject: "Intermediate 1", issuer: top });
  return { leaf: leafOf(between), anchors: [top], intermediates: [between] };
});
const { extendedKeyUsage: ___, ...purposeless } = signer();
refused(
  "a leaf without extended key usage",
  "E_CERTIFICATE_USAGE",
  () => {
    const built = chain();
    return { ...built, leaf: make({ ...purposeless, issuer: built.intermediates[0] ?? built.leaf }) };
  },
  { otherwise: "purpose", cosign: "accepts" },
);
refused("a leaf for servers", "E_CERTIFICATE_USAGE", () => chain({ leaf: { extendedKeyUsage: [SERVER_AUTH] } }), {
  otherwise: "purpose",
  ...cosign,
});
refused("a leaf for any purpose", "E_CERTIFICATE_USAGE", () => chain({ leaf: { extendedKeyUsage: [ANY_PURPOSE] } }), {
  otherwise: "purpose",
});
accepted("a leaf for servers and code signing", () =>
  chain({ leaf: { extendedKeyUsage: [SERVER_AUTH, CODE_SIGNING] } }),
);
refused(
  "a leaf without digitalSignature",
  "E_CERTIFICATE_USAGE",
  () => chain({ leaf: { keyUsage: ["keyAgreement"] } }),
  {
    otherwise: "purpose",
  },
);
refused(
  "an intermediate for servers",
  "E_CERTIFICATE_USAGE",
  () => chain({ between: [{ extendedKeyUsage: [SERVER_AUTH] }] }),
  {
    otherwise: "purpose",
    ...cosign,
  },
);
accepted("an intermediate for code signing", () => chain({ between: [{ extendedKeyUsage: [CODE_SIGNING] }] }));

// Name constraints.
const constrained = (...[permitted, excluded]: Parameters<typeof nameConstraints>) => ({
  extensions: [nameConstraints(permitted, excluded)],
});
const named = (...name: readonly ["email" | "dns" | "uri" | "ip", string]) => ({ alternativeNames: [name] });
accepted(
  "an e-mail address that is permitted",
  () => chain({ between: [constrained([["email", "example.com"]])] }),
  cosign,
);
refused(
  "an e-mail address that is not permitted",
  "E_CERTIFICATE_CONSTRAINT",
  () => chain({ between: [constrained([["email", "example.org"]])] }),
  cosign,
);
refused("an e-mail address that is excluded", "E_CERTIFICATE_CONSTRAINT", () =>
  chain({ top: constrained([], [["email", "example.com"]]) }),
);
accepted("a host name that is permitted", () =>
  chain({ top: constrained([["dns", "example.com"]]), leaf: named("dns", "ci.example.com") }),
);
refused("a host name that is not permitted", "E_CERTIFICATE_CONSTRAINT", () =>
  chain({ top: constrained([["dns", "example.org"]]), leaf: named("dns", "ci.example.com") }),
);
refused("a host name that is excluded", "E_CERTIFICATE_CONSTRAINT", () =>
  chain({ between: [{}, constrained([], [["dns", "example.com"]])], leaf: named("dns", "ci.example.com") }),
);
accepted("a URI whose host is permitted", () =>
  chain({ top: constrained([["uri", ".example.com"]]), leaf: named("uri", "https://ci.example.com/release") }),
);
refused("a URI whose host is not permitted", "E_CERTIFICATE_CONSTRAINT", () =>
  chain({ top: constrained([["uri", ".example.org"]]), leaf: named("uri", "https://ci.example.com/release") }),
);
accepted("an IP address that is permitted", () =>
  chain({ top: constrained([["ip", "c0000200ffffff00"]]), leaf: named("ip", "c0000201") }),
);
refused("an IP address that is not permitted", "E_CERTIFICATE_CONSTRAINT", () =>
  chain({ top: constrained([["ip", "c6336400ffffff00"]]), leaf: named("ip", "c0000201") }),
);
const example = directoryNameOf([["O", "Example"]]);
accepted("a subject that is permitted", () => chain({ top: constrained([example]) }));
refused("a subject that is not permitted", ["E_CERTIFICATE_CONSTRAINT"], () =>
  chain({ top: constrained([directoryNameOf([["O", "Other"]])]), between: [] }),
);
refused("a subject that is excluded", "E_CERTIFICATE_CONSTRAINT", () =>
  chain({ top: constrained([], [example]), between: [] }),
);
accepted("a constraint on names that the leaf has none of", () =>
  chain({ top: constrained([["dns", "example.org"]]) }),
);

// Extensions that nobody knows.
const unknown = { oid: "1.3.6.1.4.1.99999.1", value: printable("?") };
accepted("an unknown extension", () => chain({ leaf: { extensions: [unknown] } }));
refused(
  "an unknown critical extension of the leaf",
  "E_CERTIFICATE_CONSTRAINT",
  () => chain({ leaf: { extensions: [{ ...unknown, critical: true }] } }),
  cosign,
);
refused("an unknown critical extension of the intermediate", "E_CERTIFICATE_CONSTRAINT", () =>
  chain({ between: [{ extensions: [{ ...unknown, critical: true }] }] }),
);

// Signatures and keys.
refused("a leaf whose signature has a bit flipped", "E_CERTIFICATE_SIGNATURE", () =>
  chain({ leaf: { tampered: true } }),
);
refused("an intermediate whose signature has a bit flipped", "E_CERTIFICATE_SIGNATURE", () =>
  chain({ between: [{ tampered: true }] }),
);
refused(
  "a leaf signed by a forger in the intermediate's name",
  "E_CERTIFICATE_SIGNATURE",
  () => chain({ leaf: { signedBy: makeKey("p256") } }),
  cosign,
);
refused("a leaf signed with SHA-1", "E_CERTIFICATE_SIGNATURE", () => chain({ leaf: { signature: "sha1" } }), cosign);
refused("an intermediate signed with SHA-1 and RSA", "E_CERTIFICATE_SIGNATURE", () =>
  chain({ top: { keyKind: "rsa2048" }, between: [{ signature: "sha1" }] }),
);
accepted("a root signed with SHA-1, which nobody looks at", () => chain({ top: { signature: "sha1" } }));
accepted(
  "RSA of 2048 bits, PKCS #1 v1.5 with SHA-512",
  () => chain({ top: { keyKind: "rsa2048" }, between: [{ signature: "sha512", keyKind: "rsa3072" }] }),
  cosign,
);
accepted(
  "RSASSA-PSS with SHA-256",
  () => chain({ top: { keyKind: "rsa2048" }, between: [{ signature: "pss-sha256" }] }),
  cosign,
);
refused("RSASSA-PSS with SHA-1", "E_CERTIFICATE_SIGNATURE", () =>
  chain({ top: { keyKind: "rsa2048" }, between: [{ signature: "pss-sha1" }] }),
);
accepted("P-521 under P-384 under P-256", () =>
  chain({ between: [{ keyKind: "p384" }], leaf: { keyKind: "p521", signature: "sha384" } }),
);
accepted("Ed25519", () => chain({ top: { keyKind: "ed25519" }, leaf: { keyKind: "ed25519" } }));
refused("an intermediate with RSA of 1024 bits", "E_KEY_WEAK", () => chain({ between: [{ keyKind: "rsa1024" }] }));
refused("a leaf on P-224", "E_KEY_WEAK", () => chain({ leaf: { keyKind: "p224" } }), { otherwise: "curve" });
refused("a leaf on secp256k1", "E_KEY_WEAK", () => chain({ leaf: { keyKind: "secp256k1" } }), { otherwise: "curve" });

// Vouching for oneself.
refused(
  "a leaf that signed itself, trusted",
  "E_CERTIFICATE_SELF_SIGNED",
  () => {
    const leaf = make(signer());
    return { leaf, anchors: [leaf], intermediates: [] };
  },
  { otherwise: "self", cosign: "accepts" },
);
refused("a leaf that signed itself, not trusted", "E_CERTIFICATE_SELF_SIGNED", () => ({
  leaf: make(signer()),
  anchors: [root()],
  intermediates: [],
}));
refused(
  "a leaf under a root, itself trusted",
  "E_CERTIFICATE_SELF_SIGNED",
  () => {
    const built = chain({ between: [] });
    return { ...built, anchors: [built.leaf, ...built.anchors] };
  },
  { otherwise: "self" },
);

describe("our judgement", () => {
  it("is asked for at least sixty chains, and at least a dozen of them are held against cosign", () => {
    expect(rows.length).toBeGreaterThanOrEqual(60);
    expect(rows.filter((row) => row.cosign !== undefined).length).toBeGreaterThanOrEqual(12);
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
  });

  it.each(rows)("of $name", ({ build, here }) => {
    const { leaf, anchors, intermediates } = build();
    const result = buildAndValidatePath(leaf.certificate, {
      anchors: anchors.map(({ certificate }) => certificate),
      intermediates: intermediates.map(({ certificate }) => certificate),
      at: new Date(now),
      purpose: { extendedKeyUsage: CODE_SIGNING },
    });
    expect(result.ok ? "accepts" : [...new Set(result.reasons.map(({ code }) => code))].sort()).toEqual(here);
  });
});

describeWithPeer("openssl", "openssl verify", () => {
  const folder = temporaryFolder("chains");
  let files = 0;

  function fileOf(certificates: readonly Issued[]): string {
    files += 1;
    const name = path.join(folder, `${files}.pem`);
    writeFileSync(name, certificates.map(({ pem }) => pem).join(""));
    return name;
  }

  function judge({ leaf, anchors, intermediates }: Chain, flags: readonly string[] = []) {
    const given = intermediates.length === 0 ? [] : ["-untrusted", fileOf(intermediates)];
    const args = ["verify", "-auth_level", "2", "-CAfile", fileOf(anchors), ...given, ...flags, fileOf([leaf])];
    const done = spawnSync(requirePeer("openssl"), args, { encoding: "utf8", env: { PATH: "/usr/bin:/bin" } });
    return { accepts: done.status === 0, told: `${done.stdout}${done.stderr}` };
  }

  it.each(rows)("of $name", ({ build, here, otherwise }) => {
    const built = build();
    const ours = here === "accepts";
    const { accepts, told } = judge(built);
    expect(accepts, told).toBe(otherwise === undefined ? ours : !ours);
    const reason = otherwise === undefined ? undefined : reasons[otherwise];
    if (reason === undefined || typeof reason === "string") return;
    const agreed =
      "flags" in reason
        ? judge(built, reason.flags)
        : judge({ ...built, intermediates: [...built.intermediates].reverse() });
    expect(agreed.accepts, `${reason.why}\n${agreed.told}`).toBe(ours);
  });

  it("has no purpose of code signing before 3.2, the reason of each such row", () => {
    const version = execFileSync(requirePeer("openssl"), ["version"], { encoding: "utf8" });
    const { told } = judge(chain({ leaf: { extendedKeyUsage: [SERVER_AUTH] } }), ["-purpose", "codesign"]);
    const [, minor = ""] = /^OpenSSL 3\.(\d+)/.exec(version) ?? [];
    expect(told, version).toMatch(Number(minor) < 2 ? /purpose/i : /unsuitable|purpose/i);
    // By a purpose that it has, it looks.
    expect(judge(chain(), ["-purpose", "sslserver"]).accepts).toBe(false);
    expect(judge(chain({ leaf: { extendedKeyUsage: [SERVER_AUTH] } }), ["-purpose", "sslserver"]).accepts).toBe(true);
  });

  it("asks of a curve nothing but its strength", () => {
    const built = chain({ leaf: { keyKind: "p224" } });
    expect(judge(built).accepts).toBe(true);
    expect(judge(built, ["-auth_level", "3"]).told).toContain("key too weak");
  });

  it("trusts what is handed over as trusted, whoever signed it", () => {
    const leaf = make(signer());
    expect(judge({ leaf, anchors: [leaf], intermediates: [] }).accepts).toBe(true);
    expect(judge({ leaf, anchors: [root()], intermediates: [] }).told).toMatch(/self-signed/);
  });
});

describeWithPeer("cosign", "cosign 3.1.2 with --ca-roots", () => {
  let registry: StartedRegistry;
  beforeAll(async () => {
    registry = await startRegistry();
  });
  afterAll(() => registry?.close());

  it.each(rows.filter((row) => row.cosign !== undefined))("of a signature by $name", async (row) => {
    const { leaf, anchors, intermediates } = row.build();
    const image = await pushImage(registry.host, "chains", row.name);
    const pems = (certificates: readonly Issued[]) => certificates.map(({ pem }) => pem).join("");
    // The last of the chain is the root to cosign, and left out.
    const chain = pems([...[...intermediates].reverse(), ...anchors.slice(0, 1)]);
    const crafted = { key: leaf.key, certificate: leaf.pem, chain };
    await plant(image, [craftLegacy(payloadOf(image), crafted)]);
    const trust = { roots: pems(anchors), identity: "release@example.com" };
    const [theirs, ours] = await Promise.all([
      cosignVerify({ image: image.reference, format: "cosign", trust }),
      verifyHere({ images: [image.reference], trust }),
    ]);
    const accepts = row.here === "accepts";
    expect(ours.exitCode, ours.stdout).toBe(accepts ? 0 : 1);
    const expected = row.cosign === "as here" ? accepts : row.cosign === "accepts";
    expect(theirs.exitCode === 0, theirs.stderr).toBe(expected);
  });
});
