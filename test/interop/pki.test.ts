import { createPrivateKey } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createNodeHost } from "../../src/platform/node-host.ts";
import { runCaptured } from "../support/run-captured.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { cosignImportKey, cosignSign, cosignVerify } from "./support/cosign.ts";
import { pushImage } from "./support/image.ts";
import { describeWithPeer, requirePeer } from "./support/peers.ts";
import { run, temporaryFolder } from "./support/run.ts";

const identity = "https://ci.example.com/release";
const formats = ["cosign", "bundle"] as const;

/** The command line in this process, at the real time; what it printed is shown when it does not end as it should. */
async function countersign(args: readonly string[], exit = 0): Promise<string> {
  const host = { ...createNodeHost(), env: { PKI: "authority", LEAF: "leaf" } };
  const ended = await runCaptured(args, host);
  const printed = ended.stdout + ended.stderr;
  expect(ended.exit, printed).toBe(exit);
  return printed;
}

const read = (...names: readonly string[]) => readFileSync(path.join(...names), "utf8");

interface Made {
  readonly root: string;
  readonly intermediate: string;
  /** Holds leaf.pem, leaf.key and cosign-chain.pem. */
  readonly leaf: string;
  readonly passphrase: readonly string[];
}

async function madeHere(keyType: string): Promise<Made> {
  const folder = path.join(temporaryFolder("pki"), "pki");
  await countersign(["pki", "init", folder, "--key-type", keyType, "--passphrase", "env://PKI"]);
  await countersign([
    ...["pki", "issue", folder, "release", "--hours", "1", "--key-type", keyType, "--san", `uri:${identity}`],
    ...["--san", "email:release@example.com", "--profile", "cosign,notation,crio"],
    ...["--passphrase", "env://PKI", "--leaf-passphrase", "env://LEAF"],
  ]);
  return {
    root: path.join(folder, "root.pem"),
    intermediate: path.join(folder, "intermediate.pem"),
    leaf: path.join(folder, "issued", "release"),
    passphrase: ["--passphrase", "env://LEAF"],
  };
}

/** By openssl alone: P-384 root, RSA-3072 intermediate, P-256 leaf. */
async function madeByOpenssl(): Promise<Made> {
  const folder = temporaryFolder("openssl-pki");
  const at = (name: string) => path.join(folder, name);
  const openssl = async (...args: readonly string[]) => {
    const done = await run(requirePeer("openssl"), args, { env: { PATH: "/usr/bin:/bin" }, cwd: folder });
    expect(done.exitCode, done.stderr).toBe(0);
  };
  const ec = (curve: string) => ["-newkey", "ec", "-pkeyopt", `ec_paramgen_curve:${curve}`];
  const authority = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"];
  await openssl(
    ...["req", "-x509", ...ec("P-384"), "-noenc", "-keyout", "root.key", "-out", "root.pem", "-days", "30"],
    ...["-subj", "/O=Example/CN=OpenSSL Root", ...authority],
  );
  const ends = [
    [
      "sub",
      "/O=Example/CN=OpenSSL Sub",
      "root",
      ["-newkey", "rsa:3072"],
      "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign",
    ],
    [
      "leaf",
      "/O=Example/CN=release",
      "sub",
      ec("P-256"),
      `basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=critical,codeSigning,clientAuth\nsubjectAltName=URI:${identity},email:release@example.com`,
    ],
  ] as const;
  for (const [name, subject, issuer, key, extensions] of ends) {
    writeFileSync(at(`${name}.ext`), extensions);
    await openssl("req", "-new", ...key, "-noenc", "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", subject);
    await openssl(
      ...["x509", "-req", "-in", `${name}.csr`, "-CA", `${issuer}.pem`, "-CAkey", `${issuer}.key`, "-CAcreateserial"],
      ...["-days", "20", "-out", `${name}.pem`, "-extfile", `${name}.ext`],
    );
  }
  writeFileSync(at("cosign-chain.pem"), read(at("sub.pem")) + read(at("root.pem")));
  return { root: at("root.pem"), intermediate: at("sub.pem"), leaf: folder, passphrase: [] };
}

describeWithPeer(["cosign", "openssl"], "a PKI of one's own, here and in cosign 3.1.2", () => {
  let registry: StartedRegistry;
  beforeAll(async () => {
    registry = await startRegistry();
  });
  afterAll(() => registry?.close());

  const makers = [
    ["made by pki init on P-256", () => madeHere("p256")],
    ["made by pki init on P-384", () => madeHere("p384")],
    ["made by pki init on P-521", () => madeHere("p521")],
    ["made by pki init on RSA-3072", () => madeHere("rsa3072")],
    ["made by openssl", madeByOpenssl],
  ] as const;

  it.each(makers)("%s signs what cosign verifies, and passes pki check", async (name, maker) => {
    const { root, intermediate, leaf, passphrase } = await maker();
    const chain = path.join(leaf, "cosign-chain.pem");
    await countersign(["pki", "check", path.join(leaf, "leaf.pem"), chain, "--for", "cosign,crio"]);
    for (const format of formats) {
      const image = await pushImage(registry.host, "pki", `${name} ${format}`);
      const material = ["--certificate", path.join(leaf, "leaf.pem"), "--certificate-chain", chain];
      await countersign([
        "sign",
        "--key",
        path.join(leaf, "leaf.key"),
        ...passphrase,
        ...material,
        "--format",
        format,
        image.reference,
      ]);
      const trust = {
        roots: read(root),
        identity,
        ...(format === "bundle" ? { intermediates: read(intermediate) } : {}),
      };
      const verified = await cosignVerify({ image: image.reference, format, trust });
      expect(verified.exitCode, verified.stderr).toBe(0);
      await countersign(["verify", "--ca-roots", root, "--certificate-identity", identity, image.reference]);
      await countersign(["verify", "--ca-roots", root, "--certificate-identity", `${identity}r`, image.reference], 1);
    }
  });

  it.each(makers.filter(([name]) => /P-256|openssl/.test(name)))(
    "%s lets cosign sign what is verified here",
    async (name, maker) => {
      const { root, intermediate, leaf } = await maker();
      const opened = createPrivateKey({ key: read(leaf, "leaf.key"), passphrase: "leaf" });
      const { privateKey } = await cosignImportKey(opened.export({ type: "pkcs8", format: "pem" }).toString());
      for (const format of formats) {
        const image = await pushImage(registry.host, "pki", `cosign ${name} ${format}`);
        const certificate = read(leaf, "leaf.pem");
        const chain = read(leaf, "cosign-chain.pem");
        const signed = await cosignSign({ image: image.reference, format, key: privateKey, certificate, chain });
        expect(signed.exitCode, signed.stderr).toBe(0);
        // cosign drops the chain: the verifier must have the intermediate.
        const trust = ["--ca-roots", root, "--ca-intermediates", intermediate, "--certificate-identity", identity];
        await countersign(["verify", ...trust, image.reference]);
      }
    },
  );
});
