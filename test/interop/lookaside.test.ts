import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { runProgram } from "../../src/cli/program.ts";
import { createNodeHost } from "../../src/platform/node-host.ts";
import { serve } from "../../src/platform/serve.ts";
import { onlyImage, signReportOf, verifyReportOf } from "../cli/support/reports.ts";
import { pushImage, storageSink } from "../support/images.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { type Gpg, openGpg } from "./support/gpg.ts";
import { describeWithPeer, requirePeer } from "./support/peers.ts";
import { run } from "./support/run.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

/** Both ways with containers/image, as Debian's skopeo 1.9.3 has it: policy.json rejects everything that the key has not signed. */
describeWithPeer(["gpg", "skopeo"], "places of simple signatures, shared with skopeo", () => {
  let gpg: Gpg;
  let fingerprint: string;
  let secret: string;
  let block: string;
  let plain: StartedRegistry;
  let extension: StartedRegistry;
  let count = 0;

  beforeAll(async () => {
    gpg = openGpg();
    fingerprint = await gpg.generate("Release", "rsa2048");
    secret = gpg.file("secret.asc", await gpg.exportSecret(fingerprint));
    block = gpg.file("public.asc", await gpg.exportPublic(fingerprint));
    plain = await startRegistry();
    extension = await startRegistry({ signatureExtension: true });
  });
  afterAll(() => Promise.all([gpg?.close(), plain?.close(), extension?.close()]));

  /** An image of its own, tagged 1 and 2; `base` is an empty folder, and registries.d names it for the registry. */
  async function prepare({ host, storage }: StartedRegistry, configured?: (base: string) => string) {
    count += 1;
    const repository = `team/app-${count}`;
    const { digest } = await pushImage(storageSink(storage, repository), { tag: "1", seed: `${count}` });
    storage.getOrCreate(repository).tags.set("2", digest);
    const root = path.join(gpg.home, `case-${count}`);
    const [base, registriesD] = [path.join(root, "sigs"), path.join(root, "registries.d")];
    for (const folder of [base, registriesD]) mkdirSync(folder, { recursive: true });
    writeFileSync(
      path.join(registriesD, "a.yaml"),
      configured?.(base) ?? `docker:\n  ${host}:\n    lookaside: file://${base}\n`,
    );
    const policy = path.join(root, "policy.json");
    const signedBy = [{ type: "signedBy", keyType: "GPGKeys", keyPath: block }];
    const document = { default: [{ type: "reject" }], transports: { docker: { [`${host}/${repository}`]: signedBy } } };
    writeFileSync(policy, JSON.stringify(document));
    const folder = path.join(base, `${repository}@${digest.replace(":", "=")}`);
    return { image: `${host}/${repository}`, base, folder, registriesD, policy, root };
  }
  type Prepared = Awaited<ReturnType<typeof prepare>>;

  function skopeo(args: readonly string[]) {
    const env = { GNUPGHOME: gpg.home, PATH: "/usr/bin:/bin", HOME: gpg.home };
    return run(requirePeer("skopeo"), args, { env });
  }

  /** What `skopeo copy` says when it pulls under the policy; nothing: it accepts. */
  async function pull({ image, registriesD, policy, root }: Prepared, tag: string): Promise<string> {
    count += 1;
    const out = path.join(root, `out-${count}`);
    const options = ["--policy", policy, "--registries.d", registriesD];
    const ended = await skopeo([
      ...options,
      "copy",
      "--src-tls-verify=false",
      `docker://${image}:${tag}`,
      `dir:${out}`,
    ]);
    return ended.exitCode === 0 ? "" : ended.stderr;
  }

  /** Pushes the image onto itself under another tag, signed by skopeo. */
  async function pushSigned({ image, registriesD }: Prepared, tag: string): Promise<void> {
    const tls = ["--src-tls-verify=false", "--dest-tls-verify=false"];
    const options = ["--insecure-policy", "--registries.d", registriesD, "copy", ...tls, "--sign-by", fingerprint];
    const ended = await skopeo([...options, `docker://${image}:1`, `docker://${image}:${tag}`]);
    if (ended.exitCode !== 0) throw new Error(ended.stderr);
  }

  /** Today, as gpg has it. PATH is empty: no program is started. */
  async function countersign(...args: readonly string[]) {
    const printed: string[] = [];
    const terminal = { out: (text: string) => void printed.push(text), err: () => undefined, interactive: false };
    const host = { ...createNodeHost(), env: {}, homeDirectory: gpg.home };
    const exit = await runProgram([...args, "--output", "json"], terminal, host);
    return { exit, stdout: printed.join(""), stderr: "", slept: 0 };
  }

  async function sign(...args: readonly string[]) {
    return onlyImage(signReportOf(await countersign("sign", "--key", secret, "--format", "openpgp", ...args)));
  }

  async function verify(...args: readonly string[]) {
    return onlyImage(verifyReportOf(await countersign("verify", "--gpg-key", block, ...args)));
  }

  it("signs into a lookaside folder what skopeo accepts, by each tag; without a signature it rejects", async () => {
    const prepared = await prepare(plain);
    expect(await pull(prepared, "1")).toContain("no signature exists");
    for (const tag of ["1", "2"]) await sign("--registries-d", prepared.registriesD, `${prepared.image}:${tag}`);
    expect(readdirSync(prepared.folder).sort()).toEqual(["signature-1", "signature-2"]);
    expect([await pull(prepared, "1"), await pull(prepared, "2")]).toEqual(["", ""]);
  });

  it("counts a good signature beside a broken file, for which skopeo refuses the image", async () => {
    const prepared = await prepare(plain);
    await sign("--registries-d", prepared.registriesD, `${prepared.image}:1`);
    expect(await pull(prepared, "1")).toBe("");
    writeFileSync(path.join(prepared.folder, "signature-2"), "<html>");
    expect(await pull(prepared, "1")).not.toBe("");
    const { verdict, signatures } = await verify("--registries-d", prepared.registriesD, `${prepared.image}:1`);
    expect([verdict, signatures.map(({ trusted }) => trusted)]).toEqual(["trusted", [true, false]]);
  });

  it("signs into a registry that keeps signatures itself what skopeo accepts, and finds there what skopeo has put", async () => {
    const prepared = await prepare(extension);
    expect(await pull(prepared, "1")).toContain("no signature exists");
    expect(await sign(`${prepared.image}:1`)).toMatchObject({ signatures: [{ place: { kind: "extension" } }] });
    expect(await pull(prepared, "1")).toBe("");
    await pushSigned(prepared, "2");
    expect(await pull(prepared, "2")).toBe("");
    const { verdict, signatures } = await verify(`${prepared.image}:2`);
    expect([verdict, signatures.map(({ trusted }) => trusted)]).toEqual(["trusted", [true, true]]);
    expect(readdirSync(prepared.base)).toEqual([]);
  });

  it("verifies what skopeo has signed, from the folder and over HTTP, and adds to it", async () => {
    const prepared = await prepare(plain);
    await pushSigned(prepared, "2");
    const server = await serve(async ({ url }) => {
      const file = path.join(prepared.base, url.pathname);
      try {
        return { status: 200, headers: {}, body: readFileSync(file) };
      } catch {
        return { status: 404, headers: {} };
      }
    });
    try {
      for (const place of [
        ["--registries-d", prepared.registriesD],
        ["--lookaside", prepared.base],
        ["--lookaside", server.origin],
      ]) {
        const { verdict, signatures } = await verify(...place, `${prepared.image}:2`);
        expect([verdict, signatures.map(({ signer }) => signer?.fingerprint)]).toEqual([
          "trusted",
          [`openpgp4fpr:${fingerprint}`],
        ]);
      }
    } finally {
      await server.close();
    }
    await sign("--registries-d", prepared.registriesD, `${prepared.image}:1`);
    expect([await pull(prepared, "1"), await pull(prepared, "2")]).toEqual(["", ""]);
  });

  it("writes where skopeo does, by the same scope, and reads where it reads", async () => {
    const host = plain.host;
    const sections: readonly ((base: string) => string)[] = [
      (base) => `default-docker:
  lookaside: file://${base}
`,
      (base) => `default-docker:
  lookaside: file:///nowhere
docker:
  ${host}/team:
    sigstore: file://${base}
`,
      (base) => `docker:
  ${host}:
    lookaside-staging: file://${base}
    lookaside: file://${base}
`,
      // A section that leaves the key out hides nothing of the next.
      (base) => `docker:
  ${host}/team:
    use-sigstore-attachments: true
  ${host}:
    lookaside: file://${base}
`,
      (base) => `docker:
  "*.0.0.1":
    lookaside: file://${base}
  ${host.split(":")[0]}:
    lookaside: file:///nowhere
`,
    ];
    for (const section of sections) {
      const [ours, theirs] = [await prepare(plain, section), await prepare(plain, section)];
      await sign("--registries-d", ours.registriesD, `${ours.image}:1`);
      expect([section(""), readdirSync(ours.folder), await pull(ours, "1")]).toEqual([
        section(""),
        ["signature-1"],
        "",
      ]);
      await pushSigned(theirs, "2");
      expect(readdirSync(theirs.folder)).toEqual(["signature-1"]);
      expect((await verify("--registries-d", theirs.registriesD, `${theirs.image}:2`)).verdict).toBe("trusted");
    }
  });

  it("sees what is staged as little as skopeo does, and a folder that is not there accepts neither", async () => {
    const staging = (base: string) => `docker:
  ${plain.host}:
    lookaside: file://${base}
    lookaside-staging: file://${base}-staged
`;
    const prepared = await prepare(plain, staging);
    await sign("--registries-d", prepared.registriesD, `${prepared.image}:1`);
    expect(readdirSync(prepared.base)).toEqual([]);
    expect(await pull(prepared, "1")).toContain("no signature exists");
    expect((await verify("--registries-d", prepared.registriesD, `${prepared.image}:1`)).verdict).toBe("unsigned");
    rmSync(prepared.base, { recursive: true });
    expect(await pull(prepared, "1")).toContain("no signature exists");
    expect(await verify("--registries-d", prepared.registriesD, `${prepared.image}:1`)).toMatchObject({
      verdict: "undetermined",
      errors: [{ code: "E_LOOKASIDE_ABSENT" }],
    });
  });

  const damages: readonly {
    name: string;
    damage: (folder: string, good: Uint8Array) => void;
    verdict: string;
    skopeo: string;
  }[] = [
    {
      name: "42 a gap",
      damage(folder, good) {
        writeFileSync(path.join(folder, "signature-1"), good);
        writeFileSync(path.join(folder, "signature-3"), good);
      },
      verdict: "trusted",
      skopeo: "",
    },
    {
      name: "43 an empty file behind",
      damage: (folder) => writeFileSync(path.join(folder, "signature-2"), ""),
      verdict: "trusted",
      skopeo: "empty signature",
    },
    {
      name: "43 an empty file alone",
      damage: (folder) => writeFileSync(path.join(folder, "signature-1"), ""),
      verdict: "untrusted",
      skopeo: "empty signature",
    },
    {
      name: "43 a page alone",
      damage: (folder) => writeFileSync(path.join(folder, "signature-1"), "<html>"),
      verdict: "untrusted",
      skopeo: "unrecognized signature format",
    },
  ];
  it.each(damages)("$name: $verdict here; skopeo says: $skopeo", async ({ damage, verdict, skopeo: said }) => {
    const prepared = await prepare(plain);
    await sign("--registries-d", prepared.registriesD, `${prepared.image}:1`);
    damage(prepared.folder, readFileSync(path.join(prepared.folder, "signature-1")));
    expect((await verify("--registries-d", prepared.registriesD, `${prepared.image}:1`)).verdict).toBe(verdict);
    const answer = await pull(prepared, "1");
    if (said === "") expect(answer).toBe("");
    else expect(answer).toContain(said);
  });
});

describeWithPeer(["gpg", "podman"], "what podman pushes and signs", () => {
  let gpg: Gpg;
  let registries: StartedRegistry[];
  beforeAll(async () => {
    gpg = openGpg();
    registries = await Promise.all([startRegistry(), startRegistry({ signatureExtension: true })]);
  });
  afterAll(() => Promise.all([gpg?.close(), ...(registries ?? []).map((each) => each.close())]));

  it("verifies here, from its lookaside and from a registry that keeps signatures itself", async () => {
    const fingerprint = await gpg.generate("Release", "rsa2048");
    const block = gpg.file("public.asc", await gpg.exportPublic(fingerprint));
    const configuration = path.join(gpg.home, ".config/containers/registries.d");
    mkdirSync(configuration, { recursive: true });
    writeFileSync(path.join(configuration, "a.yaml"), `default-docker:\n  lookaside: file://${gpg.home}/sigs\n`);
    const env = { GNUPGHOME: gpg.home, HOME: gpg.home, PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };
    const folders = ["--root", `${gpg.home}/root`, "--runroot", `${gpg.home}/run`, "--storage-driver", "vfs"];
    const podman = async (...args: readonly string[]) => {
      const ended = await run(requirePeer("podman"), [...folders, ...args], { env });
      if (ended.exitCode !== 0) throw new Error(ended.stderr);
    };
    await podman("import", gpg.file("empty.tar", new Uint8Array(10_240)), "localhost/app:1");
    for (const { host } of registries) {
      const image = `${host}/team/app:1`;
      await podman("push", "--tls-verify=false", "--sign-by", fingerprint, "localhost/app:1", `docker://${image}`);
      const printed: string[] = [];
      const terminal = { out: (text: string) => void printed.push(text), err: () => undefined, interactive: false };
      const world = { ...createNodeHost(), env: {}, homeDirectory: gpg.home };
      const args = ["verify", "--gpg-key", block, "--registries-d", "default", "--output", "json", image];
      const exit = await runProgram(args, terminal, world);
      const { verdict, signatures } = onlyImage(
        verifyReportOf({ exit, stdout: printed.join(""), stderr: "", slept: 0 }),
      );
      expect([verdict, signatures.map(({ signer }) => signer?.fingerprint)]).toEqual([
        "trusted",
        [`openpgp4fpr:${fingerprint}`],
      ]);
    }
    expect(readdirSync(path.join(gpg.home, "sigs/team"))).toHaveLength(1);
  });
});
