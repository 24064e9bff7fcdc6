import { describe, expect, it } from "vitest";
import type { Certificate } from "../../src/model/certificate.ts";
import type { ErrorCode } from "../../src/model/error-codes.ts";
import { LIMITS } from "../../src/model/limits.ts";
import { buildAndValidatePath, type PathResult } from "../../src/trust/path-validation.ts";
import { booleanOf, contextPrimitive, integerOf, sequenceOf, tlv } from "./support/der-writer.ts";
import {
  ANY_PURPOSE,
  authority,
  type CertificateSpec,
  CODE_SIGNING,
  createPki,
  DAY,
  directoryNameOf,
  type Issued,
  issue,
  makeKey,
  NOW,
  nameConstraints,
  type Pki,
  type PkiSpec,
  SERVER_AUTH,
  signer,
} from "./support/pki.ts";

interface Situation {
  readonly leaf: Issued;
  readonly anchors: readonly Issued[];
  readonly intermediates?: readonly Issued[];
  readonly at?: Date;
  readonly purpose?: string | undefined;
}

function validate({ leaf, anchors, intermediates = [], at = NOW, ...rest }: Situation): PathResult {
  return buildAndValidatePath(leaf.certificate, {
    anchors: anchors.map(certificateOf),
    intermediates: intermediates.map(certificateOf),
    at,
    purpose: { extendedKeyUsage: "purpose" in rest ? rest.purpose : CODE_SIGNING },
  });
}

const certificateOf = ({ certificate }: Issued): Certificate => certificate;
const whole = (pki: Pki): Situation => ({ leaf: pki.leaf, anchors: [pki.root], intermediates: pki.intermediates });
const codes = (result: PathResult) => (result.ok ? [] : result.reasons.map(({ code }) => code));
const subjects = (result: PathResult) =>
  result.ok ? result.path.map(({ subject }) => subject.text.split(",")[0]) : [];
const past = { notBefore: new Date(NOW.getTime() - 10 * DAY), notAfter: new Date(NOW.getTime() - DAY) };
const future = { notBefore: new Date(NOW.getTime() + DAY) };

/** A chain with one thing about it; whether a path is found, or the codes that refuse it. */
type Row = readonly [situation: string, spec: PkiSpec | (() => Situation), outcome: "accepted" | readonly ErrorCode[]];

function checkTable(rows: readonly Row[]): void {
  it.each(rows)("%s", (_, spec, outcome) => {
    const result = validate(typeof spec === "function" ? spec() : whole(createPki(spec)));
    expect(codes(result)).toEqual(outcome === "accepted" ? [] : outcome);
    expect(result.ok).toBe(outcome === "accepted");
  });
}

describe("paths without a fault", () => {
  checkTable([
    ["accepts leaf, intermediate, root", {}, "accepted"],
    ["accepts a leaf right under the root", { intermediates: [] }, "accepted"],
    ["accepts three intermediates", { intermediates: [{}, {}, {}] }, "accepted"],
    ["accepts P-384 throughout", { keyKind: "p384" }, "accepted"],
    ["accepts P-521 throughout", { keyKind: "p521" }, "accepted"],
    ["accepts RSA with PKCS#1 v1.5", { keyKind: "rsa2048" }, "accepted"],
    ["accepts RSA keys with PSS signatures", { keyKind: "rsa2048", leaf: { signature: "pss-sha384" } }, "accepted"],
    ["accepts id-RSASSA-PSS keys", { keyKind: "rsapss" }, "accepted"],
    ["accepts Ed25519 throughout", { keyKind: "ed25519" }, "accepted"],
    [
      "accepts a leaf that names several purposes",
      { leaf: { extendedKeyUsage: [SERVER_AUTH, CODE_SIGNING] } },
      "accepted",
    ],
    [
      "accepts a path without key identifiers",
      { root: { keyIdentifiers: false }, intermediates: [{ keyIdentifiers: false }], leaf: { keyIdentifiers: false } },
      "accepted",
    ],
    [
      "accepts issuers whose purposes include the leaf's",
      { intermediates: [{ extendedKeyUsage: [CODE_SIGNING] }] },
      "accepted",
    ],
    ["accepts issuers that permit any purpose", { intermediates: [{ extendedKeyUsage: [ANY_PURPOSE] }] }, "accepted"],
    [
      "accepts a root signed with SHA-1: an anchor's own signature proves nothing",
      { root: { signature: "sha1" } },
      "accepted",
    ],
    [
      "accepts critical certificate policies",
      {
        leaf: {
          extensions: [
            {
              oid: "2.5.29.32",
              critical: true,
              value: sequenceOf(sequenceOf(tlv(0x06, Buffer.from("2a0304", "hex")))),
            },
          ],
        },
      },
      "accepted",
    ],
    [
      "accepts unknown extensions that are not critical",
      { leaf: { extensions: [{ oid: "1.2.3.4", value: booleanOf(true) }] } },
      "accepted",
    ],
    ["accepts a version 1 root that is an anchor", { root: { version: 1 } }, "accepted"],
    [
      "accepts an intermediate as the anchor",
      () => {
        const pki = createPki();
        return { leaf: pki.leaf, anchors: pki.intermediates };
      },
      "accepted",
    ],
  ]);

  it("returns the path from the leaf to the anchor", () => {
    expect(subjects(validate(whole(createPki({ intermediates: [{}, {}] }))))).toEqual([
      "CN=release",
      "CN=Intermediate 2",
      "CN=Intermediate 1",
      "CN=Root",
    ]);
  });

  it("asks for no purpose when none is wanted", () => {
    const pki = createPki({ leaf: { extendedKeyUsage: [SERVER_AUTH] } });
    expect(validate({ ...whole(pki), purpose: undefined }).ok).toBe(true);
  });
});

describe("validity", () => {
  checkTable([
    ["refuses an expired leaf", { leaf: past }, ["E_CERTIFICATE_EXPIRED"]],
    ["refuses a leaf of the future", { leaf: future }, ["E_CERTIFICATE_NOT_YET_VALID"]],
    ["refuses an expired intermediate", { intermediates: [past] }, ["E_CERTIFICATE_EXPIRED"]],
    ["refuses an intermediate of the future", { intermediates: [future] }, ["E_CERTIFICATE_NOT_YET_VALID"]],
    ["refuses an expired anchor", { root: past }, ["E_CERTIFICATE_EXPIRED"]],
    [
      "tells of every certificate that is out of its time",
      { leaf: past, root: future },
      ["E_CERTIFICATE_EXPIRED", "E_CERTIFICATE_NOT_YET_VALID"],
    ],
  ]);

  it("counts both ends in, to the second", () => {
    const pki = createPki();
    const { notBefore, notAfter } = pki.leaf.certificate;
    const at = (time: number) => codes(validate({ ...whole(pki), at: new Date(time) }));
    expect(at(notBefore.getTime())).toEqual([]);
    expect(at(notBefore.getTime() - 1)[0]).toBe("E_CERTIFICATE_NOT_YET_VALID");
    expect(at(notAfter.getTime())).toEqual([]);
    expect(at(notAfter.getTime() + 1)[0]).toBe("E_CERTIFICATE_EXPIRED");
  });

  it("refuses to judge at a time that is none", () => {
    expect(() => validate({ ...whole(createPki()), at: new Date(Number.NaN) })).toThrow(TypeError);
  });

  it("says first what is wrong with the leaf, then with the path", () => {
    const pki = createPki({ leaf: past });
    expect(codes(validate({ ...whole(pki), anchors: [] }))).toEqual([
      "E_CERTIFICATE_EXPIRED",
      "E_CERTIFICATE_UNTRUSTED",
    ]);
  });
});

describe("usages", () => {
  checkTable([
    ["refuses a leaf for servers", { leaf: { extendedKeyUsage: [SERVER_AUTH] } }, ["E_CERTIFICATE_USAGE"]],
    [
      "refuses a leaf that names no purpose",
      () => {
        const { extendedKeyUsage: _, ...spec } = signer();
        const pki = createPki();
        return { leaf: issue({ ...spec, issuer: pki.root }), anchors: [pki.root] };
      },
      ["E_CERTIFICATE_USAGE"],
    ],
    [
      "refuses a leaf for any purpose: it must name this one",
      { leaf: { extendedKeyUsage: [ANY_PURPOSE] } },
      ["E_CERTIFICATE_USAGE"],
    ],
    [
      "refuses a leaf whose key usage lacks digitalSignature",
      { leaf: { keyUsage: ["keyEncipherment"] } },
      ["E_CERTIFICATE_USAGE"],
    ],
    [
      "refuses an intermediate whose purposes leave out the leaf's",
      { intermediates: [{ extendedKeyUsage: [SERVER_AUTH] }] },
      ["E_CERTIFICATE_USAGE"],
    ],
    [
      "refuses an anchor whose purposes leave out the leaf's",
      { root: { extendedKeyUsage: [SERVER_AUTH] } },
      ["E_CERTIFICATE_USAGE"],
    ],
    [
      "refuses an intermediate whose key usage lacks keyCertSign",
      { intermediates: [{ keyUsage: ["digitalSignature"] }] },
      ["E_CERTIFICATE_USAGE"],
    ],
    [
      "refuses an anchor whose key usage lacks keyCertSign",
      { root: { keyUsage: ["cRLSign"] } },
      ["E_CERTIFICATE_USAGE"],
    ],
  ]);
});

describe("constraints", () => {
  checkTable([
    ["refuses an intermediate that is no authority", { intermediates: [{ ca: false }] }, ["E_CERTIFICATE_CONSTRAINT"]],
    ["refuses a version 1 intermediate", { intermediates: [{ version: 1 }] }, ["E_CERTIFICATE_CONSTRAINT"]],
    ["refuses a version 3 anchor that is no authority", { root: { ca: false } }, ["E_CERTIFICATE_CONSTRAINT"]],
    [
      "refuses a leaf that issues",
      () => {
        const pki = createPki();
        return {
          leaf: issue({ ...signer("below"), issuer: pki.leaf }),
          anchors: [pki.root],
          intermediates: [...pki.intermediates, pki.leaf],
        };
      },
      ["E_CERTIFICATE_CONSTRAINT", "E_CERTIFICATE_USAGE"],
    ],
    ["accepts as many intermediates as the path length says", { root: { ca: { pathLength: 1 } } }, "accepted"],
    [
      "refuses one intermediate under a path length of 0",
      { root: { ca: { pathLength: 0 } } },
      ["E_CERTIFICATE_CONSTRAINT"],
    ],
    [
      "refuses two intermediates under a path length of 1",
      { root: { ca: { pathLength: 1 } }, intermediates: [{}, {}] },
      ["E_CERTIFICATE_CONSTRAINT"],
    ],
    [
      "refuses what an intermediate's own path length forbids",
      { intermediates: [{ ca: { pathLength: 0 } }, {}] },
      ["E_CERTIFICATE_CONSTRAINT"],
    ],
    [
      "does not count a self-issued intermediate, which only changes the key",
      () => {
        const root = issue({ ...authority("Root"), ca: { pathLength: 0 } });
        const rolled = issue({ ...authority("Root"), issuer: root });
        return { leaf: issue({ ...signer(), issuer: rolled }), anchors: [root], intermediates: [rolled] };
      },
      "accepted",
    ],
    [
      "refuses a critical extension that nobody here knows, in the leaf",
      { leaf: { extensions: [{ oid: "1.2.3.4", critical: true, value: booleanOf(true) }] } },
      ["E_CERTIFICATE_CONSTRAINT"],
    ],
    [
      "refuses one in an intermediate",
      { intermediates: [{ extensions: [{ oid: "1.2.3.4", critical: true, value: booleanOf(true) }] }] },
      ["E_CERTIFICATE_CONSTRAINT"],
    ],
    [
      "refuses critical policy constraints",
      {
        intermediates: [
          {
            extensions: [
              { oid: "2.5.29.36", critical: true, value: sequenceOf(contextPrimitive(0, Uint8Array.of(0))) },
            ],
          },
        ],
      },
      ["E_CERTIFICATE_CONSTRAINT"],
    ],
    [
      "refuses a precertificate",
      { leaf: { extensions: [{ oid: "1.3.6.1.4.1.11129.2.4.3", critical: true, value: tlv(5) }] } },
      ["E_CERTIFICATE_CONSTRAINT"],
    ],
  ]);
});

describe("name constraints", () => {
  const under = (
    constraints: ReturnType<typeof nameConstraints>,
    ...names: NonNullable<CertificateSpec["alternativeNames"]>
  ): PkiSpec => ({
    intermediates: [{ extensions: [constraints] }],
    leaf: names.length === 0 ? {} : { alternativeNames: names },
  });
  const refused: readonly ErrorCode[] = ["E_CERTIFICATE_CONSTRAINT"];
  const example = directoryNameOf([["O", "Example"]]);
  checkTable([
    [
      "dns: accepts the permitted host",
      under(nameConstraints([["dns", "example.com"]]), ["dns", "example.com"]),
      "accepted",
    ],
    [
      "dns: accepts a host below, in any case",
      under(nameConstraints([["dns", "example.com"]]), ["dns", "CI.Example.COM"]),
      "accepted",
    ],
    [
      "dns: refuses a host that only ends alike",
      under(nameConstraints([["dns", "example.com"]]), ["dns", "badexample.com"]),
      refused,
    ],
    [
      "dns: refuses one name outside among others inside",
      under(nameConstraints([["dns", "example.com"]]), ["dns", "a.example.com"], ["dns", "evil.test"]),
      refused,
    ],
    [
      "dns: accepts names of a form that is not constrained",
      under(nameConstraints([["dns", "example.com"]]), ["email", "a@evil.test"]),
      "accepted",
    ],
    [
      "dns: refuses the host itself under a leading dot",
      under(nameConstraints([["dns", ".example.com"]]), ["dns", "example.com"]),
      refused,
    ],
    [
      "dns: refuses an excluded host",
      under(nameConstraints([], [["dns", "evil.test"]]), ["dns", "a.evil.test"]),
      refused,
    ],
    [
      "dns: refuses a wildcard that covers an excluded host",
      under(nameConstraints([], [["dns", "secret.example.com"]]), ["dns", "*.example.com"]),
      refused,
    ],
    [
      "dns: accepts a wildcard beside an excluded host",
      under(nameConstraints([], [["dns", "secret.example.com"]]), ["dns", "*.example.org"]),
      "accepted",
    ],
    [
      "dns: lets the excluded win over the permitted",
      under(nameConstraints([["dns", "example.com"]], [["dns", "x.example.com"]]), ["dns", "x.example.com"]),
      refused,
    ],
    [
      "dns: refuses a name that is no host where hosts are excluded",
      under(nameConstraints([], [["dns", "evil.test"]]), ["dns", "a..b"]),
      refused,
    ],
    [
      "dns: an empty constraint excludes every host",
      under(nameConstraints([], [["dns", ""]]), ["dns", "example.com"]),
      refused,
    ],
    [
      "email: accepts a mailbox at the permitted host",
      under(nameConstraints([["email", "example.com"]]), ["email", "a@EXAMPLE.com"]),
      "accepted",
    ],
    [
      "email: refuses a mailbox at a host below",
      under(nameConstraints([["email", "example.com"]]), ["email", "a@sub.example.com"]),
      refused,
    ],
    [
      "email: accepts a mailbox below a leading dot",
      under(nameConstraints([["email", ".example.com"]]), ["email", "a@sub.example.com"]),
      "accepted",
    ],
    [
      "email: accepts the one permitted mailbox",
      under(nameConstraints([["email", "a@example.com"]]), ["email", "a@example.com"]),
      "accepted",
    ],
    [
      "email: refuses another mailbox",
      under(nameConstraints([["email", "a@example.com"]]), ["email", "A@example.com"]),
      refused,
    ],
    [
      "email: refuses an address with two at signs",
      under(nameConstraints([["email", "example.com"]]), ["email", "a@evil.test@example.com"]),
      refused,
    ],
    [
      "email: holds addresses in the subject to it as well",
      {
        intermediates: [{ extensions: [nameConstraints([["email", "example.com"]])] }],
        leaf: {
          subject: [
            ["CN", "release"],
            ["emailAddress", "a@evil.test"],
          ],
          alternativeNames: [["email", "a@example.com"]],
        },
      },
      refused,
    ],
    [
      "uri: accepts the permitted host",
      under(nameConstraints([["uri", "ci.example.com"]]), ["uri", "https://ci.example.com/group/app"]),
      "accepted",
    ],
    [
      "uri: refuses a host below, which only a leading dot permits",
      under(nameConstraints([["uri", "example.com"]]), ["uri", "https://ci.example.com/"]),
      refused,
    ],
    [
      "uri: accepts a host below a leading dot, with port and user",
      under(nameConstraints([["uri", ".example.com"]]), ["uri", "spiffe://u@ci.example.com:8443/x"]),
      "accepted",
    ],
    [
      "uri: refuses a permitted host that is only the user",
      under(nameConstraints([["uri", "example.com"]]), ["uri", "https://example.com@evil.test/"]),
      refused,
    ],
    [
      "uri: refuses a host hidden behind a backslash",
      under(nameConstraints([["uri", "example.com"]]), ["uri", "https://evil.test\\@example.com/"]),
      refused,
    ],
    [
      "uri: refuses a URI without a host",
      under(nameConstraints([["uri", "example.com"]]), ["uri", "urn:example.com"]),
      refused,
    ],
    [
      "uri: refuses a URI without a host where one is excluded",
      under(nameConstraints([], [["uri", "evil.test"]]), ["uri", "urn:x"]),
      refused,
    ],
    [
      "uri: refuses an IP address as host",
      under(nameConstraints([], [["uri", "evil.test"]]), ["uri", "https://10.0.0.1/"]),
      refused,
    ],
    [
      "ip: accepts an address in the network",
      under(nameConstraints([["ip", "0a000000ff000000"]]), ["ip", "0a010203"]),
      "accepted",
    ],
    [
      "ip: refuses an address outside",
      under(nameConstraints([["ip", "0a000000ff000000"]]), ["ip", "0b010203"]),
      refused,
    ],
    [
      "ip: refuses IPv6 where only IPv4 is permitted",
      under(nameConstraints([["ip", "0a000000ff000000"]]), ["ip", "20010db8000000000000000000000001"]),
      refused,
    ],
    [
      "ip: refuses an excluded IPv6 network",
      under(nameConstraints([], [["ip", `20010db8${"0".repeat(24)}ffffffff${"0".repeat(24)}`]]), [
        "ip",
        "20010db8000000000000000000000001",
      ]),
      refused,
    ],
    [
      "ip: refuses a mask with a gap",
      under(nameConstraints([["ip", "0a000000ff00ff00"]]), ["ip", "0a010003"]),
      refused,
    ],
    ["directory: accepts a subject below the permitted name", under(nameConstraints([example])), "accepted"],
    [
      "directory: compares without regard to case and spaces",
      under(nameConstraints([directoryNameOf([["O", " EXAMPLE "]])])),
      "accepted",
    ],
    ["directory: refuses a subject elsewhere", under(nameConstraints([directoryNameOf([["O", "Other"]])])), refused],
    [
      "directory: refuses an excluded name in other letters",
      under(nameConstraints([], [directoryNameOf([["O", "eXaMpLe"]])])),
      refused,
    ],
    [
      "directory: refuses an excluded directory name among the alternative names",
      under(
        nameConstraints([], [directoryNameOf([["O", "Evil"]])]),
        directoryNameOf([
          ["O", "Evil"],
          ["CN", "x"],
        ]),
      ),
      refused,
    ],
    [
      "refuses constraints on a form that it cannot judge",
      under(nameConstraints([contextPrimitive(8, Buffer.from("2a0304", "hex"))])),
      refused,
    ],
    [
      "refuses them also when they are not critical",
      under(nameConstraints([contextPrimitive(8, Buffer.from("2a0304", "hex"))], [], false)),
      refused,
    ],
    [
      "honours constraints that are not critical",
      under(nameConstraints([], [["dns", "evil.test"]], false), ["dns", "evil.test"]),
      refused,
    ],
    ["refuses empty constraints", under({ oid: "2.5.29.30", critical: true, value: sequenceOf() }), refused],
    [
      "refuses subtrees with bounds",
      under({
        oid: "2.5.29.30",
        critical: true,
        value: sequenceOf(tlv(0xa0, sequenceOf(contextPrimitive(2, "example.com"), contextPrimitive(0, integerOf(1))))),
      }),
      refused,
    ],
    [
      "refuses constraints that are no DER",
      under({ oid: "2.5.29.30", critical: true, value: Uint8Array.of(1, 2, 3) }),
      refused,
    ],
    [
      "honours the anchor's constraints",
      { root: { extensions: [nameConstraints([["email", "other.test"]])] } },
      refused,
    ],
    [
      "needs every authority's consent",
      {
        root: { extensions: [nameConstraints([["email", "example.com"]])] },
        intermediates: [{ extensions: [nameConstraints([["email", "other.test"]])] }],
      },
      refused,
    ],
    [
      "holds intermediates to them too",
      {
        root: { extensions: [nameConstraints([directoryNameOf([["O", "Example"]])])] },
        intermediates: [
          {
            subject: [
              ["O", "Evil"],
              ["CN", "Intermediate"],
            ],
          },
        ],
      },
      refused,
    ],
    [
      "lets a self-issued intermediate off, which only changes the key",
      () => {
        const root = issue({ ...authority("Root"), subject: "Root", extensions: [nameConstraints([example])] });
        const rolled = issue({ ...authority("Root"), subject: "Root", issuer: root });
        return { leaf: issue({ ...signer(), issuer: rolled }), anchors: [root], intermediates: [rolled] };
      },
      "accepted",
    ],
  ]);
});

describe("signatures and keys", () => {
  checkTable([
    ["refuses a leaf whose signature was changed", { leaf: { tampered: true } }, ["E_CERTIFICATE_SIGNATURE"]],
    [
      "refuses an intermediate whose signature was changed",
      { intermediates: [{ tampered: true }] },
      ["E_CERTIFICATE_SIGNATURE"],
    ],
    [
      "refuses a leaf that another key signed in the issuer's name",
      { leaf: { signedBy: makeKey("p256") } },
      ["E_CERTIFICATE_SIGNATURE"],
    ],
    ["refuses a leaf signed with SHA-1 and ECDSA", { leaf: { signature: "sha1" } }, ["E_CERTIFICATE_SIGNATURE"]],
    [
      "refuses an intermediate signed with SHA-1 and RSA",
      { keyKind: "rsa2048", intermediates: [{ signature: "sha1" }] },
      ["E_CERTIFICATE_SIGNATURE"],
    ],
    ["refuses PSS over SHA-1", { keyKind: "rsa2048", leaf: { signature: "pss-sha1" } }, ["E_CERTIFICATE_SIGNATURE"]],
    ["refuses a weak root key", { root: { keyKind: "rsa1024" } }, ["E_KEY_WEAK"]],
    ["refuses a weak intermediate key", { intermediates: [{ keyKind: "rsa1024" }] }, ["E_KEY_WEAK"]],
    ["refuses a weak leaf key", { leaf: { keyKind: "rsa1024" } }, ["E_KEY_WEAK"]],
    ["refuses P-224", { intermediates: [{ keyKind: "p224" }] }, ["E_KEY_WEAK"]],
    ["refuses curves of no standard here", { leaf: { keyKind: "secp256k1" } }, ["E_KEY_WEAK"]],
  ]);

  it.each(["rsa2048", "p256"] as const)("says that SHA-1 is why, under %s", (keyKind) => {
    const result = validate(whole(createPki({ keyKind, leaf: { signature: "sha1" } })));
    expect(result.ok ? "" : result.reasons[0]?.message).toContain("SHA-1");
    const pss = validate(whole(createPki({ keyKind: "rsa2048", leaf: { signature: "pss-sha1" } })));
    expect(pss.ok ? "" : pss.reasons[0]?.message).toContain("SHA-1");
  });
});

describe("trust", () => {
  checkTable([
    [
      "refuses a path to an unrelated root",
      () => ({ ...whole(createPki()), anchors: [issue(authority("Unrelated"))] }),
      ["E_CERTIFICATE_UNTRUSTED"],
    ],
    [
      "refuses a path to a namesake of the root with another key",
      () => ({ ...whole(createPki()), anchors: [issue(authority("Root"))] }),
      ["E_CERTIFICATE_UNTRUSTED"],
    ],
    ["refuses everything without anchors", () => ({ ...whole(createPki()), anchors: [] }), ["E_CERTIFICATE_UNTRUSTED"]],
    [
      "refuses when the intermediate is missing",
      () => ({ ...whole(createPki()), intermediates: [] }),
      ["E_CERTIFICATE_UNTRUSTED"],
    ],
    [
      "never takes a supplied root for an anchor",
      () => {
        const pki = createPki();
        return {
          leaf: pki.leaf,
          anchors: [issue(authority("Other"))],
          intermediates: [...pki.intermediates, pki.root],
        };
      },
      ["E_CERTIFICATE_UNTRUSTED"],
    ],
    [
      "refuses a self-signed leaf",
      () => ({ leaf: issue(signer()), anchors: [createPki().root] }),
      ["E_CERTIFICATE_SELF_SIGNED"],
    ],
    [
      "refuses a self-signed leaf that is the anchor",
      () => {
        const leaf = issue(signer());
        return { leaf, anchors: [leaf] };
      },
      ["E_CERTIFICATE_SELF_SIGNED"],
    ],
    [
      "refuses an issued leaf that is the anchor",
      () => {
        const pki = createPki();
        return { ...whole(pki), anchors: [pki.leaf, pki.root] };
      },
      ["E_CERTIFICATE_SELF_SIGNED"],
    ],
    [
      "refuses a leaf that an anchor's name signed by itself",
      () => ({ leaf: issue({ ...signer(), subject: authority("Root").subject ?? "" }), anchors: [createPki().root] }),
      ["E_CERTIFICATE_SELF_SIGNED"],
    ],
  ]);
});

describe("building", () => {
  it("takes intermediates in any order, twice, and among strangers", () => {
    const pki = createPki({ intermediates: [{}, {}, {}] });
    const strangers = [createPki().leaf, issue(authority("Intermediate 2")), issue(authority("Stranger"))];
    const intermediates = [...strangers, ...pki.intermediates, ...pki.intermediates, pki.root, pki.leaf];
    expect(validate({ leaf: pki.leaf, anchors: [pki.root], intermediates }).ok).toBe(true);
    expect(validate({ leaf: pki.leaf, anchors: [pki.root], intermediates: intermediates.toReversed() }).ok).toBe(true);
  });

  it("tries a cross-signed issuer's other certificate when one path fails", () => {
    const [oldRoot, newRoot] = [issue({ ...authority("Old Root"), ...past }), issue(authority("New Root"))];
    const key = makeKey("p256");
    const byOld = issue({ ...authority("Intermediate"), key, issuer: oldRoot });
    const byNew = issue({ ...authority("Intermediate"), key, issuer: newRoot });
    const leaf = issue({ ...signer(), issuer: byOld });
    for (const intermediates of [
      [byOld, byNew],
      [byNew, byOld],
    ]) {
      const result = validate({ leaf, anchors: [oldRoot, newRoot], intermediates });
      expect(subjects(result)).toEqual(["CN=release", "CN=Intermediate", "CN=New Root"]);
    }
  });

  it("finds the way through a cross certificate of a new root under an old anchor", () => {
    const [oldRoot, newRoot] = [issue(authority("Old Root")), issue(authority("New Root"))];
    const cross = issue({ ...authority("New Root"), key: newRoot.key, issuer: oldRoot });
    const leaf = issue({ ...signer(), issuer: newRoot });
    expect(subjects(validate({ leaf, anchors: [oldRoot], intermediates: [newRoot, cross] }))).toEqual([
      "CN=release",
      "CN=New Root",
      "CN=Old Root",
    ]);
  });

  it("does not run in circles between authorities that sign each other", () => {
    const [a, b] = [issue(authority("A")), issue(authority("B"))];
    const aByB = issue({ ...authority("A"), key: a.key, issuer: b });
    const bByA = issue({ ...authority("B"), key: b.key, issuer: a });
    const leaf = issue({ ...signer(), issuer: a });
    const result = validate({ leaf, anchors: [issue(authority("Elsewhere"))], intermediates: [a, b, aByB, bByA] });
    expect(codes(result)).toEqual(["E_CERTIFICATE_UNTRUSTED"]);
  });

  it("does not mistake a renewed issuer's key: the namesake that signed is found among many", () => {
    const root = issue(authority("Root"));
    const generations = Array.from({ length: 20 }, () =>
      issue({ ...authority("CA"), issuer: root, keyIdentifiers: false }),
    );
    const leaf = issue({ ...signer(), issuer: generations[17] ?? root, keyIdentifiers: false });
    expect(validate({ leaf, anchors: [root], intermediates: generations }).ok).toBe(true);
  });

  it("accepts the longest path allowed and refuses the next", () => {
    const longest = createPki({ intermediates: Array.from({ length: LIMITS.pathDepth - 2 }, () => ({})) });
    expect(validate(whole(longest)).ok).toBe(true);
    const longer = createPki({ intermediates: Array.from({ length: LIMITS.pathDepth - 1 }, () => ({})) });
    expect(codes(validate(whole(longer)))).toEqual(["E_CERTIFICATE_UNTRUSTED"]);
  });

  it("gives up in bounded time on a thicket of namesakes", () => {
    const root = issue(authority("Root"));
    // Two authorities a level, each certified by both above it: the paths double with every level.
    let above = [issue({ ...authority("L0"), issuer: issue(authority("Nobody")) })];
    const thicket: Issued[] = [];
    for (let level = 1; level < LIMITS.pathDepth; level += 1) {
      const keys = Array.from({ length: 3 }, () => makeKey("p256"));
      const made = above.flatMap((issuer) =>
        keys.map((key) => issue({ ...authority(`L${level}`), key, issuer, keyIdentifiers: false })),
      );
      thicket.push(...made);
      above = keys.map((key) => made.find((one) => one.key === key) ?? root);
    }
    const leaf = issue({ ...signer(), issuer: above[0] ?? root });
    const start = performance.now();
    const result = validate({ leaf, anchors: [root], intermediates: thicket });
    expect(performance.now() - start).toBeLessThan(2000);
    expect(codes(result)).toEqual(["E_CERTIFICATE_UNTRUSTED"]);
    expect(result.ok ? "" : result.reasons[0]?.message).toContain(`${LIMITS.pathAttempts} attempts`);
  });

  it("reports the path that came furthest when several fail", () => {
    const [root, expired] = [issue(authority("Root")), issue({ ...authority("Root 2"), ...past })];
    const key = makeKey("p256");
    const intermediates = [
      issue({ ...authority("CA"), key, issuer: issue(authority("Nobody")) }),
      issue({ ...authority("CA"), key, issuer: expired }),
    ];
    const leaf = issue({ ...signer(), issuer: intermediates[0] ?? root });
    expect(codes(validate({ leaf, anchors: [root, expired], intermediates }))).toEqual(["E_CERTIFICATE_EXPIRED"]);
  });

  it("links names that differ only in how their strings are encoded", () => {
    const root = issue({
      ...authority("Root"),
      subject: [
        ["C", "DE"],
        ["O", "Example Corp"],
        ["CN", "Root"],
      ],
    });
    const leaf = issue({
      ...signer(),
      issuer: root,
      issuerName: [
        ["C", "de"],
        ["O", "EXAMPLE  CORP"],
        ["CN", "root"],
      ],
    });
    expect(validate({ leaf, anchors: [root] }).ok).toBe(true);
  });
});
