import { describe, expect, it } from "vitest";
import { type PkiCheckReport, pkiCheckReport } from "../../../src/reports/pki-report.ts";
import { encodePem } from "../../../src/trust/pem.ts";
import {
  ANY_PURPOSE,
  authority,
  type CertificateSpec,
  createPki,
  DAY,
  issue,
  NOW,
  type PkiSpec,
  SERVER_AUTH,
  signer,
} from "../../trust/support/pki.ts";
import { createMachine } from "../support/machine.ts";

const machine = createMachine();
let files = 0;

async function check(pems: string | Uint8Array, ...flags: readonly string[]) {
  files += 1;
  const file = machine.file(`${files}.pem`, pems);
  const { exit, stdout, stderr } = await machine.run(["pki", "check", file, ...flags, "--output", "json"]);
  const report: PkiCheckReport | undefined = exit > 1 ? undefined : pkiCheckReport.parse(JSON.parse(stdout));
  return { exit, report, stderr };
}

function pemsOf(spec: PkiSpec): string {
  const { root, intermediates, leaf } = createPki(spec);
  return [leaf, ...intermediates, root].map(({ pem }) => pem).join("");
}

/** A leaf that every verifier takes without a word. */
const good: CertificateSpec = {
  subject: [
    ["C", "CH"],
    ["ST", "Bern"],
    ["O", "Example"],
    ["CN", "release"],
  ],
};

/** What each verifier says, shortly: `verifier severity rule`. */
function findingsOf(report: PkiCheckReport | undefined): readonly string[] {
  return (report?.verifiers ?? []).flatMap(({ name, findings }) =>
    findings.map(({ severity, rule, code }) => `${name} ${severity} ${rule} ${code}`),
  );
}

const { extendedKeyUsage: _, ...purposeless } = signer();
const { alternativeNames: __, ...nameless } = signer();
const past = { notBefore: new Date(NOW.getTime() - 10 * DAY), notAfter: new Date(NOW.getTime() - DAY) };
const everyPath = (code: string) =>
  ["cosign", "notation", "crio"].map((name) => `${name} error certification-path ${code}`);

describe("pki check", () => {
  it("accepts a chain that is good for all, in any order, and says what it looked at", async () => {
    const { root, intermediates, leaf } = createPki({ leaf: good });
    const { exit, report } = await check([root, leaf, ...intermediates].map(({ pem }) => pem).join(""));
    expect(exit).toBe(0);
    expect(report?.accepted).toBe(true);
    expect(findingsOf(report)).toEqual([]);
    expect(report?.chain.map(({ subject }) => subject.split(",")[0])).toEqual([
      "CN=release",
      "CN=Intermediate 1",
      "CN=Root",
    ]);
    expect(report?.warnings).toEqual([]);
  });

  it.each<readonly [string, PkiSpec, readonly string[]]>([
    [
      "a leaf without extended key usage",
      { leaf: { ...good, extendedKeyUsage: [SERVER_AUTH] } },
      [
        "cosign error certification-path E_CERTIFICATE_USAGE",
        "notation error leaf-extended-key-usage E_CERTIFICATE_USAGE",
        "crio error certification-path E_CERTIFICATE_USAGE",
      ],
    ],
    [
      "a leaf for any purpose",
      { leaf: { ...good, extendedKeyUsage: [...(signer().extendedKeyUsage ?? []), ANY_PURPOSE] } },
      ["notation warning leaf-extended-key-usage E_CERTIFICATE_USAGE"],
    ],
    [
      "a leaf with a host name alone",
      { leaf: { ...good, alternativeNames: [["dns", "ci.example.com"]] } },
      ["cosign warning leaf-name-for-bundles E_IDENTITY_MISMATCH"],
    ],
    [
      "a leaf with a URI alone",
      { leaf: { ...good, alternativeNames: [["uri", "https://ci.example.com/x"]] } },
      ["crio error leaf-email E_IDENTITY_MISMATCH"],
    ],
    [
      "a leaf for TLS keys too",
      { leaf: { ...good, keyUsage: ["digitalSignature", "keyEncipherment"] } },
      ["notation error leaf-key-usage E_CERTIFICATE_USAGE"],
    ],
    [
      "a leaf on a key that is bound to PSS",
      { leaf: { ...good, keyKind: "rsapss" } },
      [
        "cosign error leaf-key E_KEY_UNSUPPORTED",
        "notation error leaf-key E_KEY_UNSUPPORTED",
        "crio error leaf-key E_KEY_UNSUPPORTED",
      ],
    ],
    ["a leaf on Ed25519", { leaf: { ...good, keyKind: "ed25519" } }, ["notation error leaf-key E_KEY_UNSUPPORTED"]],
    ["a subject without country and state", {}, ["notation warning leaf-subject E_IDENTITY_MISMATCH"]],
    ["an expired leaf", { leaf: { ...good, ...past } }, everyPath("E_CERTIFICATE_EXPIRED")],
    [
      "an expired intermediate",
      { leaf: good, intermediates: [{ notAfter: past.notAfter }] },
      everyPath("E_CERTIFICATE_EXPIRED"),
    ],
    ["path length exceeded", { leaf: good, root: { ca: { pathLength: 0 } } }, everyPath("E_CERTIFICATE_CONSTRAINT")],
    ["SHA-1", { leaf: { ...good, signature: "sha1" } }, everyPath("E_CERTIFICATE_SIGNATURE")],
    [
      "an intermediate that is younger than the leaf",
      { leaf: good, intermediates: [{ notBefore: new Date(NOW.getTime() - DAY) }] },
      ["cosign error issuer-at-leaf-start E_CERTIFICATE_NOT_YET_VALID"],
    ],
  ])("tells of %s who would refuse, by which rule, and the mend", async (___, spec, expected) => {
    const { exit, report } = await check(pemsOf(spec));
    expect(findingsOf(report)).toEqual(expected);
    expect(exit).toBe(expected.some((line) => line.includes(" error ")) ? 1 : 0);
    for (const { findings } of report?.verifiers ?? []) for (const { mend } of findings) expect(mend).not.toBe("");
  });

  it("tells of a leaf without a name or a purpose", async () => {
    const top = issue(authority("Root"));
    const unnamed = issue({ ...nameless, ...good, issuer: top });
    expect(findingsOf((await check(unnamed.pem + top.pem)).report)).toEqual([
      "cosign error leaf-alternative-name E_IDENTITY_MISMATCH",
      "crio error leaf-email E_IDENTITY_MISMATCH",
    ]);
    const aimless = issue({ ...purposeless, ...good, issuer: top });
    expect(findingsOf((await check(aimless.pem + top.pem, "--for", "notation")).report)).toEqual([]);
    expect((await check(aimless.pem + top.pem, "--for", "cosign")).exit).toBe(1);
  });

  it("tells of an authority without key usage, which notation alone minds", async () => {
    const top = issue(authority("Root"));
    const { keyUsage: ___, ...usageless } = authority("Intermediate");
    const between = issue({ ...usageless, issuer: top });
    const leaf = issue({ ...signer(), ...good, issuer: between });
    expect(findingsOf((await check(leaf.pem + between.pem + top.pem)).report)).toEqual([
      "notation error issuer-key-usage E_CERTIFICATE_USAGE",
    ]);
  });

  it("asks only the verifiers that are named", async () => {
    const pems = pemsOf({ leaf: { ...good, alternativeNames: [["uri", "https://ci.example.com/x"]] } });
    expect((await check(pems, "--for", "cosign,notation")).exit).toBe(0);
    expect((await check(pems, "--for", "crio")).exit).toBe(1);
    expect((await check(pems, "--for", "docker")).stderr).toContain("no verifier known here");
  });

  it("looks at another time when told", async () => {
    const pems = pemsOf({ leaf: good });
    const late = new Date(NOW.getTime() + 101 * DAY).toISOString();
    expect(findingsOf((await check(pems, "--at", late)).report)[0]).toContain("E_CERTIFICATE_EXPIRED");
    expect((await check(pems, "--at", "tomorrow")).stderr).toContain("is no time");
  });

  it("warns of an end that is near, of strangers and of a root that is not at hand", async () => {
    const { root, intermediates, leaf } = createPki({ leaf: { ...good, notAfter: new Date(NOW.getTime() + 3 * DAY) } });
    const [intermediate] = intermediates;
    const stranger = issue(authority("Stranger"));
    const near = await check([leaf, intermediate, root, stranger].map((each) => each?.pem).join(""));
    expect(near.report?.warnings).toEqual([
      expect.stringContaining("expires at 2030-06-18T12:00:00Z"),
      expect.stringContaining("CN=Stranger,O=Example\" is not part of the leaf's chain"),
    ]);
    const rootless = await check(leaf.pem + (intermediate?.pem ?? ""), "--for", "cosign");
    expect(rootless.exit).toBe(0);
    expect(rootless.report?.warnings.at(-1)).toContain("is not at hand");
    expect(findingsOf((await check(leaf.pem + (intermediate?.pem ?? ""), "--for", "notation")).report)).toContain(
      "notation error chain-root E_CERTIFICATE_MISSING",
    );
  });

  it("holds the key against the certificates", async () => {
    const { root, intermediates, leaf, key } = createPki({ leaf: good });
    const pems = [root, ...intermediates, leaf].map(({ pem }) => pem).join("");
    const own = machine.file("own.key", key.export({ type: "pkcs8", format: "pem" }));
    expect((await check(pems, "--key", own)).exit).toBe(0);
    const publicKey = machine.file("own.pub", encodePem("PUBLIC KEY", leaf.certificate.spki));
    expect((await check(pems, "--key", publicKey)).exit).toBe(0);
    const other = machine.file("other.key", createPki().key.export({ type: "pkcs8", format: "pem" }));
    const wrong = await check(pems, "--key", other);
    expect([wrong.exit, wrong.stderr]).toEqual([2, expect.stringContaining("E_CERTIFICATE_KEY_MISMATCH")]);
  });

  it("says it in words, each finding with its mend", async () => {
    const file = machine.file(
      "words.pem",
      pemsOf({ leaf: { alternativeNames: [["uri", "https://ci.example.com/x"]] } }),
    );
    const { exit, stdout } = await machine.run(["pki", "check", file]);
    expect(exit).toBe(1);
    expect(stdout).toMatch(/^cosign: would accept$/m);
    expect(stdout).toMatch(
      /^crio: would refuse\n {2}error E_IDENTITY_MISMATCH: .*\n {4}mend: subjectAltName = email:/m,
    );
  });

  it("calls what is no certificate wrong use", async () => {
    const { exit, stderr } = await check("nothing");
    expect([exit, stderr]).toEqual([2, expect.stringContaining("E_CERTIFICATE_INVALID")]);
    const none = await machine.run(["pki", "check"]);
    expect([none.exit, none.stderr]).toEqual([2, expect.stringContaining("E_USAGE")]);
  });
});

describe("pki by itself", () => {
  it("says what it can do", async () => {
    const run = await machine.run(["pki"]);
    expect([run.exit, run.stderr]).toEqual([2, expect.stringContaining("pki does nothing by itself")]);
    const help = await machine.run(["pki", "--help"]);
    for (const verb of ["init", "issue", "check", "revoke", "crl"])
      expect(help.stdout).toMatch(new RegExp(`^ {2}${verb} `, "m"));
  });

  it.each(["init", "issue", "check", "revoke", "crl"])("%s has a help with an example", async (verb) => {
    const { exit, stdout } = await machine.run(["pki", verb, "--help"]);
    expect(exit).toBe(0);
    expect(stdout).toContain(`Usage: countersign pki ${verb}`);
    expect(stdout).toContain(`$ countersign pki ${verb} `);
  });
});
