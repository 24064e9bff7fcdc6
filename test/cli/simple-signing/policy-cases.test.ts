import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { policyLintReport } from "../../../src/reports/policy-report.ts";
import { askImagePolicy } from "../../interop/support/image-policy.ts";
import { describeWithPeer } from "../../interop/support/peers.ts";
import { type SimpleSigning, startSimpleSigning } from "../support/simple-signing.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let world: SimpleSigning;
const platforms = [
  { os: "linux", architecture: "amd64" },
  { os: "linux", architecture: "arm64" },
];

interface Case {
  readonly number: string;
  readonly title: string;
  /** Puts and signs an image; gives how it is asked for, and by which policy. */
  readonly make: (name: string) => Promise<{ image: string; policy: unknown; instance?: string }>;
  readonly exit: 0 | 1;
  readonly code?: string;
  readonly compatExit?: 0 | 1;
  /** containers/image 5.39, asked the same; absent where it has no say. */
  readonly allowed?: boolean;
}

const signedBy = (more: object = {}) => ({
  type: "signedBy",
  keyType: "GPGKeys",
  keyPath: world.keys.release,
  ...more,
});
const sigstoreSigned = (more: object = {}) => ({ type: "sigstoreSigned", keyPath: world.keys.cosign, ...more });
const by = (...requirements: readonly object[]) => ({ default: requirements });

async function pushed(name: string) {
  const { digest } = await world.push(name, { tag: "1", seed: name });
  await world.push(name, { tag: "2", seed: name });
  const repository = `${world.host}/${name}`;
  return { repository, digest, image: `${repository}:1` };
}

async function signed(name: string) {
  const made = await pushed(name);
  await world.signOpenPgp(made.image);
  return made;
}

/** An index and its two images, some of them signed by the index's tag. */
async function index(name: string, which: readonly ("index" | "amd64" | "arm64")[]) {
  const { digest, children } = await world.push(name, { tag: "1", platforms, seed: name });
  const repository = `${world.host}/${name}`;
  const [amd64, arm64] = children.map((child) => child.digest);
  const digests = { index: digest, amd64, arm64 };
  for (const one of which) await world.signOpenPgp(`${repository}@${digests[one]}`, `${repository}:1`);
  return { image: `${repository}:1`, policy: by(signedBy()), instance: amd64 ?? "" };
}

const cases: readonly Case[] = [
  {
    number: "28, 29",
    title: "a signature of another digest",
    async make(name) {
      const [own, other] = [await pushed(name), await signed(`${name}-other`)];
      const place = (each: typeof own, of: string) =>
        path.join(world.lookaside, `${of}@${each.digest.replace(":", "=")}`);
      mkdirSync(place(own, name), { recursive: true });
      cpSync(place(other, `${name}-other`), place(own, name), { recursive: true });
      return {
        image: own.image,
        policy: by(signedBy({ signedIdentity: { type: "exactRepository", dockerRepository: other.repository } })),
      };
    },
    exit: 1,
    code: "E_SUBJECT_MISMATCH",
    allowed: false,
  },
  {
    number: "30",
    title: "another tag than was signed",
    make: async (name) => ({ image: `${(await signed(name)).repository}:2`, policy: by(signedBy()) }),
    exit: 1,
    code: "E_REFERENCE_MISMATCH",
    allowed: false,
  },
  {
    number: "31",
    title: "asked by digest, signed by tag",
    async make(name) {
      const { repository, digest } = await signed(name);
      return { image: `${repository}@${digest}`, policy: by(signedBy()) };
    },
    exit: 0,
    allowed: true,
  },
  {
    number: "33",
    title: "asked by tag and digest: by the digest, as podman has it; skopeo refuses such references",
    async make(name) {
      const { repository, digest } = await signed(name);
      return { image: `${repository}:2@${digest}`, policy: by(signedBy()) };
    },
    exit: 0,
    allowed: false,
  },
  {
    number: "36",
    title: "no signature",
    make: async (name) => ({ image: (await pushed(name)).image, policy: by(signedBy()) }),
    exit: 1,
    allowed: false,
  },
  {
    number: "37",
    title: "a stranger's signature first, then a trusted one",
    async make(name) {
      const { image } = await pushed(name);
      await world.signOpenPgp(image, undefined, "stranger");
      await world.signOpenPgp(image);
      return { image, policy: by(signedBy()) };
    },
    exit: 0,
    allowed: true,
  },
  {
    number: "38",
    title: "a stranger's signature alone",
    async make(name) {
      const { image } = await pushed(name);
      await world.signOpenPgp(image, undefined, "stranger");
      return { image, policy: by(signedBy()) };
    },
    exit: 1,
    code: "E_KEY_MISMATCH",
    allowed: false,
  },
  {
    number: "39",
    title: "a signature of another format alone",
    async make(name) {
      const { image } = await pushed(name);
      await world.signCosign(image, image);
      return { image, policy: by(signedBy()) };
    },
    exit: 1,
    allowed: false,
  },
  {
    number: "40",
    title: "two requirements, one of them met",
    make: async (name) => ({ image: (await signed(name)).image, policy: by(signedBy(), sigstoreSigned()) }),
    exit: 1,
    allowed: false,
  },
  {
    number: "40",
    title: "two requirements, both met",
    async make(name) {
      const { image } = await signed(name);
      await world.signCosign(image, image);
      return { image, policy: by(signedBy(), sigstoreSigned(), { type: "insecureAcceptAnything" }) };
    },
    exit: 0,
    allowed: true,
  },
  {
    number: "49",
    title: "an index that is signed, its images not",
    make: (name) => index(name, ["index"]),
    exit: 1,
    compatExit: 1,
    allowed: false,
  },
  {
    number: "50",
    title: "images that are signed, their index not",
    make: (name) => index(name, ["amd64", "arm64"]),
    exit: 1,
    compatExit: 0,
    allowed: true,
  },
  {
    number: "51",
    title: "an image for another platform that is not signed: refused, as by a copy of all platforms",
    make: (name) => index(name, ["index", "amd64"]),
    exit: 1,
    compatExit: 1,
    allowed: true,
  },
  {
    number: "52",
    title: "an index with all its images signed",
    make: (name) => index(name, ["index", "amd64", "arm64"]),
    exit: 0,
    compatExit: 0,
    allowed: true,
  },
  {
    number: "60",
    title: "a key that cannot be read beside the one that signed",
    async make(name) {
      const { image } = await signed(name);
      return {
        image,
        policy: by(signedBy({ keyPath: undefined, keyPaths: [world.keys.release, "/nonexistent/key"] })),
      };
    },
    exit: 1,
    code: "E_POLICY_KEY",
    allowed: false,
  },
  {
    number: "60",
    title: "a key that is none beside the one that signed",
    async make(name) {
      const { image } = await pushed(name);
      await world.signCosign(image, image);
      return {
        image,
        policy: by(sigstoreSigned({ keyPath: undefined, keyPaths: [world.keys.cosign, world.keys.release] })),
      };
    },
    exit: 1,
    code: "E_POLICY_KEY",
    allowed: false,
  },
  {
    number: "",
    title: "a policy that rejects",
    make: async (name) => ({ image: (await signed(name)).image, policy: by({ type: "reject" }) }),
    exit: 1,
    code: "E_POLICY_REJECTS",
    allowed: false,
  },
  {
    number: "",
    title: "a log that is asked for, and that is not asked in this version",
    make: async (name) => ({
      image: (await signed(name)).image,
      policy: by(sigstoreSigned({ rekorPublicKeyPath: world.keys.cosign })),
    }),
    exit: 1,
    code: "E_POLICY_UNSUPPORTED",
    allowed: false,
  },
];

beforeAll(async () => {
  world = await startSimpleSigning();
});
afterAll(() => world.close());

describe("a policy.json over what an image carries (the numbers are those of the list of edge cases)", () => {
  for (const [at, { number, title, make, exit, code, compatExit }] of cases.entries()) {
    it(`${number} ${exit === 0 ? "accepts" : "refuses"} ${title}`, async () => {
      const { image, policy } = await make(`here${at}`);
      const found = await world.verify(policy, image);
      const said = found.report.images.flatMap(({ errors, signatures }) => [
        ...errors.map((error) => error.code),
        ...signatures.flatMap(({ reasons }) => reasons.map((reason) => reason.code)),
      ]);
      expect(found.exit, JSON.stringify(found.report, null, 1)).toBe(exit);
      if (code !== undefined) expect(said).toContain(code);
      if (compatExit === undefined) return;
      expect((await world.verify(policy, image, "--compat", "containers-image")).exit).toBe(compatExit);
    });
  }

  it("says of what is accepted whatever is signed that nothing was looked at", async () => {
    const { image } = await pushed("anything");
    const { exit, report } = await world.verify(by({ type: "insecureAcceptAnything" }), image);
    expect([exit, report.images.map(({ status }) => status)]).toEqual([0, ["skipped"]]);
    expect(report.warnings).toEqual([expect.stringMatching(/accepts 1 image whatever is signed/)]);
    expect(report.policies).toEqual([
      { kind: "containers", path: expect.any(String), digest: expect.stringMatching(/^sha256:/) },
    ]);
  });
});

describeWithPeer("image-policy", "containers/image 5.39 over the same", () => {
  for (const [at, { number, title, make, allowed }] of cases.entries()) {
    if (allowed === undefined) continue;
    it(`${number} ${allowed ? "accepts" : "refuses"} ${title}`, async () => {
      const { image, policy, instance } = await make(`there${at}`);
      const file = world.file(`there${at}.json`, JSON.stringify(policy));
      const [answer] = await askImagePolicy([
        { policy: file, image: `docker://${image}`, registriesD: world.registriesD, ...(instance && { instance }) },
      ]);
      expect(answer?.allowed, answer?.error).toBe(allowed);
    });
  }
});

describeWithPeer("image-policy", "registries.d that cannot be used, as policy lint judges it", () => {
  const judged: readonly { title: string; text: string; severity?: string; allowed: boolean }[] = [
    { title: "a switch by another word", text: "docker: {r.test: {use-sigstore-attachments: yes}}", allowed: true },
    { title: "no YAML", text: "docker: [", severity: "error", allowed: false },
    { title: "a scope twice", text: "docker: {r.test: {}, r.test: {}}", severity: "error", allowed: false },
    {
      title: "a switch that is a text",
      text: "docker: {r.test: {use-sigstore-attachments: maybe}}",
      severity: "error",
      allowed: false,
    },
    {
      title: "an address elsewhere",
      text: "docker: {r.test: {lookaside: 's3://b'}}",
      severity: "warning",
      allowed: true,
    },
    { title: "an address here", text: "docker: {HOST: {lookaside: 's3://b'}}", severity: "warning", allowed: true },
    {
      title: "a key nobody knows",
      text: "docker: {HOST: {lookasid: 'file:///b'}}",
      severity: "warning",
      allowed: true,
    },
  ];
  it.each(judged)("48 $title", async ({ title, text, severity, allowed }) => {
    const folder = path.join(path.dirname(world.registriesD), title.replaceAll(" ", "-"));
    mkdirSync(folder);
    writeFileSync(path.join(folder, "a.yaml"), text.replace("HOST", `"${world.host}"`));
    const { image } = await pushed(title.replaceAll(" ", "-").toLowerCase());
    const policy = world.file(`${title}.json`, JSON.stringify(by({ type: "insecureAcceptAnything" })));
    const { exit, stdout } = await world.run(["policy", "lint", "--output", "json", "--registries-d", folder, policy]);
    const { findings } = policyLintReport.parse(JSON.parse(stdout));
    const found = findings.filter(({ rule }) => rule === "registries-d").map((finding) => finding.severity);
    expect([exit, found]).toEqual([severity === "error" ? 1 : 0, severity === undefined ? [] : [severity]]);
    const [theirs] = await askImagePolicy([{ policy, image: `docker://${image}`, registriesD: folder }]);
    expect(theirs?.allowed, theirs?.error).toBe(allowed);
  });
});
