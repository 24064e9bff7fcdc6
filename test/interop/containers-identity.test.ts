import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type SimpleSigning, startSimpleSigning } from "../cli/support/simple-signing.ts";
import { askImagePolicy } from "./support/image-policy.ts";
import { describeWithPeer, requirePeer } from "./support/peers.ts";
import { run } from "./support/run.ts";
import { skopeoAllows } from "./support/skopeo-policy.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let world: SimpleSigning;
let folder: string;
/** One image for each, tagged 1 and 2, both signatures of it saying this. */
const claims = ["tag 1", "tag 2", "digest", "repository", "other repository", "short name", "no reference"] as const;
/** The openpgp format refuses to sign these: no consumer would take them. */
const unsignable: ReadonlySet<string> = new Set(["repository", "no reference"]);
const digests = new Map<string, string>();

const nameOf = (claim: (typeof claims)[number]) => `ns/app${claims.indexOf(claim)}`;
const repositoryOf = (claim: (typeof claims)[number]) => `${world.host}/${nameOf(claim)}`;
const asked = (claim: (typeof claims)[number], how: "tag" | "digest") =>
  `${repositoryOf(claim)}${how === "tag" ? ":1" : `@${digests.get(claim)}`}`;

beforeAll(async () => {
  world = await startSimpleSigning();
  folder = mkdtempSync(path.join(tmpdir(), "identity-"));
  await Promise.all(
    claims.map(async (claim) => {
      const { digest } = await world.push(nameOf(claim), { tag: "1", seed: claim });
      await world.push(nameOf(claim), { tag: "2", seed: claim });
      digests.set(claim, digest);
      const said = {
        "tag 1": `${repositoryOf(claim)}:1`,
        "tag 2": `${repositoryOf(claim)}:2`,
        digest: `${repositoryOf(claim)}@${digest}`,
        repository: repositoryOf(claim),
        "other repository": `${world.host}/ns/other:1`,
        "short name": "alpine:1",
        "no reference": "Not/A/Reference:1",
      }[claim];
      if (!unsignable.has(claim))
        await world.signOpenPgp(`${repositoryOf(claim)}:1`, said.replace(/^alpine/, "docker.io/library/alpine"));
      await world.signCosign(`${repositoryOf(claim)}:1`, said);
    }),
  );
});
afterAll(async () => {
  await world.close();
  rmSync(folder, { recursive: true, force: true });
});

type Claim = (typeof claims)[number];
const rules: readonly { readonly title: string; readonly rule: (claim: Claim) => object | undefined }[] = [
  { title: "no rule", rule: () => undefined },
  { title: "matchExact", rule: () => ({ type: "matchExact" }) },
  { title: "matchRepoDigestOrExact", rule: () => ({ type: "matchRepoDigestOrExact" }) },
  { title: "matchRepository", rule: () => ({ type: "matchRepository" }) },
  {
    title: "exactReference by tag",
    rule: (claim) => ({ type: "exactReference", dockerReference: `${repositoryOf(claim)}:2` }),
  },
  {
    title: "exactReference by digest",
    rule: (claim) => ({ type: "exactReference", dockerReference: `${repositoryOf(claim)}@${digests.get(claim)}` }),
  },
  {
    title: "exactReference of a short name",
    rule: () => ({ type: "exactReference", dockerReference: "docker.io/library/alpine:1" }),
  },
  { title: "exactRepository", rule: (claim) => ({ type: "exactRepository", dockerRepository: repositoryOf(claim) }) },
  {
    title: "exactRepository of another",
    rule: () => ({ type: "exactRepository", dockerRepository: `${world.host}/ns/other` }),
  },
  { title: "exactRepository of Docker Hub", rule: () => ({ type: "exactRepository", dockerRepository: "alpine" }) },
  {
    title: "remapIdentity of the repository",
    rule: (claim) => ({ type: "remapIdentity", prefix: repositoryOf(claim), signedPrefix: `${world.host}/ns/other` }),
  },
  {
    title: "remapIdentity of a namespace to itself",
    rule: () => ({ type: "remapIdentity", prefix: `${world.host}/ns`, signedPrefix: `${world.host}/ns` }),
  },
  {
    title: "remapIdentity of half a name",
    rule: () => ({ type: "remapIdentity", prefix: `${world.host}/n`, signedPrefix: "elsewhere.example/n" }),
  },
  {
    title: "remapIdentity of the host without its port",
    rule: () => ({ type: "remapIdentity", prefix: "127.0.0.1", signedPrefix: "elsewhere.example" }),
  },
  {
    title: "remapIdentity of the host",
    rule: () => ({ type: "remapIdentity", prefix: world.host, signedPrefix: "elsewhere.example" }),
  },
  {
    title: "remapIdentity to Docker Hub",
    rule: (claim) => ({ type: "remapIdentity", prefix: repositoryOf(claim), signedPrefix: "docker.io/library/alpine" }),
  },
  {
    title: "remapIdentity to a short name",
    rule: (claim) => ({ type: "remapIdentity", prefix: repositoryOf(claim), signedPrefix: "library/alpine" }),
  },
];

const kinds = {
  signedBy: () => ({ type: "signedBy", keyType: "GPGKeys", keyPath: world.keys.release }),
  sigstoreSigned: () => ({ type: "sigstoreSigned", keyPath: world.keys.cosign }),
} as const;

describeWithPeer(
  ["image-policy", "skopeo"],
  "32, 34, 35: the reference inside a signature, compared here and by containers/image 5.39",
  () => {
    for (const kind of ["signedBy", "sigstoreSigned"] as const) {
      describe(kind, () => {
        for (const { title, rule } of rules) {
          it(`accepts and refuses the same by ${title}`, async () => {
            const rows = claims
              .filter((claim) => kind === "sigstoreSigned" || !unsignable.has(claim))
              .flatMap((claim) => (["tag", "digest"] as const).map((how) => ({ claim, how })));
            const questions = rows.map(({ claim, how }, at) => {
              const signedIdentity = rule(claim);
              const policy = { default: [{ ...kinds[kind](), ...(signedIdentity && { signedIdentity }) }] };
              const file = path.join(folder, `${kind}-${title}-${at}.json`);
              writeFileSync(file, JSON.stringify(policy));
              return {
                policy: file,
                image: `docker://${asked(claim, how)}`,
                registriesD: world.registriesD,
                document: policy,
              };
            });
            const theirs = await askImagePolicy(questions);
            const ours: boolean[] = [];
            for (const [at, { claim, how }] of rows.entries()) {
              const { exit } = await world.verify(questions[at]?.document, asked(claim, how));
              ours.push(exit === 0);
            }
            const verdicts = (allowed: readonly (boolean | undefined)[]) =>
              rows.map(({ claim, how }, at) => `${claim} asked by ${how}: ${allowed[at] ? "accepted" : "refused"}`);
            expect(verdicts(ours)).toEqual(verdicts(theirs.map(({ allowed }) => allowed)));
            if (kind === "sigstoreSigned") return;
            // Debian's, older by fifteen lines, agrees on what it can judge.
            const [first] = questions;
            expect(first && (await skopeoAllows(first.policy, first.image, world.registriesD))).toBe(
              theirs[0]?.allowed,
            );
          });
        }
      });
    }
  },
);

const scopes: readonly {
  readonly title: string;
  readonly scope: (claim: Claim) => string;
  readonly how?: "tag" | "digest";
}[] = [
  { title: "the image by its tag", scope: (claim) => `${repositoryOf(claim)}:1` },
  { title: "the image by another tag", scope: (claim) => `${repositoryOf(claim)}:2` },
  { title: "the image by its digest", scope: (claim) => `${repositoryOf(claim)}@${digests.get(claim)}`, how: "digest" },
  { title: "the image by its tag, asked by digest", scope: (claim) => `${repositoryOf(claim)}:1`, how: "digest" },
  { title: "the repository", scope: repositoryOf },
  { title: "half of the repository's name", scope: (claim) => repositoryOf(claim).slice(0, -1) },
  { title: "the namespace", scope: () => `${world.host}/ns` },
  { title: "half of the namespace", scope: () => `${world.host}/n` },
  { title: "the namespace with a slash", scope: () => `${world.host}/ns/` },
  { title: "the host", scope: () => world.host },
  { title: "the host without its port", scope: () => "127.0.0.1" },
  { title: "a wildcard one label up", scope: () => "*.0.0.1" },
  { title: "a wildcard for what is left", scope: () => "*.1" },
  { title: "a wildcard with the port", scope: () => `*.0.0.1${world.host.slice("127.0.0.1".length)}` },
  { title: "a wildcard for the host itself", scope: () => "*.127.0.0.1" },
  { title: "the whole transport", scope: () => "" },
];

describeWithPeer(
  ["image-policy", "skopeo"],
  "the scope that an image is under, here and by containers/image 5.39 and 5.23",
  () => {
    for (const { title, scope, how = "tag" } of scopes) {
      it(`is the same for ${title}`, async () => {
        const reject = [{ type: "reject" }];
        const accept = [{ type: "insecureAcceptAnything" }];
        const policy = { default: reject, transports: { docker: { [scope("tag 1")]: accept } } };
        const file = path.join(folder, `scope-${title}.json`);
        writeFileSync(file, JSON.stringify(policy));
        const image = asked("tag 1", how);
        const question = { policy: file, image: `docker://${image}`, registriesD: world.registriesD };
        const [theirs] = await askImagePolicy([question]);
        const { exit, report } = await world.verify(policy, image);
        expect(exit === 0, JSON.stringify(report.images)).toBe(theirs?.allowed);
        expect(await skopeoAllows(file, question.image, world.registriesD)).toBe(theirs?.allowed);
      });
    }
  },
);

describeWithPeer(["image-policy", "skopeo"], "the scope that a layout folder is under", () => {
  it("goes by the path as it is written; containers/image goes by where links lead", async () => {
    const [accepted, refused] = [path.join(folder, "accepted"), path.join(folder, "refused")];
    const argv = ["--insecure-policy", "copy", "--src-tls-verify=false", `docker://${asked("tag 1", "tag")}`];
    for (const place of [accepted, refused]) {
      mkdirSync(place);
      await run(requirePeer("skopeo"), [...argv, `oci:${place}/app:1`], {
        env: { PATH: "/usr/bin:/bin", HOME: folder },
      });
    }
    symlinkSync(path.join(refused, "app"), path.join(accepted, "link"));
    const policy = {
      default: [{ type: "reject" }],
      transports: { oci: { [accepted]: [{ type: "insecureAcceptAnything" }] } },
    };
    const file = path.join(folder, "layouts.json");
    writeFileSync(file, JSON.stringify(policy));
    const images = [`${accepted}/app`, `${refused}/app`, `${accepted}/../refused/app`, `${accepted}/link`];
    const theirs = await askImagePolicy(images.map((each) => ({ policy: file, image: `oci:${each}:1` })));
    expect(theirs.map(({ allowed }) => allowed)).toEqual([true, false, false, false]);
    const ours = [];
    for (const each of images) ours.push((await world.verify(policy, `oci:${each}:1`)).exit);
    expect(ours).toEqual([0, 1, 1, 0]);
  });
});
