import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { generateKey } from "openpgp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Handler, type Served, type ServedResponse, serve } from "../../../src/platform/serve.ts";
import { lookasideReport } from "../../../src/reports/report.ts";
import { pushImage, storageSink } from "../../support/images.ts";
import { type StartedRegistry, startRegistry } from "../../support/start-registry.ts";
import { NOW } from "../../trust/support/pki.ts";
import { createMachine } from "../support/machine.ts";
import { errorCodes, listReportOf, onlyImage, signReportOf, verifyReportOf } from "../support/reports.ts";

/** Cases 42 to 48 of the simple-signing checklist: where signatures are kept, and what stands there in their place. */

const machine = createMachine();
let registry: StartedRegistry;
let extension: StartedRegistry;
let secret: string;
let block: string;
/** The image's folder in a lookaside. */
let folder: string;
let signature: Uint8Array;
let other: Uint8Array;
const served: Served[] = [];

beforeAll(async () => {
  const made = await generateKey({
    type: "ecc",
    curve: "ed25519Legacy",
    userIDs: [{ name: "Release" }],
    date: new Date(NOW.getTime() - 86_400_000),
    format: "armored",
  });
  secret = machine.file("secret.asc", made.privateKey);
  block = machine.file("public.asc", made.publicKey);
  registry = await startRegistry();
  extension = await startRegistry({ signatureExtension: true });
  for (const { storage } of [registry, extension]) {
    const { digest } = await pushImage(storageSink(storage, "team/app"), { tag: "1", seed: "one" });
    storage.getOrCreate("team/app").tags.set("2", digest);
    folder = `team/app@${digest.replace(":", "=")}`;
  }
  const base = newFolder();
  for (const tag of ["1", "2"]) expect((await sign(registry, tag, "--lookaside", base)).exit).toBe(0);
  signature = readFileSync(join(base, folder, "signature-1"));
  other = readFileSync(join(base, folder, "signature-2"));
});

afterAll(() => Promise.all([registry, extension, ...served].map((each) => each?.close())));

let made = 0;
function newFolder(): string {
  made += 1;
  const path = machine.absent(`lookaside-${made}`);
  mkdirSync(path);
  return path;
}

async function sign({ host }: StartedRegistry, tag: string, ...args: readonly string[]) {
  const image = `${host}/team/app:${tag}`;
  const run = await machine.run(["sign", "--key", secret, "--format", "openpgp", "--output", "json", ...args, image]);
  return { ...run, report: signReportOf(run) };
}

async function verify({ host }: StartedRegistry, ...args: readonly string[]) {
  const run = await machine.run(["verify", "--gpg-key", block, "--output", "json", ...args, `${host}/team/app:1`]);
  const report = verifyReportOf(run);
  const { verdict, signatures } = onlyImage(report);
  return { exit: run.exit, verdict, report, signatures, errors: errorCodes(report) };
}

/** A folder with these files of the image. */
function lookasideWith(files: Readonly<Record<string, Uint8Array | string>>): string {
  const base = newFolder();
  mkdirSync(join(base, folder), { recursive: true });
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(base, folder, name), bytes);
  return base;
}

/** A server that answers with these files, and with `elsewhere` for all others. */
async function serverWith(
  answers: Readonly<Record<string, Uint8Array | ServedResponse>>,
  elsewhere: ServedResponse = { status: 404, headers: {} },
) {
  const requests: string[] = [];
  const handler: Handler = async ({ method, url, headers }) => {
    requests.push(`${method} ${url.pathname} ${headers["authorization"] ?? ""}`.trim());
    const name = decodeURIComponent(url.pathname).replace(`/sigs/${folder}/`, "");
    const answer = answers[name] ?? elsewhere;
    return answer instanceof Uint8Array ? { status: 200, headers: {}, body: answer } : answer;
  };
  const server = await serve(handler);
  served.push(server);
  return { address: `${server.origin}/sigs`, requests };
}

const page: ServedResponse = { status: 200, headers: { "content-type": "text/html" }, body: "<html>Welcome</html>" };
const denied: ServedResponse = { status: 403, headers: {} };
const failing: ServedResponse = { status: 500, headers: {} };

describe("a lookaside", () => {
  it("keeps both signatures of two tags of one image, and adds neither again", async () => {
    const base = newFolder();
    for (const tag of ["1", "2", "1"]) await sign(registry, tag, "--lookaside", base);
    expect(readdirSync(join(base, folder)).sort()).toEqual(["signature-1", "signature-2"]);
    const again = await sign(registry, "2", "--lookaside", base);
    expect(onlyImage(again.report)).toMatchObject({
      status: "unchanged",
      signatures: [{ place: { kind: "lookaside" } }],
    });
  });

  it("is read over HTTP without credentials, one file beyond the last", async () => {
    const { address, requests } = await serverWith({ "signature-1": signature });
    expect(await verify(registry, "--lookaside", address)).toMatchObject({ verdict: "trusted", errors: [] });
    expect(requests).toEqual([1, 2, 3].map((n) => `GET /sigs/${folder}/signature-${n}`));
  });

  it("is not looked at by who trusts no OpenPGP key, and nor is the extension", async () => {
    const { address, requests } = await serverWith({});
    extension.clear();
    await machine.run([
      "verify",
      "--key",
      machine.file("k.pub", pem),
      "--lookaside",
      address,
      `${extension.host}/team/app:1`,
    ]);
    expect(requests).toEqual([]);
    expect(extension.count("GET", /^\/v2\/$|^\/extensions/)).toBe(0);
  });

  it.each(["", "file:/srv/sigs", "file:///srv%2Fsigs", "file:///srv/%zz", "https:/sigs.test", "s3://bucket"])(
    "is no %j",
    async (place) => {
      for (const verb of ["sign", "verify"]) {
        const key = verb === "sign" ? ["--key", secret, "--format", "openpgp"] : ["--gpg-key", block];
        const run = await machine.run([verb, ...key, "--lookaside", place, `${registry.host}/team/app:1`]);
        expect([run.exit, run.stderr]).toEqual([2, expect.stringContaining("E_USAGE")]);
      }
    },
  );

  it("has to be named before anything is signed, where the registry keeps no signatures", async () => {
    const { exit, report } = await sign(registry, "1");
    expect([exit, errorCodes(report)]).toEqual([1, ["E_LOOKASIDE_MISSING"]]);
    expect(await verify(registry)).toMatchObject({ verdict: "undetermined", errors: ["E_LOOKASIDE_MISSING"] });
  });
});

const pem = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
`;

describe("a lookaside folder that is not there", () => {
  const absent = () => machine.absent("mistyped/folder");
  const image = () => `${registry.host}/team/app:1`;

  it("is no empty one for who verifies or lists: it could not be looked at", async () => {
    for (const place of [absent(), machine.file("no-folder", "")]) {
      const { exit, verdict, report } = await verify(registry, "--lookaside", place);
      expect([exit, verdict]).toEqual([3, "undetermined"]);
      expect(onlyImage(report).errors).toMatchObject([
        { code: "E_LOOKASIDE_ABSENT", place: `lookaside ${place}`, message: expect.stringContaining(place) },
      ]);
      const listed = await machine.run(["list", "--lookaside", place, "--output", "json", image()]);
      expect([listed.exit, errorCodes(listReportOf(listed))]).toEqual([3, ["E_LOOKASIDE_ABSENT"]]);
    }
    expect(await verify(registry, "--lookaside", newFolder())).toMatchObject({ exit: 1, verdict: "unsigned" });
  });

  it("is made by who signs into it, but not taken for what is published", async () => {
    const place = machine.absent("new/folder");
    expect((await sign(registry, "1", "--lookaside", place)).exit).toBe(0);
    expect(await verify(registry, "--lookaside", place)).toMatchObject({ exit: 0, verdict: "trusted" });
    const staging = machine.absent("new/staging");
    const staged = await sign(registry, "1", "--lookaside", absent(), "--lookaside-staging", staging);
    expect([staged.exit, errorCodes(staged.report)]).toEqual([3, ["E_LOOKASIDE_ABSENT"]]);
    expect((await sign(registry, "1", "--lookaside", place, "--lookaside-staging", staging)).exit).toBe(0);
  });

  it("stops a promotion at its source, and is made at its destination", async () => {
    const promote = (...args: readonly string[]) =>
      machine.run(["promote", "--gpg-key", block, "--output", "json", ...args, image(), `${registry.host}/prod/app:1`]);
    const stopped = await promote("--lookaside", absent(), "--destination-lookaside", newFolder());
    expect([stopped.exit, stopped.stdout]).toEqual([3, expect.stringContaining("E_LOOKASIDE_ABSENT")]);
    const place = machine.absent("promoted/folder");
    const source = lookasideWith({ "signature-1": signature });
    const done = await promote("--lookaside", source, "--destination-lookaside", place);
    expect([done.exit, readdirSync(join(place, folder.replace("team", "prod")))]).toEqual([0, ["signature-1"]]);
  });
});

describe("42, 43: what stands in the place of a signature", () => {
  const folders: readonly {
    name: string;
    files: () => Record<string, Uint8Array | string>;
    errors: string[];
    reason?: string;
    verdict: string;
  }[] = [
    {
      name: "42 nothing, and a signature behind it",
      files: () => ({ "signature-2": signature }),
      errors: ["E_LOOKASIDE_GAP"],
      verdict: "undetermined",
    },
    {
      name: "42 nothing, and a signature far behind",
      files: () => ({ "signature-9": signature }),
      errors: ["E_LOOKASIDE_GAP"],
      verdict: "undetermined",
    },
    {
      name: "43 an empty file",
      files: () => ({ "signature-1": "" }),
      errors: [],
      reason: "E_SIGNATURE_MALFORMED",
      verdict: "untrusted",
    },
    {
      name: "43 a page",
      files: () => ({ "signature-1": "<html>" }),
      errors: [],
      reason: "E_SIGNATURE_MALFORMED",
      verdict: "untrusted",
    },
    {
      name: "armor, which containers/image does not read here",
      files: () => ({ "signature-1": "-----BEGIN PGP MESSAGE-----" }),
      errors: [],
      reason: "E_SIGNATURE_MALFORMED",
      verdict: "untrusted",
    },
    {
      name: "a format that is not known",
      files: () => ({ "signature-1": "\0future-signing\n{}" }),
      errors: [],
      reason: "E_SIGNATURE_MALFORMED",
      verdict: "untrusted",
    },
    { name: "nothing at all", files: () => ({}), errors: [], verdict: "unsigned" },
    {
      name: "cosign's signature alone",
      files: () => ({ "signature-1": "\0sigstore-json\n{}" }),
      errors: [],
      verdict: "unsigned",
    },
    {
      name: "a signature that is being written",
      files: () => ({ ".signature-1.ab.tmp": signature }),
      errors: [],
      verdict: "unsigned",
    },
    {
      name: "the signature with its format named",
      files: () => ({ "signature-1": Buffer.concat([Buffer.from("\0simple-signing\n"), signature]) }),
      errors: [],
      verdict: "trusted",
    },
    {
      name: "an empty file before the signature",
      files: () => ({ "signature-1": "", "signature-2": signature }),
      errors: [],
      verdict: "trusted",
    },
  ];
  it.each(folders)("in a folder: $name", async ({ files, errors, reason, verdict }) => {
    const found = await verify(registry, "--lookaside", lookasideWith(files()));
    expect(found).toMatchObject({ verdict, errors });
    if (reason !== undefined)
      expect(found.signatures.flatMap(({ reasons }) => reasons.map(({ code }) => code))).toEqual([reason]);
  });

  const servers: readonly { name: string; answer: ServedResponse; code: string }[] = [
    { name: "43 a refusal", answer: denied, code: "E_LOOKASIDE_DENIED" },
    { name: "43 a fault", answer: failing, code: "E_LOOKASIDE_FAILING" },
    { name: "43 a web page", answer: page, code: "E_LOOKASIDE_ANSWER" },
    { name: "43 no content", answer: { status: 204, headers: {} }, code: "E_LOOKASIDE_ANSWER" },
    { name: "a redirect to nowhere", answer: { status: 302, headers: {} }, code: "E_REGISTRY_REDIRECT" },
  ];
  it.each(servers)("on a server: $name, first or behind a signature", async ({ answer, code }) => {
    const first = await serverWith({ "signature-1": answer });
    expect(await verify(registry, "--lookaside", first.address)).toMatchObject({
      exit: 3,
      verdict: "undetermined",
      errors: [code],
    });
    const second = await serverWith({ "signature-1": signature, "signature-2": answer });
    expect(await verify(registry, "--lookaside", second.address)).toMatchObject({
      exit: 0,
      verdict: "trusted",
      errors: [code],
    });
    const signed = await sign(registry, "1", "--lookaside", first.address);
    expect([signed.exit, errorCodes(signed.report)]).toEqual([3, [code]]);
  });

  it("42 on a server: a missing one before another", async () => {
    const { address } = await serverWith({ "signature-2": signature });
    expect(await verify(registry, "--lookaside", address)).toMatchObject({ exit: 3, errors: ["E_LOOKASIDE_GAP"] });
  });

  it("42: nothing is added to a folder with a gap", async () => {
    const base = lookasideWith({ "signature-2": other });
    const { exit, report } = await sign(registry, "1", "--lookaside", base);
    expect([exit, errorCodes(report)]).toEqual([3, ["E_LOOKASIDE_GAP"]]);
    expect(readdirSync(join(base, folder))).toEqual(["signature-2"]);
  });
});

it("44: a server that never ends is left after 128 signatures, whatever they are", async () => {
  const { address, requests } = await serverWith({}, { status: 200, headers: {}, body: other });
  expect(await verify(registry, "--lookaside", address)).toMatchObject({ errors: ["E_LIMIT"] });
  expect(requests.length).toBe(129);
});

describe("45: a registry that keeps signatures itself", () => {
  it("is written and read, and a lookaside that is named is neither; the report says so", async () => {
    const base = newFolder();
    const signed = await sign(extension, "1", "--lookaside", base);
    expect(onlyImage(signed.report)).toMatchObject({
      status: "signed",
      signatures: [{ place: { kind: "extension" } }],
    });
    expect(signed.report.warnings.join()).toContain("the lookaside is neither read nor written");
    expect(readdirSync(base)).toEqual([]);
    const read = await verify(extension, "--lookaside", lookasideWith({ "signature-1": "" }));
    expect(read).toMatchObject({ verdict: "trusted", errors: [] });
    expect(read.signatures).toHaveLength(1);
  });

  it("is asked once in a run whether it does", async () => {
    extension.clear();
    await sign(extension, "1");
    expect(extension.count("GET", /^\/v2\/$/)).toBe(1);
  });
});

it("46: entries of another version or type are left alone, and listed; one that is not base64 is malformed", async () => {
  const signatures = extension.storage.getOrCreate("team/app").signatures;
  const [digest] = extension.storage.getOrCreate("team/app").tags.values();
  if (digest === undefined) throw new Error("no image");
  const before = signatures.get(digest) ?? [];
  const content = Buffer.from(signature).toString("base64");
  signatures.set(digest, [
    { schemaVersion: 1, name: "old", type: "atomic", content },
    { schemaVersion: 2, name: "other", type: "AtomicImageV1", content },
    { schemaVersion: 2, name: "broken", type: "atomic", content: "%%%" },
  ]);
  const { verdict, signatures: found } = await verify(extension);
  expect(verdict).toBe("untrusted");
  expect(found.map(({ place, reasons }) => [place.name, reasons[0]?.code])).toEqual([
    ["broken", "E_SIGNATURE_MALFORMED"],
  ]);
  const listed = await machine.run(["list", "--output", "json", `${extension.host}/team/app:1`]);
  const attachments = onlyImage(listReportOf(listed)).attachments.map(({ place, format }) => [place.name, format]);
  expect(attachments).toEqual([
    ["old", null],
    ["other", null],
    ["broken", "openpgp"],
  ]);
  signatures.set(digest, before);
});

it("47: the same signature is put once", async () => {
  extension.clear();
  expect(onlyImage((await sign(extension, "1")).report).status).toBe("unchanged");
  expect(extension.count("PUT", /^\/extensions/)).toBe(0);
});

describe("publishing what is staged", () => {
  it("adds what is not there under the next number, whatever number it has in the staging, and loses nobody's", async () => {
    const [staged, target] = [lookasideWith({ "signature-1": signature, "signature-2": other }), newFolder()];
    mkdirSync(join(target, folder), { recursive: true });
    writeFileSync(join(target, folder, "signature-1"), other);
    writeFileSync(join(staged, "README"), "");
    writeFileSync(join(staged, folder, "signature-3"), "");
    const publish = () => machine.run(["lookaside", "publish", staged, target, "--output", "json"]);
    const { exit, stdout } = await publish();
    expect([exit, lookasideReport.parse(JSON.parse(stdout))]).toMatchObject([
      0,
      {
        files: [
          { from: `${folder}/signature-1`, to: `${target}/${folder}/signature-2`, status: "added" },
          { from: `${folder}/signature-2`, to: `${target}/${folder}/signature-1`, status: "present" },
        ],
        warnings: expect.arrayContaining([
          "README is no signature: left alone",
          `${folder}/signature-3 is no signature, it is empty: left alone`,
        ]),
      },
    ]);
    const published = ["signature-1", "signature-2"].map((name) => readFileSync(join(target, folder, name)));
    expect(published).toEqual([other, signature]);
    expect((await publish()).stdout).not.toContain('"added"');
    expect(await verify(registry, "--lookaside", target)).toMatchObject({ verdict: "trusted" });
  });

  it("refuses a folder that is not there, and a target that cannot be one", async () => {
    for (const args of [
      [machine.absent("none"), newFolder()],
      [newFolder(), "s3://bucket"],
    ]) {
      const { exit } = await machine.run(["lookaside", "publish", ...args]);
      expect(exit).toBe(2);
    }
  });
});

describe("48: registries.d", () => {
  const config = (files: Readonly<Record<string, string>>): string => {
    const path = newFolder();
    for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
    return path;
  };

  it("names the lookaside of a repository, to write and to read", async () => {
    const [staging, base] = [newFolder(), lookasideWith({ "signature-1": other })];
    const path = config({
      "a.yaml": `docker:\n  ${registry.host}/team:\n    lookaside: file://${base}\n    lookaside-staging: file://${staging}\n`,
    });
    expect((await sign(registry, "1", "--registries-d", path)).exit).toBe(0);
    // Published ones stand first, so that the staged folder can be published as it is.
    expect(readFileSync(join(staging, folder, "signature-1"))).toEqual(other);
    expect(readdirSync(join(staging, folder)).sort()).toEqual(["signature-1", "signature-2"]);
    expect(readdirSync(join(base, folder))).toEqual(["signature-1"]);
    expect(await verify(registry, "--lookaside", staging)).toMatchObject({ verdict: "trusted" });
    // What is staged nobody else sees.
    expect((await verify(registry, "--registries-d", path)).signatures).toHaveLength(1);
  });

  it("is written on request for those who are to find the signatures, and found by it", async () => {
    const [base, file] = [newFolder(), join(newFolder(), "app.yaml")];
    await sign(registry, "1", "--lookaside", base, "--write-registries-d", file);
    expect(readFileSync(file, "utf8")).toBe(
      `docker:\n  "${registry.host}/team/app":\n    lookaside: "file://${base}"\n`,
    );
    expect(await verify(registry, "--registries-d", join(file, ".."))).toMatchObject({ verdict: "trusted" });
  });

  it("may be written where it says already what is to be said, and nothing else", async () => {
    const [base, file] = [newFolder(), join(newFolder(), "app.yaml")];
    const twice = ["--lookaside", base, "--write-registries-d", file];
    for (const tag of ["1", "1", "2"]) expect((await sign(registry, tag, ...twice)).exit).toBe(0);
    expect(readdirSync(join(base, folder))).toHaveLength(2);
    const written = readFileSync(file, "utf8");
    for (const text of [
      "",
      `${written}  "r.test":\n    lookaside: "file://${base}"\n`,
      written.replace(base, "/else"),
    ]) {
      const [other, empty] = [machine.file("other.yaml", text), newFolder()];
      const args = ["--lookaside", empty, "--write-registries-d", other, `${registry.host}/team/app:2`];
      const run = await machine.run(["sign", "--key", secret, "--format", "openpgp", ...args]);
      expect([run.exit, run.stderr]).toEqual([2, expect.stringContaining("E_FILE_EXISTS")]);
      expect([readFileSync(other, "utf8"), readdirSync(empty)]).toEqual([text, []]);
    }
  });

  it("keeps what it says of a repository whose image failed this time, and gets what it did not say", async () => {
    const [base, file] = [newFolder(), join(newFolder(), "app.yaml")];
    const images = (...names: string[]) => names.map((name) => `${registry.host}/${name}`);
    await pushImage(storageSink(registry.storage, "team/second"), { tag: "1", seed: "second" });
    const run = (...names: string[]) => {
      const place = ["--lookaside", base, "--write-registries-d", file];
      return machine.run(["sign", "--key", secret, "--format", "openpgp", ...place, ...images(...names)]);
    };
    const scopes = () => readFileSync(file, "utf8").match(/(?<=\/team\/)[a-z]+(?=":)/g);
    expect((await run("team/second:none", "team/app:1")).exit).toBe(1);
    expect(scopes()).toEqual(["app"]);
    expect((await run("team/second:1", "team/app:1")).exit).toBe(0);
    expect(scopes()).toEqual(["app", "second"]);
    expect((await run("team/second:1", "team/app:none")).exit).toBe(1);
    expect(scopes()).toEqual(["app", "second"]);
  });

  it("refuses a scope in two files before any request", async () => {
    const section = `docker:\n  ${registry.host}:\n    lookaside: file:///srv/sigs\n`;
    registry.clear();
    const path = config({ "a.yaml": section, "b.yaml": section });
    const run = await machine.run([
      "verify",
      "--gpg-key",
      block,
      "--registries-d",
      path,
      `${registry.host}/team/app:1`,
    ]);
    expect([run.exit, run.stderr]).toEqual([2, expect.stringContaining("E_CONFIG_INVALID")]);
    expect(run.stderr).toContain("b.yaml");
    expect(registry.requests).toEqual([]);
  });

  it("warns of a key that nobody reads, and names what may be meant", async () => {
    const path = config({ "a.yaml": `docker:\n  ${registry.host}:\n    lookasid: file:///srv/sigs\n` });
    const { report, errors } = await verify(registry, "--registries-d", path);
    expect(errors).toEqual(["E_LOOKASIDE_MISSING"]);
    expect(report.warnings.join()).toMatch(/nobody reads the key "lookasid"; it may be meant to be lookaside/);
  });
});
