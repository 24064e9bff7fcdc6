import { execFileSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isCountersignError } from "../../src/model/errors.ts";
import { LIMITS } from "../../src/model/limits.ts";
import { parseCertificate, parseCertificates } from "../../src/trust/certificate.ts";
import { encodePem } from "../../src/trust/pem.ts";
import {
  bitStringOf,
  context,
  contextPrimitive,
  ia5String,
  integerOf,
  octetString,
  oidOf,
  printable,
  sequenceOf,
  setOf,
  tlv,
  utf8,
} from "./support/der-writer.ts";
import {
  attributeDer,
  authority,
  type CertificateSpec,
  CODE_SIGNING,
  createPki,
  directoryNameOf,
  issue,
  issueDer,
  signer,
} from "./support/pki.ts";

function refusal(der: Uint8Array): string {
  try {
    parseCertificate(der);
  } catch (error) {
    if (isCountersignError(error)) return `${error.code} ${error.message}`;
    throw error;
  }
  return "accepted";
}

const san = (...names: readonly Uint8Array[]): CertificateSpec => ({
  subject: "leaf",
  extensions: [{ oid: "2.5.29.17", value: sequenceOf(...names) }],
});

describe("a certificate", () => {
  const pki = createPki({ root: { ca: { pathLength: 3 } }, leaf: { serial: "ff00aa" } });
  const leaf = pki.leaf.certificate;

  it("keeps every field", () => {
    const oracle = new X509Certificate(pki.leaf.der);
    expect(leaf.fingerprint).toBe(`sha256:${createHash("sha256").update(pki.leaf.der).digest("hex")}`);
    expect(leaf.serial).toBe("ff00aa");
    expect(leaf.subject.text).toBe("CN=release,O=Example");
    expect(leaf.issuer.text).toBe("CN=Intermediate 1,O=Example");
    expect(leaf.notBefore).toEqual(new Date(oracle.validFrom));
    expect(leaf.notAfter).toEqual(new Date(oracle.validTo));
    expect(leaf.publicKey.equals(oracle.publicKey)).toBe(true);
    expect(leaf.signatureAlgorithm).toBe("1.2.840.10045.4.3.2");
    expect(leaf.basicConstraints).toEqual({ ca: false });
    expect([...(leaf.keyUsage ?? [])]).toEqual(["digitalSignature"]);
    expect(leaf.extendedKeyUsage).toEqual([CODE_SIGNING]);
    expect(leaf.oidcIssuer).toBeUndefined();
    expect(pki.root.certificate.basicConstraints).toEqual({ ca: true, pathLength: 3 });
    expect([...(pki.root.certificate.keyUsage ?? [])]).toEqual(["keyCertSign", "cRLSign"]);
  });

  it("keeps bytes of its own: what the caller does to its buffer changes nothing", () => {
    const source = Buffer.from(issue({ subject: "own bytes" }).der);
    const certificate = parseCertificate(source);
    const before = Buffer.from(certificate.der);
    source.fill(0);
    expect(Buffer.from(certificate.der)).toEqual(before);
    expect(certificate.subject.text).toBe("CN=own bytes");
  });

  it("tells absent extensions from empty ones", () => {
    const bare = issue({ subject: "bare", keyIdentifiers: false }).certificate;
    expect(bare).toMatchObject({
      basicConstraints: undefined,
      keyUsage: undefined,
      extendedKeyUsage: undefined,
      alternativeNames: [],
    });
  });

  it("keeps extensions as they stand", () => {
    const value = octetString(Uint8Array.of(1, 2));
    const { extensions } = issue({
      keyIdentifiers: false,
      extensions: [{ oid: "1.2.3", critical: true, value }],
    }).certificate;
    expect(extensions).toEqual([{ oid: "1.2.3", critical: true, value: new Uint8Array(value) }]);
  });

  it("reads dates of both encodings", () => {
    const notAfter = new Date("2050-01-01T00:00:00Z");
    const notBefore = new Date("1999-12-31T23:59:59Z");
    expect(issue({ notBefore, notAfter }).certificate).toMatchObject({ notBefore, notAfter });
  });
});

describe("alternative names", () => {
  const namesOf = (...names: readonly Uint8Array[]) => issue(san(...names)).certificate.alternativeNames;

  it("reads every kind", () => {
    const other = context(0, oidOf("1.3.6.1.4.1.311.20.2.3"), context(0, utf8("user@corp")));
    const fulcio = context(0, oidOf("1.3.6.1.4.1.57264.1.7"), context(0, utf8("octocat!github")));
    const opaque = context(0, oidOf("1.2.3"), context(0, integerOf(5)));
    expect(
      namesOf(
        contextPrimitive(1, "a@example.com"),
        contextPrimitive(2, "example.com"),
        contextPrimitive(6, "https://example.com/x"),
        contextPrimitive(7, Uint8Array.of(10, 0, 0, 1)),
        directoryNameOf([
          ["O", "Example"],
          ["CN", "x"],
        ]),
        contextPrimitive(8, Uint8Array.of(0x2a, 3, 4)),
        other,
        fulcio,
        opaque,
        context(5, contextPrimitive(1, "x")),
      ),
    ).toEqual([
      { type: "email", value: "a@example.com" },
      { type: "dns", value: "example.com" },
      { type: "uri", value: "https://example.com/x" },
      { type: "ip", value: "10.0.0.1" },
      { type: "directory", value: "CN=x,O=Example" },
      { type: "registered-id", value: "1.2.3.4" },
      { type: "other", value: "1.3.6.1.4.1.311.20.2.3:user@corp" },
      { type: "other", value: "octocat!github" },
      { type: "other", value: "1.2.3:#020105" },
      { type: "other", value: "edi:#a503810178" },
    ]);
  });

  it("writes IPv6 addresses as URLs do", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 }), (groups) => {
        const octets = Buffer.from(groups.map((group) => group.toString(16).padStart(4, "0")).join(""), "hex");
        const full = groups.map((group) => group.toString(16)).join(":");
        expect(namesOf(contextPrimitive(7, octets))[0]?.value).toBe(new URL(`http://[${full}]/`).hostname.slice(1, -1));
      }),
      { numRuns: 100 },
    );
  });

  it.each([
    ["none at all", []],
    ["characters outside ASCII", [contextPrimitive(1, Buffer.from("ä@example.com", "utf8"))]],
    ["a NUL in a host", [contextPrimitive(2, "good.test\0.evil.test")]],
    ["a line break in a URI", [contextPrimitive(6, "https://a/\n::set-output")]],
    ["an IP address of five octets", [contextPrimitive(7, Uint8Array.of(1, 2, 3, 4, 5))]],
    ["an unknown kind", [contextPrimitive(9, "x")]],
    ["a name that is no GeneralName", [ia5String("x")]],
    ["a padded registered ID", [contextPrimitive(8, Uint8Array.of(0x2a, 0x80, 3))]],
  ])("refuses %s", (_, names) => {
    expect(refusal(issueDer(san(...names)).bytes)).toContain("E_CERTIFICATE_INVALID malformed certificate:");
  });
});

describe("Fulcio's issuer", () => {
  const raw = (text: string) => ({ oid: "1.3.6.1.4.1.57264.1.1", value: Buffer.from(text) });
  const encoded = (text: string) => ({ oid: "1.3.6.1.4.1.57264.1.8", value: utf8(text) });

  it("reads either extension, and both that agree", () => {
    for (const extensions of [[raw("https://i")], [encoded("https://i")], [raw("https://i"), encoded("https://i")]]) {
      expect(issue({ extensions }).certificate.oidcIssuer).toBe("https://i");
    }
  });

  it.each([
    ["two that differ", [raw("https://i"), encoded("https://j")]],
    ["bytes that are no text", [{ oid: "1.3.6.1.4.1.57264.1.1", value: Uint8Array.of(0xff) }]],
    ["another type of string", [{ oid: "1.3.6.1.4.1.57264.1.8", value: printable("https://i") }]],
  ])("refuses %s", (_, extensions) => {
    expect(refusal(issueDer({ extensions }).bytes)).toContain("issuer");
  });
});

describe("certificates that break the rules", () => {
  const good = issue({ ...authority("Root") });
  const [tbs, algorithm, signature] = split(good.der);
  const fields = split(tbs);
  /** The certificate with some fields of its TBSCertificate replaced. */
  const rewritten = (changes: Record<number, Uint8Array>) =>
    sequenceOf(sequenceOf(...fields.map((field, index) => changes[index] ?? field)), algorithm, signature);
  const withExtension = (oid: string, value: Uint8Array) => issueDer({ extensions: [{ oid, value }] }).bytes;
  const time = (tag: number, text: string) =>
    sequenceOf(tlv(tag, Buffer.from(text)), tlv(0x17, Buffer.from("400101000000Z")));

  it("is rebuilt without a change", () => {
    expect(refusal(rewritten({}))).toBe("accepted");
  });

  it.each<[string, Uint8Array, string]>([
    ["nothing", new Uint8Array(), "not DER"],
    ["bytes behind it", Buffer.concat([good.der, Uint8Array.of(0)]), "not DER"],
    ["a byte less", good.der.slice(0, -1), "not DER"],
    ["an indefinite length", Buffer.concat([Uint8Array.of(0x30, 0x80), good.der, Uint8Array.of(0, 0)]), "not DER"],
    ["a fourth part", sequenceOf(tbs, algorithm, signature, integerOf(1)), "parts too many"],
    ["two signature algorithms", sequenceOf(tbs, sequenceOf(oidOf("1.2.840.10045.4.3.3")), signature), "differ"],
    [
      "a signature with bits left over",
      sequenceOf(tbs, algorithm, bitStringOf(Uint8Array.of(0xf0), 4)),
      "not whole octets",
    ],
    ["a version 4", rewritten({ 0: context(0, integerOf(3)) }), "version 4"],
    ["extensions in version 1", sequenceOf(sequenceOf(...fields.slice(1)), algorithm, signature), "version 1"],
    ["extensions in version 2", rewritten({ 0: context(0, integerOf(1)) }), "version 2"],
    ["a negative serial number", rewritten({ 1: tlv(2, Uint8Array.of(0x80)) }), "negative"],
    ["a padded serial number", rewritten({ 1: tlv(2, Uint8Array.of(0, 1)) }), "shortest"],
    ["an impossible day", rewritten({ 4: time(0x17, "300230000000Z") }), "no real time"],
    ["a time without seconds", rewritten({ 4: time(0x17, "3002030405Z") }), "RFC 5280"],
    ["a time with an offset", rewritten({ 4: time(0x17, "300203040506+0100") }), "RFC 5280"],
    ["a time with a fraction", rewritten({ 4: time(0x18, "20300203040506.5Z") }), "RFC 5280"],
    [
      "a key that is none",
      rewritten({ 6: sequenceOf(sequenceOf(oidOf("1.2.3")), bitStringOf(Uint8Array.of(1))) }),
      "public key",
    ],
    ["a subject that is no name", rewritten({ 5: integerOf(1) }), "subject"],
    ["an empty level in a name", rewritten({ 5: sequenceOf(setOf()) }), "subject"],
    [
      "the same extension twice",
      issueDer({
        extensions: [
          { oid: "1.2.3", value: tlv(5) },
          { oid: "1.2.3", value: tlv(5) },
        ],
      }).bytes,
      "1.2.3 stands twice",
    ],
    ["an empty list of extensions", rewritten({ 7: context(3, sequenceOf()) }), "empty"],
    [
      "an extension flagged by another BOOLEAN than DER's",
      rewritten({
        7: context(3, sequenceOf(sequenceOf(oidOf("1.2.3"), tlv(1, Uint8Array.of(1)), octetString(tlv(5))))),
      }),
      "BOOLEAN",
    ],
    ["an extension without a value", rewritten({ 7: context(3, sequenceOf(sequenceOf(oidOf("1.2.3")))) }), "missing"],
    [
      "basicConstraints with a negative path length",
      withExtension("2.5.29.19", sequenceOf(tlv(2, Uint8Array.of(0xff)))),
      "path length",
    ],
    [
      "basicConstraints with bytes behind",
      withExtension("2.5.29.19", Buffer.concat([sequenceOf(), tlv(5)])),
      "basicConstraints",
    ],
    ["a keyUsage that is no BIT STRING", withExtension("2.5.29.15", integerOf(1)), "keyUsage"],
    ["a keyUsage with stray bits", withExtension("2.5.29.15", tlv(3, Uint8Array.of(7, 0xff))), "keyUsage"],
    ["an empty extendedKeyUsage", withExtension("2.5.29.37", sequenceOf()), "extendedKeyUsage is empty"],
    ["an OID cut short", withExtension("2.5.29.37", sequenceOf(tlv(6, Uint8Array.of(0x2a, 0x83)))), "not an OID"],
    [
      "an OID written longer than it is",
      withExtension("2.5.29.37", sequenceOf(tlv(6, Uint8Array.of(0x2a, 0x80, 0x03)))),
      "shortest OID",
    ],
    [
      "an OID with an endless arc",
      withExtension("2.5.29.37", sequenceOf(tlv(6, new Uint8Array(40).fill(0xff)))),
      "128 bits",
    ],
  ])("refuses %s", (_, der, why) => {
    const outcome = refusal(der);
    expect(outcome).toContain("E_CERTIFICATE_INVALID");
    expect(outcome).toContain(why);
  });

  it("refuses one of a size that no authority issues, soon", () => {
    const start = performance.now();
    const elements = Buffer.alloc(64 * 1024 - 300).fill(Uint8Array.of(5, 0));
    const large = rewritten({ 7: context(3, sequenceOf(elements)) });
    expect(refusal(large)).toContain("E_CERTIFICATE_INVALID");
    expect(refusal(rewritten({ 7: context(3, sequenceOf(Buffer.alloc(4 * 1024 * 1024, 5))) }))).toContain("are read");
    expect(performance.now() - start).toBeLessThan(1000);
  });

  it("answers any mutated certificate with a certificate or a coded refusal", () => {
    const source = issue({
      ...signer(),
      issuer: good,
      alternativeNames: [
        ["uri", "https://example.com/x"],
        ["ip", "0a000001"],
      ],
    }).der;
    const mutation = fc.record({
      at: fc.nat(source.length - 1),
      kind: fc.constantFrom("flip", "drop", "insert"),
      value: fc.nat(255),
    });
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
        let der = Buffer.from(source);
        for (const { at, kind, value } of mutations) {
          const place = at % der.length;
          if (kind === "flip") der[place] = value;
          else
            der = Buffer.concat(
              [
                der.subarray(0, place),
                kind === "insert" ? Uint8Array.of(value) : [],
                der.subarray(place + (kind === "drop" ? 1 : 0)),
              ].map((part) => Buffer.from(part)),
            );
        }
        expect(refusal(der)).toMatch(/^(accepted|E_CERTIFICATE_INVALID )/);
      }),
      { numRuns: 1500 },
    );
  });
});

describe("a file of certificates", () => {
  const pki = createPki();
  const pem = [pki.leaf, ...pki.intermediates, pki.root].map((one) => one.pem);

  it("reads DER, and PEM in its order", () => {
    expect(parseCertificates(pki.leaf.der)).toHaveLength(1);
    expect(parseCertificates(Buffer.from(pem.join("\n"))).map(({ fingerprint }) => fingerprint)).toEqual(
      pki.chain.map(({ fingerprint }) => fingerprint),
    );
  });

  it.each([
    ["a file without any", "hello", "no certificate found"],
    ["an empty file", "", "no certificate found"],
    ["a private key among them", `${pem[0]}${encodePem("PRIVATE KEY", Uint8Array.of(1))}`, '"PRIVATE KEY"'],
    ["a broken one, by its number", `${pem[0]}${encodePem("CERTIFICATE", Uint8Array.of(1))}`, "number 2 of 2"],
    ["too many", pem.join("").repeat(LIMITS.certificates), `more than ${LIMITS.certificates}`],
  ])("refuses %s", (_, text, why) => {
    expect(() => parseCertificates(Buffer.from(text))).toThrow(
      expect.objectContaining({ code: "E_CERTIFICATE_INVALID", message: expect.stringContaining(why) }),
    );
  });
});

describe("distinguished names", () => {
  const textOf = (...levels: readonly Uint8Array[]) =>
    issue({ subject: sequenceOf(...levels) }).certificate.subject.text;

  it("writes the most specific first and escapes what RFC 4514 says", () => {
    expect(textOf(setOf(attributeDer("O", 'a,b+c"d\\e<f>g;h')), setOf(attributeDer("CN", " #x ")))).toBe(
      'CN=\\ #x\\ ,O=a\\,b\\+c\\"d\\\\e\\<f\\>g\\;h',
    );
    expect(textOf(setOf(attributeDer("CN", "#x")))).toBe("CN=\\#x");
    expect(textOf(setOf(attributeDer("CN", " ")))).toBe("CN=\\ ");
  });

  it("keeps control characters out of the text", () => {
    expect(textOf(setOf(attributeDer("CN", "a\nb\u0000\u001b[31m")))).toBe("CN=a\\0Ab\\00\\1B[31m");
  });

  it("joins attributes of one level", () => {
    expect(textOf(setOf(attributeDer("OU", "x"), attributeDer("CN", "y")))).toBe("OU=x+CN=y");
  });

  it("writes unknown types and values that are no text in hex", () => {
    expect(textOf(setOf(attributeDer("1.2.3.4", "x")))).toBe("1.2.3.4=#0c0178");
    expect(textOf(setOf(attributeDer("CN", integerOf(1))))).toBe("CN=#020101");
  });

  it("reads every kind of string", () => {
    expect(textOf(setOf(attributeDer("CN", tlv(0x1e, Buffer.from([0, 0x41, 0x20, 0xac])))))).toBe("CN=A€");
    expect(textOf(setOf(attributeDer("CN", tlv(0x1c, Buffer.from([0, 1, 0xf6, 0]))))).endsWith("😀")).toBe(true);
    expect(textOf(setOf(attributeDer("CN", tlv(0x14, Buffer.from([0xe4])))))).toBe("CN=ä");
  });

  it("has an empty text for an empty name", () => {
    expect(textOf()).toBe("");
  });
});

describe("certificates that OpenSSL makes", () => {
  const folder = mkdtempSync(join(tmpdir(), "certificates-"));
  const openssl = (...args: readonly string[]) =>
    execFileSync("openssl", args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  beforeAll(() => {
    writeFileSync(
      join(folder, "leaf.cnf"),
      [
        "[req]\ndistinguished_name=dn\nx509_extensions=ext\nprompt=no\nstring_mask=utf8only\nutf8=yes",
        '[dn]\nC=DE\nST=Bayern\nL=München\nO=Example, Inc. + Söhne\n0.OU=One\n1.OU=Two\nCN=build \\"x\\"\nemailAddress=a@example.com',
        "[ext]\nbasicConstraints=critical,CA:TRUE,pathlen:2\nkeyUsage=critical,digitalSignature,keyCertSign,decipherOnly,keyAgreement\nextendedKeyUsage=codeSigning,emailProtection",
        "subjectKeyIdentifier=hash\nsubjectAltName=email:a@example.com,DNS:example.com,URI:https://example.com/,IP:10.1.2.3,IP:2001:db8::1,RID:1.2.3.4,dirName:dir,otherName:1.2.3;UTF8:x",
        "[dir]\nO=Dir\nCN=Name",
      ].join("\n"),
    );
    openssl(
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-384",
      "-nodes",
      "-keyout",
      "k.pem",
      "-out",
      "c.pem",
      "-days",
      "5",
      "-config",
      "leaf.cnf",
    );
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("agrees with OpenSSL about every field", () => {
    const [certificate] = parseCertificates(readFileSync(join(folder, "c.pem")));
    const show = (...what: readonly string[]) =>
      openssl("x509", "-in", "c.pem", "-noout", ...what)
        .toString()
        .trim();
    expect(certificate?.subject.text).toBe(
      show("-subject", "-nameopt", "RFC2253,-esc_msb,utf8").replace(/^subject=/, ""),
    );
    expect(certificate?.serial).toBe(show("-serial").replace("serial=", "").toLowerCase().replace(/^00/, ""));
    const printed = show("-fingerprint", "-sha256").split("=")[1] ?? "";
    expect(certificate?.fingerprint).toBe(`sha256:${printed.replaceAll(":", "").toLowerCase()}`);
    expect(certificate?.basicConstraints).toEqual({ ca: true, pathLength: 2 });
    expect([...(certificate?.keyUsage ?? [])]).toEqual([
      "digitalSignature",
      "keyAgreement",
      "keyCertSign",
      "decipherOnly",
    ]);
    expect(certificate?.extendedKeyUsage).toEqual([CODE_SIGNING, "1.3.6.1.5.5.7.3.4"]);
    expect(certificate?.alternativeNames).toEqual([
      { type: "email", value: "a@example.com" },
      { type: "dns", value: "example.com" },
      { type: "uri", value: "https://example.com/" },
      { type: "ip", value: "10.1.2.3" },
      { type: "ip", value: "2001:db8::1" },
      { type: "registered-id", value: "1.2.3.4" },
      { type: "directory", value: "CN=Name,O=Dir" },
      { type: "other", value: "1.2.3:x" },
    ]);
  });
});

/** The encodings of the elements inside a constructed one with a short or two-octet length. */
function split(der: Uint8Array): [Uint8Array, Uint8Array, Uint8Array, ...Uint8Array[]] {
  const parts: Uint8Array[] = [];
  let at = headerLength(der, 0);
  while (at < der.length) {
    const end = at + headerLength(der, at) + contentLength(der, at);
    parts.push(der.slice(at, end));
    at = end;
  }
  const [first, second, third, ...rest] = parts;
  if (first === undefined || second === undefined || third === undefined) throw new Error("too few parts");
  return [first, second, third, ...rest];
}

function headerLength(der: Uint8Array, at: number): number {
  const first = der[at + 1] ?? 0;
  return first < 0x80 ? 2 : 2 + (first & 0x7f);
}

function contentLength(der: Uint8Array, at: number): number {
  const octets = headerLength(der, at) - 2;
  if (octets === 0) return der[at + 1] ?? 0;
  return Buffer.from(der).readUIntBE(at + 2, octets);
}
