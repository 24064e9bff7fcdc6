import { createPublicKey, generateKeyPairSync, randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { ALGORITHMS, VERIFY_ONLY } from "../../src/model/algorithm.ts";
import type { AttachReport, PayloadReport } from "../../src/reports/report.ts";
import { fileOf, runCountersign } from "../support/countersign.ts";
import { cosignTrustedRoot, cosignVerify, runCosign } from "./support/cosign.ts";
import { signHere, verdictsOf, verifyHere } from "./support/countersign.ts";
import { type DockerRegistry, startDockerRegistry } from "./support/docker-registry.ts";
import { type PushedImage, pushImage } from "./support/image.ts";
import { describeWithPeer, requirePeer } from "./support/peers.ts";
import { createPki, generateKey, type KeyType } from "./support/pki.ts";
import { type Completed, run, temporaryFolder } from "./support/run.ts";

// A key that neither program sees: openssl signs what one of them hands out, the other takes it back. The certificates are
// those of tuminoid/container-signing-poc: a P-384 root, an RSA-4096 intermediate that issues leaves only, a P-384 leaf.

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const uri = "https://ci.example.test/release";
const folder = temporaryFolder("external-signer");
const at = (name: string) => path.join(folder, name);
const textOf = (name: string) => readFileSync(at(name), "utf8");

async function openssl(...args: readonly string[]): Promise<void> {
  const done = await run(requirePeer("openssl"), args, { env: { HOME: folder }, cwd: folder });
  if (done.exitCode !== 0) throw new Error(`openssl ${args.join(" ")}: ${done.stderr}`);
}

async function issueLeaf(name: string, ...key: readonly string[]): Promise<void> {
  await openssl("genpkey", ...key, "-out", `${name}.key`);
  await openssl("req", "-new", "-key", `${name}.key`, "-subj", `/O=Example/CN=${name}`, "-out", `${name}.csr`);
  await openssl(
    ...["x509", "-req", "-in", `${name}.csr`, "-CA", "sub-ca.crt", "-CAkey", "sub-ca.key", "-CAcreateserial"],
    ...["-days", "30", "-sha384", "-extfile", "leaf.ext", "-out", `${name}.crt`],
  );
}

async function makeCertificates(): Promise<void> {
  const p384 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
  writeFileSync(
    at("sub-ca.ext"),
    "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n" +
      "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n",
  );
  writeFileSync(
    at("leaf.ext"),
    "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n" +
      `extendedKeyUsage=critical,codeSigning,clientAuth\nsubjectAltName=URI:${uri}\n` +
      "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n",
  );
  await openssl("genpkey", ...p384, "-out", "root.key");
  await openssl(
    ...["req", "-x509", "-new", "-key", "root.key", "-sha384", "-days", "3650", "-subj", "/O=Example/CN=Root"],
    ...["-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", "root.crt"],
  );
  await openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096", "-out", "sub-ca.key");
  await openssl("req", "-new", "-key", "sub-ca.key", "-subj", "/O=Example/CN=Sub CA", "-out", "sub-ca.csr");
  await openssl(
    ...["x509", "-req", "-in", "sub-ca.csr", "-CA", "root.crt", "-CAkey", "root.key", "-CAcreateserial"],
    ...["-days", "1825", "-sha384", "-extfile", "sub-ca.ext", "-out", "sub-ca.crt"],
  );
  await issueLeaf("leaf", ...p384);
  await issueLeaf("rsa-leaf", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072");
  await issueLeaf("ed25519-leaf", "-algorithm", "ED25519");
  for (const name of ["leaf", "rsa-leaf", "ed25519-leaf"])
    await openssl("pkey", "-in", `${name}.key`, "-pubout", "-out", `${name}.pub`);
  writeFileSync(at("chain.pem"), textOf("sub-ca.crt") + textOf("root.crt"));
}

/** Signs a file as a person with a key would; gives the file of the signature in base64 as `base64` wraps it. */
async function sign(payload: string, key = "leaf", ...flags: readonly string[]): Promise<string> {
  const signature = fileOf("");
  if (flags.includes("-rawin"))
    await openssl("pkeyutl", "-sign", ...flags, "-inkey", `${key}.key`, "-in", payload, "-out", signature);
  else
    await openssl(
      "dgst",
      ...(flags.length > 0 ? flags : ["-sha256"]),
      "-sign",
      `${key}.key`,
      "-out",
      signature,
      payload,
    );
  const base64 = readFileSync(signature).toString("base64").replace(/.{76}/g, "$&\n");
  return fileOf(`${base64}\n`);
}

const pss = (hash: string) => [`-${hash}`, "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:-1"];

/** The two programs by the same words. */
const programs = { cosign: runCosign, countersign: runCountersign } as const;
type Program = keyof typeof programs;
const both = ["cosign", "countersign"] as const;

const certificates = (leaf = "leaf") => ["--certificate", at(`${leaf}.crt`), "--certificate-chain", at("chain.pem")];
const documentedVerify = () => [
  ...["verify", "--new-bundle-format=false", "--ca-roots", at("root.crt")],
  ...["--certificate-identity-regexp", ".*", "--certificate-oidc-issuer-regexp", ".*"],
  ...["--private-infrastructure", "--insecure-ignore-sct"],
];

function succeeds(done: Completed): void {
  expect(done.exitCode, done.stdout + done.stderr).toBe(0);
}

describeWithPeer(["cosign", "docker-registry", "openssl"], "a key that only openssl sees", () => {
  let registry: DockerRegistry;
  beforeAll(async () => {
    [registry] = await Promise.all([startDockerRegistry(), makeCertificates()]);
  });
  afterAll(() => registry?.stop());

  const newImage = (tag?: string) => pushImage(registry.host, `external/${randomUUID()}`, randomUUID(), tag);

  async function generate(program: Program, image: PushedImage, ...flags: readonly string[]): Promise<string> {
    const done = await programs[program](["generate", ...flags, image.reference]);
    succeeds(done);
    return fileOf(done.stdout);
  }

  /** Bytes to sign, in a file, by our own spelling; what the report says of them. */
  async function prepare(image: PushedImage, ...flags: readonly string[]) {
    const out = fileOf("");
    const done = await runCountersign(["payload", "-o", "json", "--out", out, ...flags, image.reference]);
    succeeds(done);
    return { file: out, report: done.json() as PayloadReport };
  }

  async function attachHere(...args: readonly string[]): Promise<AttachReport> {
    const done = await runCountersign(["attach", "-o", "json", ...args]);
    succeeds(done);
    return done.json() as AttachReport;
  }

  const here = async (image: PushedImage) =>
    verdictsOf(await verifyHere({ images: [image.reference], trust: { roots: textOf("root.crt"), identity: uri } }));

  describe.concurrent("the documented lines, word for word", () => {
    const steps = both.flatMap((one) => both.flatMap((two) => both.map((three) => [one, two, three] as const)));

    it.each(steps)(
      "%s generates, openssl signs, %s attaches, %s verifies with the root alone",
      async (one, two, three) => {
        const image = await newImage();
        const payload = await generate(one, image);
        const signature = await sign(payload);
        const attached = ["--payload", payload, "--signature", signature, ...certificates(), image.reference];
        succeeds(await programs[two](["attach", "signature", ...attached]));
        succeeds(await programs[three]([...documentedVerify(), image.reference]));
        succeeds(await programs[three](["tree", image.reference]));
      },
    );

    it.each([[[]], [["-a", "build=1", "-a", "<&>=é"]]])("generate with %j prints the same bytes", async (flags) => {
      const image = await newImage("1");
      const tagged = `${registry.host}/${image.repository}:1`;
      const [theirs, ours] = await Promise.all(both.map((name) => programs[name](["generate", ...flags, tagged])));
      succeeds(theirs ?? expect.fail());
      expect(ours?.stdout).toBe(theirs?.stdout);
      expect(ours?.stdout).toContain(image.digest);
    });

    it.each(["signature", "attestation", "sbom", "digest"])(
      "triangulate --type %s names the same place",
      async (type) => {
        const image = await newImage("1");
        const tagged = `${registry.host}/${image.repository}:1`;
        const [theirs, ours] = await Promise.all(
          both.map((name) => programs[name](["triangulate", "--type", type, tagged])),
        );
        succeeds(theirs ?? expect.fail());
        expect(ours?.stdout).toBe(theirs?.stdout);
      },
    );
  });

  describe.concurrent("RSA-PSS with SHA-512, which cosign does not verify", () => {
    it.each(["cosign", "bundle"])(
      "verifies here, format %s, and is told to be of no use for cosign",
      async (format) => {
        const image = await newImage();
        const how = ["--format", format, ...certificates("rsa-leaf"), "--signing-algorithm", "rsa-pss-sha512"];
        const { file, report } = await prepare(image, ...how);
        expect(report.signing).toEqual({ algorithm: "rsa-pss-sha512", hash: "sha512", encoding: "raw" });
        const signature = await sign(file, "rsa-leaf", ...pss("sha512"));
        const args = ["--payload", file, "--signature", signature, ...certificates("rsa-leaf"), image.reference];
        const { images, warnings } = await attachHere(...args);
        const told = `${format}: cosign verify does not accept rsa-pss-sha512; it would accept rsa-pkcs1-sha256`;
        expect([report.warnings, warnings]).toEqual([[told], [told]]);
        expect(images[0]?.signatures).toMatchObject([{ format, algorithm: "rsa-pss-sha512", added: true }]);
        expect(await here(image)).toEqual(["trusted"]);
        const trust = { roots: textOf("root.crt"), intermediates: textOf("sub-ca.crt"), identity: uri };
        const theirs = await cosignVerify({ image: image.reference, format: format as "cosign" | "bundle", trust });
        expect(theirs.exitCode, theirs.stderr).not.toBe(0);
      },
    );

    it("verifies here when cosign attached it", async () => {
      const image = await newImage();
      const payload = await generate("cosign", image);
      const signature = await sign(payload, "rsa-leaf", ...pss("sha512"));
      const args = ["--payload", payload, "--signature", signature, ...certificates("rsa-leaf"), image.reference];
      succeeds(await runCosign(["attach", "signature", ...args]));
      succeeds(await runCountersign([...documentedVerify(), image.reference]));
      const theirs = await runCosign([...documentedVerify(), image.reference]);
      expect(theirs.exitCode, theirs.stderr).not.toBe(0);
    });
  });

  describe.concurrent("a bundle, signed over its pre-authentication encoding", () => {
    const leaves: readonly (readonly [leaf: string, algorithm: string, flags: readonly string[]])[] = [
      ["leaf", "ecdsa-p384-sha384", ["-sha384"]],
      ["rsa-leaf", "rsa-pkcs1-sha256", ["-sha256"]],
      ["ed25519-leaf", "ed25519", ["-rawin"]],
    ];

    it.each(leaves)("by the certificate of %s and %s is verified by both", async (leaf, algorithm, flags) => {
      const image = await newImage();
      const { file, report } = await prepare(image, "--format", "bundle", "-a", "build=1", ...certificates(leaf));
      expect(report.signing?.algorithm).toBe(algorithm);
      const signature = await sign(file, leaf, ...flags);
      const { warnings } = await attachHere(
        ...["--payload", file, "--signature", signature, ...certificates(leaf), image.reference],
      );
      expect(warnings).toEqual([]);
      expect(await here(image)).toEqual(["trusted"]);
      const root = fileOf(await cosignTrustedRoot(textOf("chain.pem")));
      succeeds(
        await runCosign([
          ...["verify", "--trusted-root", root, "--insecure-ignore-tlog", "--insecure-ignore-sct", "-a", "build=1"],
          ...["--certificate-identity", uri, "--certificate-oidc-issuer-regexp", ".*", image.reference],
        ]),
      );
    });
  });

  describe.concurrent("a bare key", () => {
    it.each(["cosign", "bundle"])("in the format %s is verified by both", async (format) => {
      for (const [key, flags] of [
        ["leaf", ["-sha256"]],
        ["rsa-leaf", ["-sha256"]],
        ["ed25519-leaf", ["-rawin"]],
      ] as const) {
        const image = await newImage();
        const { file } = await prepare(image, "--format", format);
        const signature = await sign(file, key, ...flags);
        const { warnings } = await attachHere(
          ...["--payload", file, "--signature", signature, "--public-key", at(`${key}.pub`), image.reference],
        );
        expect(warnings).toEqual([]);
        succeeds(await runCosign(["verify", "--key", at(`${key}.pub`), "--insecure-ignore-tlog", image.reference]));
        succeeds(await runCountersign(["verify", "--key", at(`${key}.pub`), image.reference]));
      }
    });
  });

  describe.concurrent("certificates as they come", () => {
    it.each([
      ["the leaf alone", () => ["--certificate", at("leaf.crt")], true],
      [
        "the leaf and its intermediate",
        () => ["--certificate", at("leaf.crt"), "--certificate-chain", at("sub-ca.crt")],
        false,
      ],
      ["the leaf, intermediate and root", () => certificates(), false],
      [
        "all in one file, the root first",
        () => ["--certificate", fileOf(textOf("root.crt") + textOf("sub-ca.crt") + textOf("leaf.crt"))],
        false,
      ],
    ] as const)("%s: verified by both", async (_, flags, helped) => {
      const image = await newImage();
      const payload = await generate("countersign", image);
      const signature = await sign(payload);
      await attachHere("--payload", payload, "--signature", signature, ...flags(), image.reference);
      const help = helped ? ["--ca-intermediates", at("sub-ca.crt")] : [];
      for (const name of both) succeeds(await programs[name]([...documentedVerify(), ...help, image.reference]));
    });
  });
});

describeWithPeer(["cosign", "docker-registry"], "the warning that cosign will not verify", () => {
  let registry: DockerRegistry;
  beforeAll(async () => {
    registry = await startDockerRegistry();
  });
  afterAll(() => registry?.stop());

  const families: readonly (readonly [KeyType, RegExp])[] = [
    ["p256", /^ecdsa-p256-/],
    ["p384", /^ecdsa-p384-/],
    ["p521", /^ecdsa-p521-/],
    ["rsa2048", /^rsa-/],
    ["ed25519", /^ed25519$/],
  ];
  const cases = families.flatMap(([type, names]) =>
    ALGORITHMS.filter((name) => names.test(name) && !VERIFY_ONLY.includes(name)).map((name) => [name, type] as const),
  );

  it.concurrent.each(cases)(
    "of %s comes exactly where it does not, and names what would do",
    async (algorithm, type) => {
      const pki = await createPki("Warned");
      const key = generateKey(type);
      const certificate = await pki.issue(key, { uri });
      for (const format of ["cosign", "bundle"] as const) {
        for (const certified of [true, false]) {
          const image = await pushImage(registry.host, `warned/${randomUUID()}`, randomUUID());
          const material = certified ? { certificate, chain: pki.chain } : {};
          const signing = { images: [image.reference], formats: [format], key: key.privatePem, ...material };
          const { report } = await signHere({ ...signing, flags: ["--signing-algorithm", algorithm] });
          const warning = report.warnings.find((each) => each.includes("cosign verify does not accept"));
          const trust = certified
            ? { roots: pki.root, intermediates: pki.intermediate, identity: uri }
            : { key: key.publicPem };
          const theirs = await cosignVerify({ image: image.reference, format, trust });
          const label = `${format} ${certified ? "certificate" : "key"} ${warning}\n${theirs.stderr}`;
          expect(warning === undefined, label).toBe(theirs.exitCode === 0);

          const digest = /--signature-digest-algorithm (sha\d+)/.exec(warning ?? "")?.[1] as "sha384" | undefined;
          if (digest !== undefined) {
            const told = await cosignVerify({ image: image.reference, format, trust: { key: key.publicPem, digest } });
            expect(told.exitCode, label).toBe(0);
          }
          const would = warning?.split("it would accept ")[1];
          if (would !== undefined) {
            await signHere({ ...signing, flags: ["--signing-algorithm", would] });
            const again = await cosignVerify({ image: image.reference, format, trust });
            expect(again.exitCode, `${label}\n${again.stderr}`).toBe(0);
          }
        }
      }
    },
  );

  it.concurrent("comes for a certificate in a bundle with an RSA key of unusual size", async () => {
    const pki = await createPki("Unusual");
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2560 });
    const privatePem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const publicPem = createPublicKey(privateKey).export({ type: "spki", format: "pem" }).toString();
    const certificate = await pki.issue({ publicPem }, { uri });
    const image = await pushImage(registry.host, `warned/${randomUUID()}`, randomUUID());
    const material = { key: privatePem, certificate, chain: pki.chain };
    const { report } = await signHere({ images: [image.reference], formats: ["bundle"], ...material });
    expect(report.warnings).toEqual([
      expect.stringContaining("an RSA key of 2560 bits; it would accept 2048, 3072, 4096"),
    ]);
    const trust = { roots: pki.root, intermediates: pki.intermediate, identity: uri };
    const theirs = await cosignVerify({ image: image.reference, format: "bundle", trust });
    expect(theirs.exitCode, theirs.stderr).not.toBe(0);
    expect(theirs.stderr).toContain("unsupported public key type");
  });
});
