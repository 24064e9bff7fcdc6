import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { serve } from "../../src/platform/serve.ts";
import { fileOf, runCountersign } from "../support/countersign.ts";
import { authority, type Issued, issue } from "../trust/support/pki.ts";
import { type CosignFormat, cosignImportKey, runCosign } from "./support/cosign.ts";
import { signHere, verdictsOf, verifyHere } from "./support/countersign.ts";
import { startDockerRegistry } from "./support/docker-registry.ts";
import { type PushedImage, pushImage } from "./support/image.ts";
import { notationSign, notationVerify } from "./support/notation.ts";
import { describeWithPeer, requirePeer } from "./support/peers.ts";
import { createPki, generateKey, type Pki } from "./support/pki.ts";
import { type InteropRegistry, REGISTRIES } from "./support/registries.ts";
import { temporaryFolder } from "./support/run.ts";
import { startTimestampServer, type TimestampServer } from "./support/timestamp-server.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 180_000 });

const formats: readonly CosignFormat[] = ["cosign", "bundle"];
const identity = "https://ci.example.test/release";
/** Time enough for one program to sign with a leaf, in milliseconds; the others wait for its end. */
const LIFETIME = 20_000;
const day = 86_400_000;
const span = { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + 30 * day) };

describeWithPeer(
  ["cosign", "timestamp-server", "docker-registry"],
  "signatures whose certificate has expired since, time-stamped by Sigstore's timestamp-server",
  () => {
    let tsa: TimestampServer;
    let pki: Pki;
    const registries: InteropRegistry[] = [];
    const images = new Map<string, readonly PushedImage[]>();
    const key = generateKey("p256");

    beforeAll(async () => {
      [tsa, pki] = await Promise.all([startTimestampServer(), createPki("Company")]);
      for (const { start } of REGISTRIES) registries.push(await start());
      const { privateKey } = await cosignImportKey(key.privatePem);
      const push = async (name: string) => {
        const pushed = await Promise.all(registries.map(({ host }) => pushImage(host, name, name)));
        images.set(name, pushed);
        return pushed.map(({ reference }) => reference);
      };
      const names = formats.flatMap((format) => [`here/${format}`, `theirs/${format}`, `unstamped/${format}`]);
      const targets = new Map(await Promise.all(names.map(async (name) => [name, await push(name)] as const)));
      const ends = new Date(Date.now() + LIFETIME);
      const certificate = await pki.issue(key, { uri: identity, notAfter: ends });
      const here = { key: key.privatePem, certificate, chain: pki.chain };
      const roots = ["--timestamp-certificate-chain", fileOf(tsa.chain)];
      for (const format of formats) {
        const flags = ["--timestamp-url", tsa.url, ...roots];
        const signed = await signHere({
          ...here,
          images: targets.get(`here/${format}`) ?? [],
          formats: [format],
          flags,
        });
        expect(signed.exitCode, signed.stdout).toBe(0);
        const plain = await signHere({ ...here, images: targets.get(`unstamped/${format}`) ?? [], formats: [format] });
        expect(plain.exitCode, plain.stdout).toBe(0);
        const theirs = await runCosign([
          "sign",
          "--use-signing-config=false",
          "--tlog-upload=false",
          `--new-bundle-format=${format === "bundle"}`,
          ...["--timestamp-server-url", tsa.url],
          ...[
            "--key",
            fileOf(privateKey),
            "--certificate",
            fileOf(certificate),
            "--certificate-chain",
            fileOf(pki.chain),
          ],
          ...(targets.get(`theirs/${format}`) ?? []),
        ]);
        expect(theirs.exitCode, theirs.stderr).toBe(0);
      }
      expect(Date.now(), "signing took longer than the certificate lives").toBeLessThan(ends.getTime());
      await sleep(ends.getTime() - Date.now() + 1500);
    });
    afterAll(() => Promise.all([tsa?.stop(), ...registries.map(({ stop }) => stop())]));

    const referencesOf = (name: string) => (images.get(name) ?? []).map(({ reference }) => reference);

    const verify = (name: string, flags: readonly string[] = []) =>
      verifyHere({
        images: referencesOf(name),
        trust: { roots: pki.root, intermediates: pki.intermediate, identity },
        flags,
      });

    async function cosignVerify(name: string, format: CosignFormat, stamped = true) {
      const out = path.join(temporaryFolder("trusted-root"), "root.json");
      const authority = `url=https://ca.example.test,certificate-chain=${fileOf(pki.chain)}`;
      const stamper = `url=${tsa.url},certificate-chain=${fileOf(tsa.chain)}`;
      if (format === "bundle") {
        const tsaFlag = stamped ? [`--tsa=${stamper}`] : [];
        await runCosign(["trusted-root", "create", `--fulcio=${authority}`, ...tsaFlag, "--out", out]);
      }
      const trust =
        format === "bundle"
          ? ["--trusted-root", out]
          : [
              ...["--ca-roots", fileOf(pki.root), "--ca-intermediates", fileOf(pki.intermediate)],
              ...(stamped ? ["--timestamp-certificate-chain", fileOf(tsa.chain)] : []),
            ];
      return runCosign([
        "verify",
        "--insecure-ignore-tlog=true",
        "--insecure-ignore-sct=true",
        ...(stamped ? ["--use-signed-timestamps"] : []),
        ...["--certificate-identity", identity, "--certificate-oidc-issuer-regexp", ".*"],
        ...trust,
        ...referencesOf(name),
      ]);
    }

    for (const format of formats) {
      describe(`as ${format}`, () => {
        it("made here are verified by cosign", async () => {
          const verified = await cosignVerify(`here/${format}`, format);
          expect(verified.exitCode, verified.stderr).toBe(0);
          expect((await cosignVerify(`here/${format}`, format, false)).exitCode).not.toBe(0);
        });

        it("made here are trusted here by the root alone, as the chain is in nobody's way", async () => {
          const done = await verify(`here/${format}`, ["--timestamp-certificate-chain", fileOf(tsa.chain)]);
          expect(done.exitCode, done.stdout).toBe(0);
          const times = done.report.images.flatMap(({ signatures }) => signatures.map(({ time }) => time));
          expect(times.map(({ source }) => source)).toEqual(["rfc3161", "rfc3161"]);
        });

        it("made by cosign are trusted here", async () => {
          const done = await verify(`theirs/${format}`, [
            ...["--timestamp-certificate-chain", fileOf(tsa.chain)],
            "--use-signed-timestamps=true",
          ]);
          expect(done.exitCode, done.stdout).toBe(0);
        });

        it("are refused here where no authority is trusted, with what to do", async () => {
          for (const name of [`here/${format}`, `theirs/${format}`]) {
            const done = await verify(name);
            expect(done.exitCode).toBe(1);
            const refused = "untrusted E_CERTIFICATE_EXPIRED E_TIMESTAMP_UNTRUSTED";
            expect(verdictsOf(done)).toEqual([refused, refused]);
          }
        });

        it("are refused by both when they were not time-stamped", async () => {
          const done = await verify(`unstamped/${format}`, ["--timestamp-certificate-chain", fileOf(tsa.chain)]);
          expect(verdictsOf(done)).toEqual(["untrusted E_CERTIFICATE_EXPIRED", "untrusted E_CERTIFICATE_EXPIRED"]);
          expect((await cosignVerify(`unstamped/${format}`, format)).exitCode).not.toBe(0);
        });
      });
    }
  },
);

describeWithPeer(
  ["notation", "timestamp-server", "docker-registry"],
  "Notary signatures, time-stamped, under a trust policy with a store of time-stamping authorities",
  () => {
    const root = issue({ ...authority("Company Root"), ...span });
    const images = new Map<string, string>();
    let tsa: TimestampServer;
    let registry: InteropRegistry | undefined;

    const leaf = (notAfter = span.notAfter) =>
      issue({
        subject: [
          ["C", "US"],
          ["ST", "WA"],
          ["O", "Example"],
        ],
        issuer: root,
        ca: false,
        keyUsage: ["digitalSignature"],
        extendedKeyUsage: ["1.3.6.1.5.5.7.3.3"],
        ...span,
        notAfter,
      });

    function folderOf(signatureVerification: object, roots = tsa.root): string {
      const folder = temporaryFolder("notation");
      for (const [type, pem] of [
        ["ca", root.pem],
        ["tsa", roots],
      ] as const) {
        const store = path.join(folder, "truststore", "x509", type, "company");
        mkdirSync(store, { recursive: true });
        writeFileSync(path.join(store, "root.pem"), pem);
      }
      const statement = { name: "all", registryScopes: ["*"], signatureVerification };
      const trust = { trustStores: ["ca:company", "tsa:company"], trustedIdentities: ["*"] };
      const document = { version: "1.0", trustPolicies: [{ ...statement, ...trust }] };
      writeFileSync(path.join(folder, "trustpolicy.json"), JSON.stringify(document), { mode: 0o600 });
      return folder;
    }

    /** Whether notation trusts, whether it is trusted here. */
    async function both(name: string, folder: string): Promise<readonly boolean[]> {
      const image = images.get(name) ?? "";
      const [theirs, ours] = await Promise.all([
        notationVerify(folder, image),
        runCountersign(["verify", "--notation-config", folder, image]),
      ]);
      return [theirs.exitCode === 0, ours.exitCode === 0];
    }

    beforeAll(async () => {
      tsa = await startTimestampServer();
      registry = await startDockerRegistry();
      const { host } = registry;
      const push = async (name: string) => {
        const { reference } = await pushImage(host, `notation/${name}`, name);
        images.set(name, reference);
        return reference;
      };
      const ends = new Date(Date.now() + LIFETIME);
      const short = leaf(ends);
      const long = leaf();
      const key = (issued: Issued) => issued.key.export({ type: "pkcs8", format: "pem" }).toString();
      const stamp = ["--timestamp-url", tsa.url, "--timestamp-roots", fileOf(tsa.root)];
      const here = async (name: string, format: string, issued: Issued, flags: readonly string[]) => {
        const image = await push(name);
        const certificates = ["--certificate", fileOf(issued.pem), "--certificate-chain", fileOf(root.pem)];
        const args = ["sign", "--format", format, "--key", fileOf(key(issued)), ...certificates, ...flags, image];
        const done = await runCountersign(args);
        expect(done.exitCode, done.stdout + done.stderr).toBe(0);
      };
      const theirs = async (name: string, envelope: "jws" | "cose") => {
        const image = await push(name);
        const flags = ["--timestamp-url", tsa.url, "--timestamp-root-cert", fileOf(tsa.root)];
        const chain = short.pem + root.pem;
        const done = await notationSign({ image, key: key(short), chain, envelope, fallbackTag: true, flags });
        expect(done.exitCode, done.stderr).toBe(0);
      };
      await here("ours-jws", "notation", short, stamp);
      await here("ours-cose", "notation-cose", short, stamp);
      await theirs("theirs-jws", "jws");
      await theirs("theirs-cose", "cose");
      await here("unstamped-expired", "notation", short, []);
      await here("unstamped", "notation", long, []);
      await sleep(Math.max(0, ends.getTime() - Date.now()) + 1500);
    });
    afterAll(() => Promise.all([tsa?.stop(), registry?.stop()]));

    it.each(["ours-jws", "ours-cose", "theirs-jws", "theirs-cose"])(
      "%s outlives its certificate with both",
      async (name) => {
        expect(await both(name, folderOf({ level: "strict" }))).toEqual([true, true]);
        const afterExpiry = folderOf({ level: "strict", verifyTimestamp: "afterCertExpiry" });
        expect(await both(name, afterExpiry)).toEqual([true, true]);
      },
    );

    it.each(["ours-jws", "theirs-cose"])("%s is refused by both where another authority is trusted", async (name) => {
      const stranger = issue({ ...authority("Stranger"), ...span });
      expect(await both(name, folderOf({ level: "strict" }, stranger.pem))).toEqual([false, false]);
      expect(await both(name, folderOf({ level: "permissive" }, stranger.pem))).toEqual([true, true]);
    });

    it("what is not stamped is refused by both, but after expiry alone while its certificate is valid", async () => {
      const always = folderOf({ level: "strict", verifyTimestamp: "always" });
      const afterExpiry = folderOf({ level: "strict", verifyTimestamp: "afterCertExpiry" });
      expect(await both("unstamped", always)).toEqual([false, false]);
      expect(await both("unstamped", afterExpiry)).toEqual([true, true]);
      expect(await both("unstamped-expired", always)).toEqual([false, false]);
      expect(await both("unstamped-expired", afterExpiry)).toEqual([false, false]);
    });
  },
);

describeWithPeer(["openssl", "docker-registry"], "time stamps by openssl", () => {
  it.each(["rsa", "p256"])("of a %s authority are stored and count", async (kind) => {
    const folder = temporaryFolder("openssl-ts");
    const openssl = (...args: string[]) => {
      const done = spawnSync(requirePeer("openssl"), args, { cwd: folder });
      if (done.status !== 0) throw new Error(`openssl ${args.join(" ")}: ${done.stderr}`);
      return done.stdout;
    };
    writeFileSync(path.join(folder, "ts.cnf"), configuration);
    const newKey = kind === "rsa" ? ["rsa:2048"] : ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    const made = ["-newkey", ...newKey, "-nodes", "-config", "ts.cnf"];
    openssl(
      "req",
      "-x509",
      ...made,
      "-keyout",
      "ca.key",
      "-out",
      "ca.pem",
      "-days",
      "9",
      "-subj",
      "/CN=TSA CA",
      "-extensions",
      "ca",
    );
    openssl("req", ...made, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=TSA");
    openssl(
      "x509",
      "-req",
      "-in",
      "tsa.csr",
      "-CA",
      "ca.pem",
      "-CAkey",
      "ca.key",
      "-days",
      "9",
      "-out",
      "tsa.pem",
      "-extfile",
      "ts.cnf",
      "-extensions",
      "tsa",
    );
    writeFileSync(path.join(folder, "serial"), "01\n");
    const server = await serve(async ({ body }) => {
      writeFileSync(path.join(folder, "query.tsq"), body);
      const reply = openssl("ts", "-reply", "-config", "ts.cnf", "-section", "tsa_config", "-queryfile", "query.tsq");
      return { status: 200, headers: { "content-type": "application/timestamp-reply" }, body: reply };
    });
    const registry = await REGISTRIES[0]?.start();
    if (registry === undefined) throw new Error("no registry");
    try {
      const pki = await createPki("Company");
      const key = generateKey("p256");
      const { reference } = await pushImage(registry.host, "openssl/ts", kind);
      const root = ["--timestamp-roots", path.join(folder, "ca.pem")];
      const signed = await signHere({
        images: [reference],
        formats: formats,
        key: key.privatePem,
        certificate: await pki.issue(key, { uri: identity }),
        chain: pki.chain,
        flags: ["--timestamp-url", `${server.origin}/`, ...root],
      });
      expect(signed.exitCode, signed.stdout).toBe(0);
      const trust = { roots: pki.root, intermediates: pki.intermediate, identity };
      const verified = await verifyHere({ images: [reference], trust, flags: [...root, "--use-signed-timestamps"] });
      expect(verified.exitCode, verified.stdout).toBe(0);
      expect(verified.report.images[0]?.signatures.map(({ time }) => time.source)).toEqual(["rfc3161", "rfc3161"]);
    } finally {
      await Promise.all([server.close(), registry.stop()]);
    }
  });
});

const configuration = `
[req]
distinguished_name = dn
[dn]
[ca]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
[tsa]
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[tsa_config]
serial = serial
signer_cert = tsa.pem
certs = ca.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
`;
