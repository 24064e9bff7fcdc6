import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type PromoteReport, promoteReport } from "../../src/reports/report.ts";
import { describeWithPeer, requirePeer } from "../interop/support/peers.ts";
import { run as start } from "../interop/support/run.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { type SimpleSigning, startSimpleSigning } from "./support/simple-signing.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let world: SimpleSigning;
/** A registry that keeps signatures itself. */
let extension: StartedRegistry;
let images = 0;
let name: string;
let source: string;
let digest: string;
let destination: string;
let lookaside: string;

beforeAll(async () => {
  [world, extension] = await Promise.all([startSimpleSigning(), startRegistry({ signatureExtension: true })]);
});
afterAll(() => Promise.all([world?.close(), extension?.close()]));
beforeEach(async () => {
  images += 1;
  name = `prod${images}/app`;
  ({ digest } = await world.push(`staging${images}/app`, { tag: "1", seed: `${images}` }));
  source = `${world.host}/staging${images}/app:1`;
  destination = `${world.host}/${name}:1`;
  lookaside = temporaryFolder();
  await world.signOpenPgp(source);
});

const from = () => ["--gpg-key", world.keys.release, "--registries-d", world.registriesD];

async function promote(to: string, ...flags: readonly string[]) {
  const { exit, stdout, stderr } = await world.run(["promote", "--output", "json", ...flags, source, to]);
  const document: unknown = JSON.parse(stdout || "{}");
  const parsed = promoteReport.safeParse(document);
  if (!parsed.success) return { exit, document, stderr, report: undefined, image: undefined };
  const report: PromoteReport = parsed.data;
  return { exit, document, stderr, report, image: report.images[0] };
}

const files = (base: string) =>
  readdirSync(base, { recursive: true, encoding: "utf8" })
    .filter((each) => each.includes("signature-"))
    .sort();
const folderOf = (repository: string) => `${repository}@${digest.replace(":", "=")}`;
const isThere = () => world.registry.storage.get(name) !== undefined;

describe("promotion of an image that is signed by OpenPGP", () => {
  it("carries its signatures from lookaside to lookaside, and once", async () => {
    const first = await promote(destination, ...from(), "--destination-lookaside", lookaside);
    expect([first.exit, first.image?.status], JSON.stringify(first.document)).toEqual([0, "promoted"]);
    expect(first.image?.attachments).toMatchObject([{ kind: "signature", format: "openpgp", status: "copied" }]);
    expect(files(lookaside)).toEqual([`${folderOf(name)}/signature-1`]);
    expect(readFileSync(path.join(lookaside, folderOf(name), "signature-1"))).toEqual(
      readFileSync(path.join(world.lookaside, folderOf(`staging${images}/app`), "signature-1")),
    );
    const again = await promote(destination, ...from(), "--destination-lookaside", lookaside);
    expect([again.image?.status, again.image?.attachments[0]?.status]).toEqual(["unchanged", "present"]);
    expect(files(lookaside)).toHaveLength(1);
  });

  it("finds both places in one folder of configurations", async () => {
    const { exit, image } = await promote(destination, ...from());
    expect([exit, image?.attachments[0]?.place.name]).toEqual([0, `${world.lookaside}/${folderOf(name)}/signature-1`]);
  });

  it("carries them into the registry that keeps them itself, and out of it", async () => {
    const there = `${extension.host}/${name}:1`;
    const inward = await promote(there, ...from());
    expect([inward.exit, inward.image?.attachments[0]?.place.kind], JSON.stringify(inward.document)).toEqual([
      0,
      "extension",
    ]);
    source = there;
    const outward = await promote(
      destination,
      ...["--gpg-key", world.keys.release, "--destination-lookaside", lookaside],
    );
    expect([outward.exit, outward.image?.status], JSON.stringify(outward.document)).toEqual([0, "promoted"]);
    expect(files(lookaside)).toEqual([`${folderOf(name)}/signature-1`]);
  });

  it("adds them behind those that are there, and puts them into a staging folder if told", async () => {
    const folder = path.join(lookaside, folderOf(name));
    mkdirSync(folder, { recursive: true });
    await world.push(name, { tag: "1", seed: `${images}` });
    const own = ["sign", "--format", "openpgp", "--key", world.secrets.stranger, "--lookaside", lookaside, destination];
    expect((await world.run(own)).exit).toBe(0);
    const before = readFileSync(path.join(folder, "signature-1"));
    const staging = temporaryFolder();
    const staged = ["--destination-lookaside", lookaside, "--destination-lookaside-staging", staging];
    expect((await promote(destination, ...from(), ...staged)).exit).toBe(0);
    expect([files(lookaside).length, files(staging).length]).toEqual([1, 2]);
    expect((await promote(destination, ...from(), "--destination-lookaside", lookaside)).exit).toBe(0);
    expect(files(lookaside)).toHaveLength(2);
    expect(readFileSync(path.join(folder, "signature-1"))).toEqual(before);
  });

  it("carries those of every image of an index, and of two tags of it in one run", async () => {
    const platforms = ["amd64", "arm64"].map((architecture) => ({ os: "linux", architecture }));
    const index = await world.push(`staging${images}/index`, { tag: "1", platforms, seed: `index ${images}` });
    world.registry.storage.getOrCreate(`staging${images}/index`).tags.set("2", index.digest);
    const at = (place: string, tag: number) => `${world.host}/${place}${images}/index:${tag}`;
    const key = ["--format", "openpgp", "--key", world.secrets.release, "--registries-d", world.registriesD];
    expect((await world.run(["sign", "-r", ...key, at("staging", 1), at("staging", 2)])).exit).toBe(0);
    const list = world.file(
      `pairs-${images}`,
      [1, 2].map((tag) => `${at("staging", tag)} ${at("prod", tag)}\n`).join(""),
    );
    const policy = path.join(temporaryFolder(), "policy.json");
    const promoteBoth = (...flags: readonly string[]) =>
      world.run(["promote", "--images", list, ...from(), "--destination-lookaside", lookaside, ...flags]);
    const first = await promoteBoth("-r", "--write-destination-policy", policy);
    expect(first.exit, first.stdout + first.stderr).toBe(0);
    expect(files(lookaside), "two tags of an index and two images").toHaveLength(6);
    const second = await promoteBoth("--destination-policy", policy);
    expect(second.exit, second.stdout + second.stderr).toBe(0);
    expect(files(lookaside)).toHaveLength(6);
  });

  it("plans without writing", async () => {
    const policy = path.join(temporaryFolder(), "policy.json");
    const flags = ["--destination-lookaside", lookaside, "--dry-run", "--write-destination-policy", policy];
    const { exit, image, report } = await promote(destination, ...from(), ...flags);
    expect([existsSync(policy), report?.warnings]).toEqual([false, [expect.stringContaining("writes nothing")]]);
    expect([exit, image?.status, image?.attachments[0]?.status]).toEqual([0, "planned", "planned"]);
    expect([files(lookaside), isThere()]).toEqual([[], false]);
  });

  it("is refused before it writes where the destination has no place for them", async () => {
    const { exit, image } = await promote(
      destination,
      ...["--gpg-key", world.keys.release, "--lookaside", world.lookaside],
    );
    expect([exit, image?.errors[0]?.code]).toEqual([1, "E_LOOKASIDE_MISSING"]);
    expect(image?.errors[0]?.hint).toContain("--destination-lookaside");
    expect(isThere()).toBe(false);
  });

  it("fails where the source's lookaside cannot be read to its end, though a signature was good", async () => {
    const place = path.join(world.lookaside, folderOf(`staging${images}/app`));
    mkdirSync(path.join(place, "signature-2"));
    const { exit, image } = await promote(destination, ...from());
    expect([exit, image?.status]).toEqual([3, "failed"]);
    expect(isThere()).toBe(false);
  });
});

describe("the destination's policy.json, before anything is written", () => {
  const policy = (identity?: object) =>
    world.file(
      `destination-${images}.json`,
      JSON.stringify({
        default: [{ type: "reject" }],
        transports: {
          docker: {
            [`${world.host}/${name}`]: [
              { type: "signedBy", keyType: "GPGKeys", keyPath: world.keys.release, ...identity },
            ],
          },
        },
      }),
    );
  const remapped = () => ({
    signedIdentity: {
      type: "remapIdentity",
      prefix: `${world.host}/${name}`,
      signedPrefix: `${world.host}/staging${images}/app`,
    },
  });

  it("refuses the reference inside the signatures, and names the entry that takes it", async () => {
    const { exit, image } = await promote(destination, ...from(), "--destination-policy", policy());
    expect([exit, image?.errors[0]?.code]).toEqual([1, "E_NOT_VERIFIED"]);
    expect(image?.errors[0]?.message).toContain("E_REFERENCE_MISMATCH");
    expect(image?.errors[0]?.hint).toContain(JSON.stringify(remapped().signedIdentity));
    expect(isThere()).toBe(false);
    expect((await promote(destination, ...from(), "--destination-policy", policy(remapped()))).exit).toBe(0);
  });

  it("is asked about the digest where no tag moves, by the narrowest rule", async () => {
    source = source.replace(":1", `@${digest}`);
    const repository = `${world.host}/${name}`;
    const file = path.join(temporaryFolder(), "policy.json");
    expect((await promote(repository, ...from(), "--write-destination-policy", file)).exit).toBe(0);
    const written = JSON.parse(readFileSync(file, "utf8"));
    expect(written.transports.docker[repository]).toMatchObject([remapped()]);
    const { exit, image } = await promote(repository, ...from(), "--destination-policy", file);
    expect([exit, image?.status], JSON.stringify(image?.errors)).toEqual([0, "unchanged"]);
    const resign = ["--resign", "--resign-format", "openpgp", "--resign-key", world.secrets.release];
    expect((await promote(repository, ...from(), ...resign, "--destination-policy", policy())).exit).toBe(0);
  });

  it("refuses the same by flags", async () => {
    const flags = ["--destination-gpg-key", world.keys.release, "--destination-require-reference", "exact"];
    const { image } = await promote(destination, ...from(), ...flags);
    expect(image?.errors[0]?.message).toContain("nothing was written");
    expect(isThere()).toBe(false);
  });

  it("is written on request, with the rule that fits a tag of its own name or of another", async () => {
    const file = path.join(temporaryFolder(), "policy.json");
    const rejecting = world.file(`reject-${images}.json`, `{"default":[{"type":"reject"}]}`);
    const write = ["--write-destination-policy", file];
    const first = await promote(destination, ...from(), "--destination-policy", rejecting, ...write);
    expect([first.exit, isThere()]).toEqual([1, false]);
    const written = JSON.parse(readFileSync(file, "utf8"));
    const scope = `${world.host}/${name}`;
    expect(written.default).toEqual([{ type: "reject" }]);
    expect(written.transports.docker[scope]).toMatchObject([{ type: "signedBy", keyType: "GPGKeys", ...remapped() }]);
    const before = readFileSync(file, "utf8");
    expect((await promote(destination, ...from(), "--destination-policy", file, ...write)).exit).toBe(0);
    expect(readFileSync(file, "utf8")).toBe(before);

    const other = path.join(temporaryFolder(), "policy.json");
    const renamed = `${world.host}/${name}:2`;
    expect((await promote(renamed, ...from(), "--write-destination-policy", other)).exit).toBe(0);
    const [requirement] = JSON.parse(readFileSync(other, "utf8")).transports.docker[scope];
    expect(requirement.signedIdentity).toEqual({
      type: "exactRepository",
      dockerRepository: `${world.host}/staging${images}/app`,
    });
    expect((await promote(renamed, ...from(), "--destination-policy", other)).exit).toBe(0);
  });

  it("is met by a new signature of the destination's reference", async () => {
    const resign = ["--resign", "--resign-format", "openpgp", "--resign-key", world.secrets.release];
    const { exit, image } = await promote(destination, ...from(), ...resign, "--destination-policy", policy());
    expect([exit, image?.status], JSON.stringify(image?.errors)).toEqual([0, "promoted"]);
    expect(image?.resigned).toMatchObject([{ format: "openpgp", status: "added" }]);
    expect(image?.attachments).toHaveLength(1);
    const again = await promote(destination, ...from(), ...resign, "--destination-policy", policy());
    expect(again.image?.status).toBe("unchanged");
  });

  it.each(["openpgp", "cosign,bundle,openpgp"])("is planned with a new signature: %s", async (formats) => {
    const resign = ["--resign", "--resign-format", formats, "--resign-key", world.secrets.release];
    const { exit, image } = await promote(destination, ...from(), ...resign, "--dry-run");
    expect([exit, image?.status], JSON.stringify(image?.errors)).toEqual([0, "planned"]);
    expect(image?.resigned.map(({ format, status }) => `${format} ${status}`).join()).toContain("openpgp planned");
    expect(isThere()).toBe(false);
  });

  it.each([[], ["--dry-run"]])("needs a place for a new signature, before anything is written %s", async (...flags) => {
    await world.signCosign(source, source);
    const resign = ["--resign", "--resign-format", "openpgp", "--resign-key", world.secrets.release];
    const { exit, image } = await promote(destination, "--key", world.keys.cosign, ...resign, ...flags);
    expect([exit, image?.errors[0]?.code]).toEqual([1, "E_LOOKASIDE_MISSING"]);
    expect(image?.errors[0]?.hint).toContain("--destination-lookaside");
    expect(isThere()).toBe(false);
  });
});

describe("sign --write-policy", () => {
  const sign = (file: string, ...flags: readonly string[]) => {
    const place = ["--registries-d", world.registriesD, "--write-policy", file];
    return world.run(["sign", "--format", "openpgp", "--key", world.secrets.release, ...place, ...flags]);
  };

  it("adds what makes the signature count to a policy, and leaves what is there", async () => {
    const kept = { "registry.example.com/other": [{ type: "insecureAcceptAnything" }] };
    const file = world.file(
      "own.json",
      JSON.stringify({ default: [{ type: "reject" }], transports: { docker: kept } }),
    );
    expect((await sign(file, source)).exit).toBe(0);
    const written = JSON.parse(readFileSync(file, "utf8"));
    expect(written.transports.docker["registry.example.com/other"]).toEqual(kept["registry.example.com/other"]);
    const verify = ["verify", "--policy", file, "--registries-d", world.registriesD];
    expect((await world.run([...verify, source])).exit).toBe(0);
    const bytes = readFileSync(file, "utf8");
    expect((await sign(file, source)).exit).toBe(0);
    expect(readFileSync(file, "utf8")).toBe(bytes);
  });

  it("takes the signature of another name by the rule that fits", async () => {
    const file = path.join(temporaryFolder(), "policy.json");
    expect((await sign(file, "--sign-identity", "registry.example.com/app:1", source)).exit).toBe(0);
    const scope = `${world.host}/staging${images}/app`;
    const [requirement] = JSON.parse(readFileSync(file, "utf8")).transports.docker[scope];
    expect(requirement.signedIdentity).toEqual({
      type: "remapIdentity",
      prefix: scope,
      signedPrefix: "registry.example.com/app",
    });
    const verify = ["verify", "--policy", file, "--registries-d", world.registriesD];
    expect((await world.run([...verify, source])).exit).toBe(0);
  });

  it.each([
    ["an entry of its own", (scope: string) => scope],
    ["an entry for all of the registry", (scope: string) => scope.split("/")[0] ?? ""],
  ])("weakens nothing: %s stays, with a warning", async (_, scopeOf) => {
    const scope = scopeOf(`${world.host}/staging${images}/app`);
    const held = [{ type: "signedBy", keyType: "GPGKeys", keyPath: world.keys.stranger }];
    const document = JSON.stringify({ default: [{ type: "reject" }], transports: { docker: { [scope]: held } } });
    const file = world.file("held.json", document);
    const { exit, stdout, stderr } = await sign(file, source);
    expect(exit).toBe(0);
    expect(stdout + stderr).toContain("left as it is");
    expect(readFileSync(file, "utf8")).toBe(document);
  });

  it("is wrong use beside a broken policy, or without the format, before the first request", async () => {
    world.registry.clear();
    const broken = world.file("broken.json", `{"default":[]}`);
    expect([(await sign(broken, source)).exit, readFileSync(broken, "utf8")]).toEqual([2, `{"default":[]}`]);
    const file = path.join(temporaryFolder(), "policy.json");
    const cosign = ["sign", "--key", world.secrets.release, "--write-policy", file, source];
    expect((await world.run(cosign)).exit).toBe(2);
    expect([existsSync(file), world.registry.requests]).toEqual([false, []]);
  });
});

describeWithPeer(["skopeo"], "under the two files that were written, and nothing else", () => {
  /** What `skopeo copy` says under a policy; nothing: it accepts. */
  async function pull(image: string, policy: string, registriesD: string): Promise<string> {
    const out = path.join(temporaryFolder(), "out");
    const options = ["--policy", policy, "--registries.d", registriesD];
    const copy = ["copy", "--src-tls-verify=false", `docker://${image}`, `dir:${out}`];
    const ended = await start(requirePeer("skopeo"), [...options, ...copy], {
      env: { PATH: "/usr/bin:/bin", HOME: temporaryFolder() },
    });
    return ended.exitCode === 0 ? "" : ended.stderr;
  }

  it("skopeo takes what was signed, and what was promoted, and no other image", async () => {
    const [folder, told] = [temporaryFolder(), temporaryFolder()];
    const [signedPolicy, promotedPolicy] = [path.join(folder, "signed.json"), path.join(folder, "promoted.json")];
    const outputs = ["--write-policy", signedPolicy, "--write-registries-d", path.join(told, "a.yaml")];
    const sign = ["sign", "--format", "openpgp", "--key", world.secrets.release, "--lookaside", lookaside];
    const signed = await world.run([...sign, ...outputs, source]);
    expect(signed.exit, signed.stdout + signed.stderr).toBe(0);
    expect(await pull(source, signedPolicy, told)).toBe("");

    const outward = ["--destination-registries-d", world.registriesD, "--write-destination-policy", promotedPolicy];
    const promoted = await promote(destination, "--gpg-key", world.keys.release, "--lookaside", lookaside, ...outward);
    expect(promoted.exit, JSON.stringify(promoted.document)).toBe(0);
    expect(await pull(destination, promotedPolicy, world.registriesD)).toBe("");
    expect(await pull(destination, signedPolicy, world.registriesD)).toContain("policy");
    expect(await pull(source, promotedPolicy, told)).toContain("policy");
  });
});
