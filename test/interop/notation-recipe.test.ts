import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { runCountersign } from "../support/countersign.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { pushImage } from "./support/image.ts";
import { notationFolder, notationSign, notationVerify } from "./support/notation.ts";
import { describeWithPeer, requirePeer } from "./support/peers.ts";
import { run, temporaryFolder } from "./support/run.ts";

// Real programs, several for each promise, beside whatever else this machine does.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

/** What a certificate authority hands out: paths of PEM files. */
interface Handed {
  readonly root: string;
  readonly key: string;
  readonly certificate: string;
  /** Leaf, intermediate, root. */
  readonly chain: string;
}

const SUBJECT = "CN=release,O=Example,ST=Bern,C=CH";

async function openssl(folder: string, args: readonly string[]): Promise<void> {
  const done = await run(requirePeer("openssl"), args, { env: { PATH: "/usr/bin:/bin", HOME: folder }, cwd: folder });
  if (done.exitCode !== 0) throw new Error(`openssl ${args.join(" ")}: ${done.stderr}`);
}

/** The recipe of docs/notation.md by openssl: root, intermediate, leaf. */
async function byOpenssl(keyType: "ec" | "rsa"): Promise<Handed> {
  const folder = temporaryFolder("recipe");
  const file = (name: string) => path.join(folder, name);
  const extensions = {
    root: "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n",
    intermediate: "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n",
    leaf: "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\n",
  };
  const kinds = {
    ec: ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    rsa: ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
  };
  const issuers = { root: undefined, intermediate: "root", leaf: "intermediate" } as const;
  for (const name of ["root", "intermediate", "leaf"] as const) {
    writeFileSync(file(`${name}.ext`), extensions[name]);
    await openssl(folder, ["genpkey", ...kinds[name === "leaf" ? keyType : "ec"], "-out", `${name}.key`]);
    const subject = `/C=CH/ST=Bern/O=Example/CN=${name === "leaf" ? "release" : name}`;
    await openssl(folder, ["req", "-new", "-key", `${name}.key`, "-subj", subject, "-out", `${name}.csr`]);
    const issuer = issuers[name];
    const by = issuer === undefined ? ["-signkey", "root.key"] : ["-CA", `${issuer}.pem`, "-CAkey", `${issuer}.key`];
    const out = ["-days", "30", "-extfile", `${name}.ext`, "-out", `${name}.pem`];
    await openssl(folder, ["x509", "-req", "-in", `${name}.csr`, ...by, ...out]);
  }
  const chain = ["leaf", "intermediate", "root"].map((name) => readFileSync(file(`${name}.pem`), "utf8")).join("");
  writeFileSync(file("chain.pem"), chain);
  return { root: file("root.pem"), key: file("leaf.key"), certificate: file("leaf.pem"), chain: file("chain.pem") };
}

/** The same by `countersign pki`. */
async function byPki(): Promise<Handed> {
  const folder = path.join(temporaryFolder("recipe"), "pki");
  const env = { PKI_PASSPHRASE: "recipe-recipe-recipe" };
  const passphrase = ["--passphrase", "env://PKI_PASSPHRASE"];
  const commands = [
    ["pki", "init", folder, ...passphrase, "--subject-root", "CN=Root,O=Example,ST=Bern,C=CH"],
    [
      ...["pki", "issue", folder, "release", "--days", "30", "--subject", SUBJECT, "--profile", "notation"],
      ...["--plain-leaf-key", ...passphrase],
    ],
  ];
  for (const command of commands) {
    const done = await runCountersign(command, { env });
    if (done.exitCode !== 0) throw new Error(`${command.join(" ")}: ${done.stdout}${done.stderr}`);
  }
  const issued = path.join(folder, "issued", "release");
  return {
    root: path.join(folder, "root.pem"),
    key: path.join(issued, "leaf.key"),
    certificate: path.join(issued, "leaf.pem"),
    chain: path.join(issued, "notation-chain.pem"),
  };
}

describeWithPeer(
  ["notation", "openssl"],
  "the recipe of docs/notation.md, with each of its steps done by either",
  () => {
    const authorities = { openssl: () => byOpenssl("ec"), "countersign pki": byPki };
    const envelopes = { jws: "notation", cose: "notation-cose" } as const;
    let registry: StartedRegistry;
    const handed = new Map<string, Handed>();
    beforeAll(async () => {
      registry = await startRegistry();
      for (const [name, make] of Object.entries(authorities)) handed.set(name, await make());
      handed.set("rsa", await byOpenssl("rsa"));
    });
    afterAll(() => registry.close());

    function handedBy(name: string): Handed {
      const found = handed.get(name);
      if (found === undefined) throw new Error(name);
      return found;
    }

    async function verdicts(image: string, { root }: Handed): Promise<readonly number[]> {
      const roots = readFileSync(root, "utf8");
      const right = notationFolder({ roots, identity: "x509.subject: C=CH, ST=Bern, O=Example, CN=release" });
      const wrong = notationFolder({ roots, identity: "x509.subject: C=CH, ST=Bern, O=Example, CN=other" });
      const here = (subject: string) =>
        runCountersign(["verify", "--ca-roots", root, "--certificate-subject", subject, image]);
      const all = await Promise.all([
        notationVerify(right, image),
        here(SUBJECT),
        notationVerify(wrong, image),
        here("CN=other,O=Example,ST=Bern,C=CH"),
      ]);
      return all.map(({ exitCode }) => exitCode);
    }

    for (const authority of Object.keys(authorities)) {
      for (const envelope of ["jws", "cose"] as const) {
        it(`certificates by ${authority}, ${envelope} by notation: both verify, and refuse another signer`, async () => {
          const by = handedBy(authority);
          const { reference } = await pushImage(registry.host, `${authority.replace(" ", "-")}/notation/${envelope}`);
          const [key, chain] = [readFileSync(by.key, "utf8"), readFileSync(by.chain, "utf8")];
          const done = await notationSign({ image: reference, key, chain, envelope });
          expect(done.exitCode, done.stderr).toBe(0);
          expect(await verdicts(reference, by)).toEqual([0, 0, 1, 1]);
        });

        it(`certificates by ${authority}, ${envelope} by countersign: both verify, and refuse another signer`, async () => {
          const by = handedBy(authority);
          const { reference } = await pushImage(registry.host, `${authority.replace(" ", "-")}/here/${envelope}`);
          const certificates = ["--certificate", by.certificate, "--certificate-chain", by.chain];
          const flags = ["--key", by.key, ...certificates, "--format", envelopes[envelope]];
          const done = await runCountersign(["sign", ...flags, reference]);
          expect(done.exitCode, done.stdout + done.stderr).toBe(0);
          expect(await verdicts(reference, by)).toEqual([0, 0, 1, 1]);
        });
      }
    }

    describe("with the key elsewhere: the bytes written here, signed by openssl, attached here", () => {
      const signing = {
        openssl: ["-sha256"],
        rsa: ["-sha384", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:-1"],
      } as const;
      for (const kind of ["openssl", "rsa"] as const) {
        for (const envelope of ["jws", "cose"] as const) {
          it(`${kind === "rsa" ? "RSA 3072" : "P-256"}, ${envelope}: both verify`, async () => {
            const by = handedBy(kind);
            const { reference } = await pushImage(registry.host, `elsewhere/${kind}/${envelope}`);
            const folder = temporaryFolder("elsewhere");
            const [payload, signature] = [path.join(folder, "payload"), path.join(folder, "signature")];
            const certificates = ["--certificate", by.certificate, "--certificate-chain", by.chain];
            const format = ["--format", envelopes[envelope]];
            const prepared = await runCountersign([
              ...["payload", "--out", payload, ...format, ...certificates],
              ...["--user-metadata", "stage=prod", "--expiry", "30d", reference],
            ]);
            expect(prepared.exitCode, prepared.stderr).toBe(0);
            await openssl(folder, ["dgst", ...signing[kind], "-sign", by.key, "-out", signature, payload]);
            const attached = await runCountersign([
              ...["attach", "--payload", payload, "--signature", signature, ...certificates, reference],
            ]);
            expect(attached.exitCode, attached.stdout + attached.stderr).toBe(0);
            expect(await verdicts(reference, by)).toEqual([0, 0, 1, 1]);
            const metadata = notationFolder({ roots: readFileSync(by.root, "utf8") });
            expect((await notationVerify(metadata, reference, ["-m", "stage=prod"])).exitCode).toBe(0);
          });
        }
      }
    });
  },
);
