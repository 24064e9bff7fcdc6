import { execFileSync } from "node:child_process";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { pkiReport } from "../../../src/reports/pki-report.ts";
import { parseCertificates } from "../../../src/trust/certificate.ts";
import { pushImage, storageSink } from "../../support/images.ts";
import { startRegistry } from "../../support/start-registry.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { DAY, NOW } from "../../trust/support/pki.ts";
import { createMachine } from "../support/machine.ts";
import { initialised, secret } from "./support.ts";

const machine = createMachine({ PKI: secret, LEAF: "leaf secret" });
const epoch = String(Math.floor(NOW.getTime() / 1000));
const uri = "uri:https://ci.example.com/release";
const keep = ["--leaf-passphrase", "env://LEAF"];

function issue(folder: string, name: string, ...flags: readonly string[]) {
  return machine.run(["pki", "issue", folder, name, "--passphrase", "env://PKI", ...flags]);
}

function leafIn(folder: string) {
  const [leaf] = parseCertificates(readFileSync(join(folder, "leaf.pem")));
  if (leaf === undefined) throw new Error("no leaf");
  return leaf;
}

function openssl(...args: readonly string[]): string {
  return execFileSync("openssl", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

describe("pki init", () => {
  it("makes a root and an intermediate that openssl verifies, their keys encrypted and for their owner alone", async () => {
    const folder = await initialised(machine);
    expect(readdirSync(folder).sort()).toEqual([
      "intermediate.key",
      "intermediate.pem",
      "pki.json",
      "root.key",
      "root.pem",
    ]);
    expect(
      openssl(
        "verify",
        "-x509_strict",
        "-attime",
        epoch,
        "-CAfile",
        join(folder, "root.pem"),
        join(folder, "intermediate.pem"),
      ),
    ).toContain(": OK");
    for (const name of ["root", "intermediate"]) {
      const path = join(folder, `${name}.key`);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      const key = readFileSync(path, "utf8");
      expect(key).toContain("BEGIN ENCRYPTED PRIVATE KEY");
      expect(createPrivateKey({ key, passphrase: secret }).asymmetricKeyDetails?.namedCurve).toBe("secp384r1");
      expect(openssl("asn1parse", "-in", path)).toMatch(
        /PBES2[\s\S]*PBKDF2[\s\S]*:0927C0[\s\S]*hmacWithSHA256[\s\S]*aes-256-cbc/,
      );
    }
    const text = openssl("x509", "-in", join(folder, "root.pem"), "-noout", "-text");
    expect(text).toContain("CA:TRUE, pathlen:1");
    expect(text).toMatch(/Key Usage: critical\s+Certificate Sign, CRL Sign/);
    expect(openssl("x509", "-in", join(folder, "intermediate.pem"), "-noout", "-text")).toContain("CA:TRUE, pathlen:0");
  });

  it.each(["p256", "p521", "rsa3072"])("makes %s keys when asked", async (type) => {
    const folder = await initialised(machine, "--key-type", type);
    expect((await issue(folder, "release", "--san", uri, ...keep)).exit).toBe(0);
    const path = join(folder, "issued", "release");
    expect(
      openssl(
        "verify",
        "-attime",
        epoch,
        "-CAfile",
        join(folder, "root.pem"),
        "-untrusted",
        join(path, "cosign-chain.pem"),
        join(path, "leaf.pem"),
      ),
    ).toContain(": OK");
  });

  it("never writes over what is there", async () => {
    const folder = await initialised(machine);
    const before = readFileSync(join(folder, "root.key"), "utf8");
    const again = await machine.run(["pki", "init", folder, "--passphrase", "env://PKI"]);
    expect([again.exit, again.stderr]).toEqual([2, expect.stringContaining("E_FILE_EXISTS")]);
    expect(readFileSync(join(folder, "root.key"), "utf8")).toBe(before);
    const other = temporaryFolder();
    writeFileSync(join(other, "notes.txt"), "mine");
    expect((await machine.run(["pki", "init", other, "--passphrase", "env://PKI"])).stderr).toContain("is not empty");
    expect(readdirSync(other)).toEqual(["notes.txt"]);
  });

  it("says that a folder is half made, and issues nothing from it", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "root.key"), "a run ended here");
    for (const args of [
      ["init", folder],
      ["issue", folder, "x", "--san", uri, "--plain-leaf-key"],
      ["crl", folder],
    ]) {
      const run = await machine.run(["pki", ...args, "--passphrase", "env://PKI"]);
      expect([run.exit, run.stderr]).toEqual([2, expect.stringMatching(/E_CONFIG_INVALID.*half a PKI/)]);
    }
    expect(readdirSync(folder)).toEqual(["root.key"]);
  });

  it("of two at once lets one win, whole", async () => {
    const folder = join(temporaryFolder(), "pki");
    const runs = await Promise.all(
      [1, 2].map(() => machine.run(["pki", "init", folder, "--passphrase", "env://PKI", "--key-type", "p256"])),
    );
    expect(runs.map(({ exit }) => exit).sort()).toEqual([0, 2]);
    expect((await issue(folder, "release", "--san", uri, ...keep)).exit).toBe(0);
  });

  it.each([
    [[], "E_PASSPHRASE_REQUIRED"],
    [["--passphrase", "env://EMPTY"], "E_PASSPHRASE_REQUIRED"],
    [["--passphrase", "env://PKI", "--root-days", "10", "--intermediate-days", "11"], "outlive"],
    [["--passphrase", "env://PKI", "--subject-root", "CN=A", "--subject-intermediate", "CN=A"], "one subject"],
    [["--passphrase", "env://PKI", "--subject-root", "no name"], "no distinguished name"],
    [["--passphrase", "env://PKI", "--key-type", "rsa1024"], "E_USAGE"],
  ])("refuses %j and writes nothing", async (flags, why) => {
    const folder = join(temporaryFolder(), "pki");
    const run = await machine.run(["pki", "init", folder, ...flags], { env: { EMPTY: "" } });
    expect([run.exit, run.stderr]).toEqual([2, expect.stringContaining(why)]);
    expect(() => statSync(folder)).toThrow();
  });
});

describe("pki issue", () => {
  it("writes the leaf, its encrypted key and a chain file for each verifier", async () => {
    const folder = await initialised(machine);
    const run = await issue(folder, "release", "--san", uri, "--days", "7", ...keep, "--output", "json");
    expect(run.exit, run.stderr).toBe(0);
    const report = pkiReport.parse(JSON.parse(run.stdout));
    const path = join(folder, "issued", "release");
    expect(report.files.map(({ path: file }) => file).sort()).toEqual(
      readdirSync(path)
        .sort()
        .map((name) => join(path, name)),
    );
    const subjects = (name: string) =>
      parseCertificates(readFileSync(join(path, name))).map(({ subject }) => subject.text);
    const [leaf, intermediate, root] = ["CN=release", "CN=Container Signing Intermediate", "CN=Container Signing Root"];
    expect(subjects("leaf.pem")).toEqual([leaf]);
    expect(subjects("cosign-chain.pem")).toEqual([intermediate, root]);
    expect(subjects("notation-chain.pem")).toEqual([leaf, intermediate, root]);
    expect(subjects("kyverno-chain.pem")).toEqual([root, intermediate]);
    const key = readFileSync(join(path, "leaf.key"), "utf8");
    expect(statSync(join(path, "leaf.key")).mode & 0o777).toBe(0o600);
    expect(() => createPrivateKey({ key, passphrase: secret })).toThrow();
    expect(createPrivateKey({ key, passphrase: "leaf secret" }).type).toBe("private");
    expect(leafIn(path).notAfter).toEqual(new Date(NOW.getTime() + 7 * DAY));
    const text = openssl("x509", "-in", join(path, "leaf.pem"), "-noout", "-text");
    expect(text).toMatch(/Key Usage: critical\s+Digital Signature\n/);
    expect(text).toMatch(/Extended Key Usage: critical\s+Code Signing\n/);
    expect(text).toContain("CA:FALSE");
    expect(
      openssl(
        "verify",
        "-x509_strict",
        "-attime",
        epoch,
        "-CAfile",
        join(folder, "root.pem"),
        "-untrusted",
        join(path, "cosign-chain.pem"),
        join(path, "leaf.pem"),
      ),
    ).toContain(": OK");
  });

  it("gives serials of 128 bits, positive, none twice", async () => {
    const folder = await initialised(machine);
    for (const name of ["a", "b", "c"]) await issue(folder, name, "--san", uri, ...keep);
    const serials = ["a", "b", "c"].map((name) => leafIn(join(folder, "issued", name)).serial);
    expect(new Set(serials).size).toBe(3);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9a-f]{31}$/);
  });

  it("writes alternative names of every kind, and the subject as it was given", async () => {
    const folder = await initialised(machine);
    const subject = 'CN=release\\, main,O=Example \\"AG\\",ST=Bern,C=CH';
    const names = [
      uri,
      "email:release@example.com",
      "dns:ci.example.com",
      "ip:192.0.2.1",
      "ip:2001:db8::1",
      "dirname:CN=twin,O=Example",
      "rid:1.3.6.1.4.1.99999.1",
    ];
    const run = await issue(
      folder,
      "release",
      "--subject",
      subject,
      ...names.flatMap((name) => ["--san", name]),
      ...keep,
      "--profile",
      "cosign,notation,crio",
      "--crl-url",
      "http://pki.example.com/a.crl",
    );
    expect([run.exit, run.stderr]).toEqual([0, ""]);
    const leaf = leafIn(join(folder, "issued", "release"));
    expect(leaf.subject.text).toBe(subject);
    expect(leaf.alternativeNames.map(({ type, value }) => `${type}:${value}`)).toEqual(
      names.map((name) => name.replace("dirname:", "directory:").replace("rid:", "registered-id:")),
    );
    expect(
      openssl("x509", "-in", join(folder, "issued", "release", "leaf.pem"), "-noout", "-ext", "crlDistributionPoints"),
    ).toContain("URI:http://pki.example.com/a.crl");
  });

  it.each([
    ["no alternative name for cosign", [], "add --san"],
    ["no e-mail address for CRI-O", ["--san", uri, "--profile", "crio"], "add --san email:"],
    [
      "a purpose that notation forbids",
      ["--san", uri, "--eku", "serverAuth", "--profile", "cosign,notation"],
      "notation would refuse",
    ],
    ["a longer life than the issuer's", ["--san", uri, "--days", "1826"], "write --days 1825 or less"],
    ["days and hours", ["--san", uri, "--days", "1", "--hours", "1"], "exclude each other"],
    ["an address that is none", ["--san", "email:release"], "is no email name"],
    ["an unknown kind of name", ["--san", "http://x"], "names no kind"],
    ["an IP address that is none", ["--san", "ip:192.0.2.256"], "is no ip name"],
    ["an unknown purpose", ["--san", uri, "--eku", "signing"], "is no purpose"],
    ["an unknown profile", ["--san", uri, "--profile", "docker"], "no verifier known"],
    ["a subject that is none", ["--san", uri, "--subject", "release"], "no distinguished name"],
    ["a revocation list elsewhere than on the web", ["--san", uri, "--crl-url", "file:///x"], "no HTTP address"],
  ])("refuses %s before it issues anything", async (_, flags, why) => {
    const folder = await sharedPki();
    const before = readFileSync(join(folder, "pki.json"), "utf8");
    const run = await issue(folder, "refused", ...flags, ...keep);
    expect([run.exit, run.stderr]).toEqual([2, expect.stringContaining(why)]);
    expect(readFileSync(join(folder, "pki.json"), "utf8")).toBe(before);
    expect(readdirSync(folder)).not.toContain("issued");
  });

  it.each([["../up"], ["a/b"], [""], [".hidden"], ["root"], ["intermediate"]])("refuses the name %j", async (name) => {
    const run = await issue(await sharedPki(), name, "--san", uri, ...keep);
    expect(run.exit, run.stderr).toBe(2);
  });

  it("wants to know how the key is kept, and takes a wrong passphrase for what it is", async () => {
    const folder = await sharedPki();
    expect((await issue(folder, "x", "--san", uri)).stderr).toContain("--plain-leaf-key");
    const wrong = await machine.run([
      "pki",
      "issue",
      folder,
      "x",
      "--san",
      uri,
      "--plain-leaf-key",
      "--passphrase",
      "env://LEAF",
    ]);
    expect([wrong.exit, wrong.stderr]).toEqual([2, expect.stringContaining("E_PASSPHRASE_WRONG")]);
    expect(wrong.stderr).not.toContain("leaf secret");
  });

  it("gives each of many at once its own place in the index", async () => {
    const folder = await initialised(machine, "--key-type", "p256");
    const names = Array.from({ length: 8 }, (_, index) => `leaf-${index}`);
    const runs = await Promise.all(
      [...names, "leaf-0"].map((name) => issue(folder, name, "--san", uri, "--plain-leaf-key")),
    );
    expect(runs.map(({ exit }) => exit).sort()).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 2]);
    const { certificates } = JSON.parse(readFileSync(join(folder, "pki.json"), "utf8")) as {
      certificates: { name: string }[];
    };
    expect(certificates.map(({ name }) => name).sort()).toEqual(["intermediate", ...names, "root"]);
    expect(readdirSync(folder)).not.toContain("pki.lock");
  });

  it("issues without the root's key, which may be kept offline", async () => {
    const folder = await initialised(machine);
    execFileSync("mv", [join(folder, "root.key"), temporaryFolder()]);
    expect((await issue(folder, "release", "--san", uri, ...keep)).exit).toBe(0);
  });

  it("refuses an index that is damaged", async () => {
    const folder = await initialised(machine);
    writeFileSync(join(folder, "pki.json"), '{"schemaVersion":1}');
    const run = await issue(folder, "release", "--san", uri, ...keep);
    expect([run.exit, run.stderr]).toEqual([2, expect.stringMatching(/E_CONFIG_INVALID.*damaged/)]);
  });
});

describe("pki issue --csr", () => {
  const folder = temporaryFolder();
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 3072 });
  const keyFile = join(folder, "hsm.key");
  writeFileSync(keyFile, privateKey.export({ type: "pkcs8", format: "pem" }));
  const request = (...args: readonly string[]) =>
    openssl("req", "-new", "-key", keyFile, "-subj", "/C=CH/O=Example/CN=hsm", ...args);

  it("certifies the key of an HSM, whose key never comes here, and grants no name by itself", async () => {
    const csr = machine.file("ok.csr", request("-addext", "subjectAltName=URI:https://evil.example.com"));
    const pki = await initialised(machine);
    const run = await issue(pki, "hsm", "--csr", csr, "--san", uri);
    expect(run.exit, run.stderr).toBe(0);
    expect(run.stdout).toContain("asks for the name uri:https://evil.example.com");
    const path = join(pki, "issued", "hsm");
    expect(readdirSync(path)).not.toContain("leaf.key");
    const leaf = leafIn(path);
    expect(leaf.subject.text).toBe("CN=hsm,O=Example,C=CH");
    expect(leaf.alternativeNames).toEqual([{ type: "uri", value: uri.slice(4) }]);
    expect(leaf.publicKey.equals(createPrivateKey(readFileSync(keyFile)) as never)).toBe(false);
    expect(openssl("x509", "-in", join(path, "leaf.pem"), "-noout", "-pubkey")).toBe(
      openssl("pkey", "-in", keyFile, "-pubout"),
    );
  });

  it.each([
    ["RSA-PSS", ["-sigopt", "rsa_padding_mode:pss", "-sha512"]],
    ["SHA-384", ["-sha384"]],
  ])("reads one signed by %s", async (name, args) => {
    const csr = machine.file(`${name}.csr`, request(...args));
    expect((await issue(await initialised(machine), "hsm", "--csr", csr, "--san", uri)).exit).toBe(0);
  });

  it("refuses one whose key did not sign it, and one signed with SHA-1", async () => {
    const pki = await sharedPki();
    const der = execFileSync("openssl", ["req", "-outform", "DER"], { input: request() });
    der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
    const forged = await issue(pki, "hsm", "--csr", machine.file("forged.csr", der), "--san", uri);
    expect([forged.exit, forged.stderr]).toEqual([
      2,
      expect.stringContaining("not signed by the key that it is about"),
    ]);
    const weak = await issue(pki, "hsm", "--csr", machine.file("sha1.csr", request("-sha1")), "--san", uri);
    expect([weak.exit, weak.stderr]).toEqual([2, expect.stringContaining("SHA-1")]);
    const none = await issue(pki, "hsm", "--csr", machine.file("none.csr", "nothing"), "--san", uri);
    expect([none.exit, none.stderr]).toEqual([2, expect.stringContaining("no certificate request found")]);
  });
});

describe("rotation", () => {
  it("by a new leaf of the same name changes nothing for verifiers", async () => {
    const registry = await startRegistry();
    try {
      const pki = await initialised(machine);
      for (const name of ["release", "release-2"]) {
        await issue(pki, name, "--subject", "CN=release,O=Example", "--san", uri, ...keep);
        const image = await pushImage(storageSink(registry.storage, `app/${name}`));
        const reference = `${registry.host}/app/${name}@${image.digest}`;
        const path = join(pki, "issued", name);
        const signed = await machine.run([
          ...["sign", "--key", join(path, "leaf.key"), "--passphrase", "env://LEAF"],
          ...["--certificate", join(path, "leaf.pem"), "--certificate-chain", join(path, "cosign-chain.pem")],
          ...["--format", "cosign,bundle", reference],
        ]);
        expect(signed.exit, signed.stderr).toBe(0);
        const trust = ["--ca-roots", join(pki, "root.pem"), "--certificate-identity", uri.slice(4)];
        const verified = await machine.run(["verify", ...trust, reference]);
        expect(verified.exit, verified.stdout).toBe(0);
      }
    } finally {
      await registry.close();
    }
  });
});

let shared: Promise<string> | undefined;

/** For what is refused, and so leaves it as it was. */
function sharedPki(): Promise<string> {
  shared ??= initialised(machine);
  return shared;
}
