import { constants, createHash, sign as signBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { preAuthEncoding } from "../../src/formats/bundle/dsse.ts";
import { encodeStatement } from "../../src/formats/bundle/statement.ts";
import { encodePayload } from "../../src/formats/cosign/payload.ts";
import { type Digest, digestOf } from "../../src/model/digest.ts";
import type { FormatName } from "../../src/model/signature.ts";
import { attachReport, payloadReport } from "../../src/reports/report.ts";
import { status, withFaults } from "../support/faults.ts";
import { type PushedImage, pushImage, storageSink } from "../support/images.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { createPki, DAY, makeKey, NOW } from "../trust/support/pki.ts";
import { publicKeyPem } from "./support/keys.ts";
import { createMachine } from "./support/machine.ts";
import { type BadInput, expectClean, refuses, storageState } from "./support/refusals.ts";
import { onlyImage, verifyReportOf } from "./support/reports.ts";

const machine = createMachine();
const pki = createPki();
const key = pki.key;
const formats = ["cosign", "bundle"] as const;

let registry: StartedRegistry;
let image: PushedImage;
let other: PushedImage;
beforeAll(async () => {
  registry = await startRegistry();
  image = await pushImage(storageSink(registry.storage, "app"), { tag: "1", seed: "1" });
  other = await pushImage(storageSink(registry.storage, "app"), { tag: "other", seed: "2" });
});
afterAll(() => registry.close());

const app = (tail = ":1") => `${registry.host}/app${tail}`;
const leaf = machine.file("leaf.pem", pki.leaf.pem);
const chain = machine.file("chain.pem", pki.intermediates.map(({ pem }) => pem).join("") + pki.root.pem);
const root = machine.file("root.pem", pki.root.pem);
const publicKey = machine.file("leaf.pub", publicKeyPem(key));
const stranger = machine.file("stranger.pub", publicKeyPem("p256"));

/** What would be signed for a digest. */
function bytesFor(format: FormatName, digest: Digest, annotations: Readonly<Record<string, string>> = {}): Uint8Array {
  if (format === "cosign") return encodePayload({ reference: `${registry.host}/app`, digest, annotations });
  return preAuthEncoding("application/vnd.in-toto+json", encodeStatement(digest, annotations));
}

const signed = (bytes: Uint8Array) => signBytes("sha256", bytes, key);
const digestBytes = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();
let files = 0;
const file = (content: string | Uint8Array) => {
  files += 1;
  return machine.file(`file-${files}`, content);
};

/** Flags for bytes and the signature over them, which may be over others. */
const handedOver = (payload: Uint8Array, signature: string | Uint8Array = signed(payload)) => [
  ...["--payload", file(payload), "--signature", file(signature)],
];
const certified = ["--certificate", leaf, "--certificate-chain", chain];

async function attach(...args: readonly string[]) {
  const run = await machine.run(["attach", "-o", "json", ...args]);
  expectClean(run);
  return { exit: run.exit, report: attachReport.parse(JSON.parse(run.stdout)) };
}

async function verdict(...args: readonly string[]) {
  return verifyReportOf(await machine.run(["verify", "-o", "json", ...args])).verdict;
}

describe.each(formats)("payload and attach, format %s", (format) => {
  it("carry a signature by a key elsewhere to its image, where the root alone verifies it", async () => {
    const out = machine.absent(`payload-${format}`);
    const args = ["--format", format, "-a", "build=1", "--out", out, ...certified];
    const prepared = await machine.run(["payload", "-o", "json", ...args, app()]);
    const report = payloadReport.parse(JSON.parse(prepared.stdout));
    const bytes = new Uint8Array(readFileSync(out));
    expect(bytes).toEqual(bytesFor(format, image.digest, { build: "1" }));
    expect(report).toMatchObject({ digest: image.digest, format, size: bytes.length, warnings: [] });
    expect(report.signing).toEqual({ algorithm: "ecdsa-p256-sha256", hash: "sha256", encoding: "der" });
    expect(`sha256:${report.hashed?.hex}`).toBe(digestOf(bytes));

    const { exit, report: attached } = await attach(...handedOver(bytes), ...certified, app());
    expect([exit, attached.warnings]).toEqual([0, []]);
    expect(onlyImage(attached)).toMatchObject({ status: "signed", digest: image.digest });
    const who = ["--certificate-identity", "release@example.com", "-a", "build=1"];
    expect(await verdict("--ca-roots", root, ...who, app())).toBe("trusted");
  });

  it("prints the bytes alone on standard output, and what to do with them on standard error", async () => {
    const { exit, stdout, stderr } = await machine.run(["payload", "--format", format, "--digest", "sha384", app()]);
    expect(exit).toBe(0);
    expect(Buffer.from(stdout)).toEqual(Buffer.from(bytesFor(format, image.digest)));
    expect(stderr).toContain(`@${image.digest}: ${Buffer.byteLength(stdout)} bytes to sign, format ${format}`);
    expect(stderr).toContain("sha384");
  });

  it("add nothing the second time, and refuse a bad signature even then", async () => {
    const bytes = bytesFor(format, image.digest, { again: format });
    await attach(...handedOver(bytes), ...certified, app());
    const before = storageState(registry);
    const { exit, report } = await attach(...handedOver(bytes), ...certified, app());
    expect([exit, onlyImage(report).status]).toEqual([0, "unchanged"]);
    const run = await machine.run(["attach", ...handedOver(bytes, signed(Buffer.from("x"))), ...certified, app()]);
    expect([run.exit, run.stderr.includes("E_SIGNATURE_INVALID")]).toEqual([1, true]);
    expect(storageState(registry)).toBe(before);
  });

  it.each([
    ["DER", (bytes: Uint8Array) => signed(bytes)],
    ["base64 without end of line", (bytes: Uint8Array) => signed(bytes).toString("base64")],
    ["base64, wrapped", (bytes: Uint8Array) => `${signed(bytes).toString("base64").replace(/.{20}/g, "$&\r\n")}\r\n`],
    ["r‖s", (bytes: Uint8Array) => signBytes("sha256", bytes, { key, dsaEncoding: "ieee-p1363" })],
    [
      "r‖s in base64url",
      (bytes: Uint8Array) => signBytes("sha256", bytes, { key, dsaEncoding: "ieee-p1363" }).toString("base64url"),
    ],
  ])("take the signature as %s", async (name, encode) => {
    const bytes = bytesFor(format, image.digest, { name });
    const { exit, report } = await attach(...handedOver(bytes, encode(bytes)), "--public-key", publicKey, app());
    expect([exit, onlyImage(report).status]).toEqual([0, "signed"]);
    expect(await verdict("--key", publicKey, "-a", `name=${name}`, app())).toBe("trusted");
  });

  it("take the signature from standard input", async () => {
    const bytes = bytesFor(format, image.digest, { stdin: "yes" });
    const args = ["--payload", file(bytes), "--signature", "-", "--public-key", publicKey, app()];
    const run = await machine.run(["attach", ...args], { stdin: signed(bytes).toString("base64") });
    expect([run.exit, run.stdout]).toEqual([0, expect.stringContaining(": signed")]);
  });

  it("keep the signature for the image that was signed, when the tag names another by now", async () => {
    const bytes = bytesFor(format, image.digest, { moved: "yes" });
    const { exit, report } = await attach(...handedOver(bytes), "--public-key", publicKey, app(":other"));
    expect(exit).toBe(0);
    expect(report.warnings).toEqual([
      `${app(":other")} is ${other.digest} by now; the signature is about ${image.digest}, and is kept for that`,
    ]);
    expect(await verdict("--key", publicKey, app(":other"))).toBe("unsigned");
    expect(await verdict("--key", publicKey, "-a", "moved=yes", app())).toBe("trusted");
    const gone = await attach(...handedOver(bytes), "--public-key", publicKey, app(":gone"));
    expect(gone.report.warnings).toEqual([expect.stringContaining(":gone is not there; the signature is about")]);
  });
});

describe("attach", () => {
  it.each([
    [
      "a line end that was added",
      (bytes: Uint8Array) => Buffer.concat([bytes, Buffer.from("\n")]),
      "a line end was added",
    ],
    ["a hash that was hashed again", (bytes: Uint8Array) => digestBytes(bytes), "its sha256 hash was hashed again"],
    [
      "a hash in hex",
      (bytes: Uint8Array) => Buffer.from(Buffer.from(digestBytes(bytes)).toString("hex")),
      "its sha256 hash was signed as hex",
    ],
  ])("tells a usual mistake in signing: %s", async (_, mistake, mend) => {
    const bytes = bytesFor("cosign", image.digest);
    const args = handedOver(bytes, signed(mistake(bytes)));
    const run = await machine.run(["attach", ...args, "--public-key", publicKey, app()]);
    expect([run.exit, run.stderr]).toEqual([1, expect.stringContaining(`E_SIGNATURE_INVALID`)]);
    expect(run.stderr).toContain(`  mend: ${mend}`);
  });

  it("warns of bytes that name another repository than the one it stores in", async () => {
    const bytes = encodePayload({ reference: "registry.example.com/app", digest: image.digest, annotations: {} });
    const { exit, report } = await attach(...handedOver(bytes), "--public-key", publicKey, app());
    expect([exit, report.warnings]).toEqual([0, [expect.stringContaining("registry.example.com/app")]]);
  });

  it("adds a signature by another algorithm of the same key beside the first", async () => {
    const rsa = makeKey("rsa2048");
    const own = ["--public-key", machine.file("rsa.pub", publicKeyPem(rsa))];
    const bytes = bytesFor("cosign", image.digest, { algorithms: "two" });
    const padding = constants.RSA_PKCS1_PSS_PADDING;
    const signatures = [signBytes("sha256", bytes, rsa), signBytes("sha512", bytes, { key: rsa, padding })];
    for (const [at, algorithm] of ["rsa-pkcs1-sha256", "rsa-pss-sha512"].entries()) {
      const { report } = await attach(...handedOver(bytes, signatures[at]), ...own, app());
      expect(onlyImage(report)).toMatchObject({ status: "signed", signatures: [{ algorithm, added: true }] });
      expect(report.warnings).toHaveLength(at);
    }
    expect(await verdict(...["--key", own[1] ?? "", "--allow-algorithms", "rsa-pss-sha512"], app())).toBe("trusted");
  });

  it("stores in a layout folder what was signed for it", async () => {
    const folder = machine.absent("layout");
    const digest = image.digest;
    const { openLayout } = await import("../../src/oci/layout.ts");
    const { createNodeHost } = await import("../../src/platform/node-host.ts");
    await pushImage(openLayout(createNodeHost(), folder), { tag: "1", seed: "1" });
    const run = await machine.run(["payload", `oci:${folder}:1`]);
    expect(run.stdout).toContain(digest);
    const args = [...handedOver(Buffer.from(run.stdout)), "--public-key", publicKey, `oci:${folder}:1`];
    expect((await attach(...args)).exit).toBe(0);
    expect(await verdict("--key", publicKey, `oci:${folder}:1`)).toBe("trusted");
    const place = await machine.run(["triangulate", `oci:${folder}:1`]);
    expect(place.stdout).toBe(`oci:${folder}:${digest.replace(":", "-")}.sig\n`);
  });

  it("reports a registry that fails, with the image that it was about", async () => {
    const broken = await startRegistry({ wrap: [(handler) => withFaults(handler, [{ fault: status(500) }])] });
    const bytes = bytesFor("cosign", image.digest);
    const { exit, report } = await attach(...handedOver(bytes), "--public-key", publicKey, `${broken.host}/app:1`);
    expect(exit).toBe(3);
    expect(onlyImage(report)).toMatchObject({
      status: "failed",
      digest: image.digest,
      errors: [{ code: "E_REGISTRY_FAILING", retry: true }],
    });
    await broken.close();
  });
});

describe("attach stores nothing for", () => {
  const around = () => ({ machine, registry });
  const expired = createPki({ leaf: { notAfter: new Date(NOW.getTime() - DAY) } });
  const serverOnly = createPki({ leaf: { extendedKeyUsage: ["1.3.6.1.5.5.7.3.1"] } });
  const elsewhere = createPki();
  const absent = digestOf(Buffer.from("nowhere"));

  type Row = Omit<BadInput, "args"> & { readonly args: (format: FormatName) => readonly string[] };
  const rows: readonly Row[] = [
    {
      name: "a signature over other bytes",
      args: (format) => [...handedOver(bytesFor(format, image.digest), signed(Buffer.from("other"))), ...certified],
      code: "E_SIGNATURE_INVALID",
      exit: 1,
    },
    {
      name: "a payload that was changed since, by one space",
      args: (format) => {
        const bytes = bytesFor(format, image.digest);
        const changed =
          format === "cosign"
            ? Buffer.concat([bytes, Buffer.from(" ")])
            : preAuthEncoding(
                "application/vnd.in-toto+json",
                Buffer.concat([encodeStatement(image.digest, {}), Buffer.from(" ")]),
              );
        return [...handedOver(changed, signed(bytes)), ...certified];
      },
      code: "E_SIGNATURE_INVALID",
      exit: 1,
    },
    {
      name: "another key's public key",
      args: (format) => [...handedOver(bytesFor(format, image.digest)), "--public-key", stranger],
      code: "E_SIGNATURE_INVALID",
      exit: 1,
    },
    {
      name: "another key's certificate",
      args: (format) => [
        ...handedOver(bytesFor(format, image.digest)),
        ...["--certificate", machine.file("elsewhere.pem", elsewhere.leaf.pem)],
      ],
      code: "E_SIGNATURE_INVALID",
      exit: 1,
    },
    {
      name: "a certificate that is not the public key's",
      args: (format) => [
        ...handedOver(bytesFor(format, image.digest)),
        ...["--public-key", stranger, "--certificate", leaf],
      ],
      code: "E_CERTIFICATE_KEY_MISMATCH",
      exit: 2,
    },
    {
      name: "issuers that did not issue the certificate",
      args: (format) => [
        ...handedOver(bytesFor(format, image.digest)),
        ...["--certificate", leaf],
        ...["--certificate-chain", machine.file("wrong.pem", elsewhere.intermediates[0]?.pem ?? "")],
      ],
      code: "E_CERTIFICATE_SIGNATURE",
      exit: 2,
    },
    {
      name: "a certificate that has expired",
      args: (format) => {
        const bytes = bytesFor(format, image.digest);
        const own = ["--certificate", machine.file("expired.pem", expired.leaf.pem)];
        return [...handedOver(bytes, signBytes("sha256", bytes, expired.key)), ...own];
      },
      code: "E_CERTIFICATE_EXPIRED",
      exit: 2,
    },
    {
      name: "a certificate for servers",
      args: (format) => {
        const bytes = bytesFor(format, image.digest);
        const own = ["--certificate", machine.file("server.pem", serverOnly.leaf.pem)];
        return [...handedOver(bytes, signBytes("sha256", bytes, serverOnly.key)), ...own];
      },
      code: "E_CERTIFICATE_USAGE",
      exit: 2,
    },
    {
      name: "an image that the repository does not have",
      args: (format) => [...handedOver(bytesFor(format, absent)), ...certified],
      code: "E_SUBJECT_NOT_FOUND",
      says: absent,
      exit: 1,
    },
    ...["", "not a signature", "AAAA", "-----BEGIN SIGNATURE-----"].map(
      (text): Row => ({
        name: `the signature ${JSON.stringify(text)}`,
        args: (format) => [...handedOver(bytesFor(format, image.digest), text), ...certified],
        code: "E_SIGNATURE_MALFORMED",
        says: `${text.length} bytes`,
        exit: 1,
      }),
    ),
    {
      name: "a signature that goes on behind its end",
      args: (format) => {
        const bytes = bytesFor(format, image.digest);
        return [...handedOver(bytes, Buffer.concat([signed(bytes), Buffer.from([0])])), ...certified];
      },
      code: "E_SIGNATURE_MALFORMED",
      exit: 1,
    },
    {
      name: "a signature of endless length",
      args: (format) => [...handedOver(bytesFor(format, image.digest), new Uint8Array(100_000)), ...certified],
      code: "E_FILE_TOO_LARGE",
      exit: 2,
    },
    {
      name: "a signature without anybody's key",
      args: (format) => handedOver(bytesFor(format, image.digest)),
      code: "E_USAGE",
      says: "whose signature",
      exit: 2,
    },
    {
      name: "a format that the bytes are not of",
      args: (format) => [
        ...handedOver(bytesFor(format, image.digest)),
        ...["--format", format === "cosign" ? "bundle" : "cosign", ...certified],
      ],
      code: "E_USAGE",
      says: "are of the format",
      exit: 2,
    },
  ];
  for (const { args, ...row } of rows) {
    for (const format of formats) {
      refuses({ ...row, name: `${row.name}, ${format}`, args: () => ["attach", ...args(format), app()] }, around);
    }
  }

  const single: readonly BadInput[] = [
    {
      name: "another image than is named by digest",
      args: () => ["attach", ...handedOver(bytesFor("cosign", image.digest)), ...certified, app(`@${other.digest}`)],
      code: "E_SUBJECT_MISMATCH",
      exit: 1,
    },
    ...["{}", "DSSEv1 4 text 2 {}x", "", "\ufeff{}"].map(
      (text): BadInput => ({
        name: `the bytes ${JSON.stringify(text)}`,
        args: () => ["attach", ...handedOver(Buffer.from(text)), ...certified, app()],
        code: "E_PAYLOAD_MALFORMED",
        exit: 1,
      }),
    ),
    {
      name: "an attestation",
      args: () => {
        const statement = Buffer.from(encodeStatement(image.digest, {})).toString();
        const attestation = statement.replace("https://sigstore.dev/cosign/sign/v1", "https://slsa.dev/provenance/v1");
        const bytes = preAuthEncoding("application/vnd.in-toto+json", Buffer.from(attestation));
        return ["attach", ...handedOver(bytes), ...certified, app()];
      },
      code: "E_PREDICATE_TYPE",
      exit: 1,
    },
    {
      name: "bytes about several images",
      args: () => {
        const statement = JSON.parse(Buffer.from(encodeStatement(image.digest, {})).toString());
        statement.subject.push({ digest: { sha256: other.digest.slice(7) } });
        const bytes = preAuthEncoding("application/vnd.in-toto+json", Buffer.from(JSON.stringify(statement)));
        return ["attach", ...handedOver(bytes), ...certified, app()];
      },
      code: "E_PAYLOAD_MALFORMED",
      says: "one image belongs there",
      exit: 1,
    },
    {
      name: "two images at once",
      args: () => ["attach", ...handedOver(bytesFor("cosign", image.digest)), ...certified, app(), app(":other")],
      code: "E_USAGE",
      exit: 2,
    },
    { name: "no payload", args: () => ["attach", "--signature", leaf, app()], code: "E_USAGE", exit: 2 },
  ];
  for (const row of single) refuses(row, around);
});

describe("payload refuses", () => {
  it.each([
    ["two formats", ["--format", "cosign,bundle"], "E_USAGE", 2],
    ["an algorithm without a key", ["--signing-algorithm", "rsa-pss-sha512"], "E_USAGE", 2],
    [
      "an algorithm that the key cannot do",
      ["--signing-algorithm", "ed25519", "--public-key", publicKey],
      "E_ALGORITHM_UNSUPPORTED",
      2,
    ],
    ["JSON among the bytes", ["--output", "json"], "E_USAGE", 2],
    ["an image that is not there", [], "E_SUBJECT_NOT_FOUND", 1],
  ] as const)("%s", async (_, flags, code, exit) => {
    const tail = exit === 1 ? ":gone" : ":1";
    const run = await machine.run(["payload", ...flags, app(tail)]);
    expect(run.exit).toBe(exit);
    expect(run.stderr).toContain(code);
    if (!(flags as readonly string[]).includes("json")) expect(run.stdout).toBe("");
  });

  it("to say that cosign will verify what it will not", async () => {
    const args = ["--public-key", machine.file("rsa.pub", publicKeyPem(makeKey("rsapss"))), app()];
    const { stderr } = await machine.run(["payload", ...args]);
    expect(stderr).toContain("sign with rsa-pss-sha256");
    expect(stderr).toContain(
      "warning: cosign: cosign verify does not accept rsa-pss-sha256; it would accept no algorithm",
    );
  });
});
