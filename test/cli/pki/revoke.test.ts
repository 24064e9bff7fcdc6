import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { pkiReport } from "../../../src/reports/pki-report.ts";
import { parseCertificates } from "../../../src/trust/certificate.ts";
import { NOW } from "../../trust/support/pki.ts";
import { createMachine } from "../support/machine.ts";
import { copyOf, initialised, secret } from "./support.ts";

const machine = createMachine({ PKI: secret });
const epoch = String(Math.floor(NOW.getTime() / 1000));
const pass = ["--passphrase", "env://PKI"];

function withLeaves(...flags: readonly string[]): Promise<string> {
  return copyOf(machine, ["leaves", ...flags], async () => {
    const folder = await initialised(machine, ...flags);
    for (const name of ["good", "bad"]) {
      const san = `uri:https://ci.example.com/${name}`;
      const run = await machine.run(["pki", "issue", folder, name, "--san", san, "--plain-leaf-key", ...pass]);
      expect(run.exit, run.stderr).toBe(0);
    }
    return folder;
  });
}

function serialOf(folder: string, name: string): string {
  const [leaf] = parseCertificates(readFileSync(join(folder, "issued", name, "leaf.pem")));
  return leaf?.serial ?? "";
}

function crlText(folder: string, authority: string): string {
  const list = join(folder, "crl", `${authority}.crl`);
  return execFileSync("openssl", ["crl", "-inform", "DER", "-in", list, "-noout", "-text"], { encoding: "utf8" });
}

/** What openssl says of a leaf when it looks at the revocation lists of all its issuers. */
function checkedByOpenssl(folder: string, name: string): string {
  const lists = ["root", "intermediate"].flatMap((each) => ["-CRLfile", join(folder, "crl", `${each}.crl.pem`)]);
  const { stdout, stderr } = spawnSync(
    "openssl",
    [
      ...["verify", "-attime", epoch, "-crl_check_all", "-x509_strict", ...lists, "-CAfile", join(folder, "root.pem")],
      ...["-untrusted", join(folder, "intermediate.pem"), join(folder, "issued", name, "leaf.pem")],
    ],
    { encoding: "utf8" },
  );
  return stdout + stderr;
}

describe("pki revoke and pki crl", () => {
  it.each(["p256", "p384", "p521", "rsa3072"])("make lists that openssl verifies and goes by (%s)", async (type) => {
    const folder = await withLeaves("--key-type", type);
    const revoked = await machine.run(["pki", "revoke", folder, "bad", "--reason", "keyCompromise", "-o", "json"]);
    expect(revoked.exit, revoked.stderr).toBe(0);
    const [certificate] = pkiReport.parse(JSON.parse(revoked.stdout)).certificates;
    expect(certificate).toMatchObject({
      name: "bad",
      revoked: { at: "2030-06-15T12:00:00Z", reason: "keyCompromise" },
    });

    const made = await machine.run(["pki", "crl", folder, ...pass, "-o", "json"]);
    expect(made.exit, made.stderr).toBe(0);
    expect(pkiReport.parse(JSON.parse(made.stdout)).certificates.map(({ name }) => name)).toEqual(["bad"]);
    for (const authority of ["root", "intermediate"]) {
      const args = ["crl", "-in", join(folder, "crl", `${authority}.crl.pem`), "-noout", "-verify"];
      const { stderr } = spawnSync("openssl", [...args, "-CAfile", join(folder, `${authority}.pem`)], {
        encoding: "utf8",
      });
      expect(stderr).toContain("verify OK");
    }
    expect(checkedByOpenssl(folder, "good")).toContain(": OK");
    expect(checkedByOpenssl(folder, "bad")).toContain("certificate revoked");
  });

  it("write version 2, the number, the key identifier, the reason and the day the next is due", async () => {
    const folder = await withLeaves();
    await machine.run(["pki", "revoke", folder, serialOf(folder, "bad"), "--reason", "superseded"]);
    await machine.run(["pki", "crl", folder, "--days", "3", ...pass]);
    const text = crlText(folder, "intermediate");
    expect(text).toContain("Version 2 (0x1)");
    expect(text).toMatch(/X509v3 CRL Number:\s+1\n/);
    expect(text).toContain("X509v3 Authority Key Identifier");
    expect(text).toContain("Next Update: Jun 18 12:00:00 2030 GMT");
    expect(text).toContain(`Serial Number: ${serialOf(folder, "bad").toUpperCase()}`);
    expect(text).toContain("Superseded");
    expect(crlText(folder, "root")).toContain("No Revoked Certificates");
    await machine.run(["pki", "crl", folder, ...pass]);
    expect(crlText(folder, "intermediate")).toMatch(/X509v3 CRL Number:\s+2\n/);
  });

  it("leave the reason out when there is none, as the RFC wants", async () => {
    const folder = await withLeaves();
    await machine.run(["pki", "revoke", folder, "bad"]);
    await machine.run(["pki", "crl", folder, ...pass]);
    expect(crlText(folder, "intermediate")).not.toContain("CRL entry extensions");
    expect(checkedByOpenssl(folder, "bad")).toContain("certificate revoked");
  });

  it("put the intermediate on the root's list, and issue nothing by it any more", async () => {
    const folder = await withLeaves();
    await machine.run(["pki", "revoke", folder, "intermediate", "--reason", "cACompromise"]);
    await machine.run(["pki", "crl", folder, ...pass]);
    expect(crlText(folder, "root")).toContain("CA Compromise");
    expect(checkedByOpenssl(folder, "good")).toContain("certificate revoked");
    const more = await machine.run(["pki", "issue", folder, "more", "--san", "dns:a.b", "--plain-leaf-key", ...pass]);
    expect([more.exit, more.stderr]).toEqual([2, expect.stringContaining("the intermediate is revoked")]);
  });

  it("keep time and reason of what was revoked before", async () => {
    const folder = await withLeaves();
    await machine.run(["pki", "revoke", folder, "bad", "--reason", "keyCompromise"]);
    const before = readFileSync(join(folder, "pki.json"), "utf8");
    const again = await machine.run(["pki", "revoke", folder, "bad", "--reason", "superseded"]);
    expect([again.exit, again.stdout]).toEqual([0, expect.stringContaining("revoked before")]);
    expect(readFileSync(join(folder, "pki.json"), "utf8")).toBe(before);
  });

  it("lose none of many at once", async () => {
    const folder = await withLeaves();
    await Promise.all(["good", "bad"].map((name) => machine.run(["pki", "revoke", folder, name])));
    const { certificates } = JSON.parse(readFileSync(join(folder, "pki.json"), "utf8")) as {
      certificates: { name: string; revoked: unknown }[];
    };
    expect(certificates.filter(({ revoked }) => revoked !== null).map(({ name }) => name)).toEqual(["good", "bad"]);
  });

  it("make the intermediate's list alone where the root's key is kept elsewhere", async () => {
    const folder = await withLeaves();
    renameSync(join(folder, "root.key"), join(folder, "..", "offline.key"));
    const made = await machine.run(["pki", "crl", folder, ...pass]);
    expect([made.exit, made.stdout]).toEqual([0, expect.stringContaining("root.key is not here")]);
    expect(readdirSync(join(folder, "crl")).sort()).toEqual(["intermediate.crl", "intermediate.crl.pem"]);
  });

  it("refuse the root, strangers and unknown reasons", async () => {
    const folder = await withLeaves();
    expect((await machine.run(["pki", "revoke", folder, "root"])).stderr).toContain("a root cannot revoke itself");
    expect((await machine.run(["pki", "revoke", folder, "nobody"])).stderr).toContain("nothing was issued as");
    const reason = await machine.run(["pki", "revoke", folder, "bad", "--reason", "removeFromCRL"]);
    expect([reason.exit, reason.stderr]).toEqual([2, expect.stringContaining("E_USAGE")]);
  });
});
