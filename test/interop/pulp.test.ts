import { chmodSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { z } from "zod";
import { createNodeHost } from "../../src/platform/node-host.ts";
import { listReportOf, onlyImage, signReportOf, verifyReportOf } from "../cli/support/reports.ts";
import { countersignProgram } from "../support/countersign.ts";
import { runCaptured } from "../support/run-captured.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { type Gpg, openGpg } from "./support/gpg.ts";
import { type PushedImage, pushImage, pushIndex } from "./support/image.ts";
import { describeWithPeer, requirePeer } from "./support/peers.ts";
import { type Pulp, startPulp } from "./support/pulp.ts";
import { type Completed, run } from "./support/run.ts";

// Four programs start, and each answer takes them a while, beside whatever else this machine does.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 });

const found = z.object({
  results: z.array(z.object({ pulp_href: z.string(), name: z.string(), key_id: z.string().optional() })),
});

interface Key {
  readonly fingerprint: string;
  readonly secret: string;
  readonly block: string;
}

describeWithPeer(["postgres", "pulpcore-manager", "skopeo", "gpg"], "a live Pulp", () => {
  let pulp: Pulp;
  let gpg: Gpg;
  let staging: StartedRegistry;
  let release: Key;
  let audit: Key;

  beforeAll(async () => {
    gpg = openGpg();
    staging = await startRegistry();
    // One key after the other: gpg's home has one lock.
    release = await makeKey("release");
    audit = await makeKey("audit");
    pulp = await startPulp();
  });
  afterAll(() => Promise.all([pulp?.stop(), gpg?.close(), staging?.close()]));

  async function makeKey(name: string): Promise<Key> {
    const fingerprint = await gpg.generate(`${name}@example.com`, "rsa2048");
    return {
      fingerprint,
      secret: gpg.file(`${name}.asc`, await gpg.exportSecret(fingerprint)),
      block: gpg.file(`${name}.pub`, await gpg.exportPublic(fingerprint)),
    };
  }

  /** The command line, in this process, with Pulp's credentials and the clock that Pulp and gpg have too. */
  async function countersign(...args: readonly string[]) {
    const host = {
      ...createNodeHost(),
      env: { PATH: "/usr/bin:/bin", DOCKER_CONFIG: pulp.dockerConfig },
      homeDirectory: gpg.home,
    };
    return { ...(await runCaptured(args, host)), slept: 0 };
  }

  const sign = async (key: Key, image: string) =>
    onlyImage(
      signReportOf(await countersign("sign", "--output", "json", "--format", "openpgp", "--key", key.secret, image)),
    );
  const verify = async (key: Key, image: string) => {
    const { verdict, errors } = onlyImage(
      verifyReportOf(await countersign("verify", "--output", "json", "--gpg-key", key.block, image)),
    );
    return [verdict, ...errors.map(({ code, message }) => `${code}: ${message}`)].join("\n");
  };

  function skopeo(...args: readonly string[]): Promise<Completed> {
    const env = { PATH: "/usr/bin:/bin", HOME: gpg.home, GNUPGHOME: gpg.home };
    return run(requirePeer("skopeo"), args, { env });
  }

  /** Puts an image into Pulp under its tag, which makes the repository; what else is to be said to skopeo comes before. */
  async function push(image: PushedImage, name: string, ...flags: readonly string[]): Promise<string> {
    const there = `${pulp.host}/${name}`;
    const done = await skopeo(
      ...["--insecure-policy", "copy", "--all", "--preserve-digests", ...flags],
      ...["--src-tls-verify=false", "--dest-tls-verify=false", "--dest-creds", `${pulp.user}:${pulp.password}`],
      ...[`docker://${image.reference}`, `docker://${there}`],
    );
    if (done.exitCode !== 0) throw new Error(`${done.stderr}${pulp.log()}`);
    return there;
  }

  /** skopeo copies it, under a policy that rejects what this key has not signed: "" or why not. */
  async function skopeoTakes(key: Key, image: string, ...flags: readonly string[]): Promise<string> {
    const policy = gpg.file(
      "policy.json",
      JSON.stringify({
        default: [{ type: "reject" }],
        transports: { docker: { [pulp.host]: [{ type: "signedBy", keyType: "GPGKeys", keyPath: key.block }] } },
      }),
    );
    const target = `dir:${path.join(gpg.home, "out")}`;
    const creds = ["--src-tls-verify=false", "--src-creds", `${pulp.user}:${pulp.password}`];
    const done = await skopeo("--policy", policy, "copy", ...flags, ...creds, `docker://${image}`, target);
    return done.exitCode === 0 ? "" : done.stderr;
  }

  it("keeps what several keys sign, each once, and skopeo takes it under a policy that rejects the rest", async () => {
    const image = await push(await pushImage(staging.host, "team/several", "several", "1"), "team/several:1");
    expect(await verify(release, image)).toBe("unsigned");
    expect(await skopeoTakes(release, image)).toContain("A signature was required, but no signature exists");
    for (const key of [release, audit]) {
      const { status, signatures, errors } = await sign(key, image);
      expect([status, signatures.map(({ added, place }) => [added, place.kind])], JSON.stringify(errors)).toEqual([
        "signed",
        [[true, "extension"]],
      ]);
    }
    expect((await sign(release, image)).signatures.map(({ added }) => added)).toEqual([false]);

    const listed = onlyImage(listReportOf(await countersign("list", "--output", "json", image)));
    expect(JSON.stringify(listed).match(/"extension"/g)).toHaveLength(2);
    for (const key of [release, audit]) {
      expect(await skopeoTakes(key, image)).toBe("");
      expect(await verify(key, image)).toBe("trusted");
      const keyId = key.fingerprint.slice(-16);
      const { results } = found.parse(await pulp.api(`/pulp/api/v3/content/container/signatures/?key_id=${keyId}`));
      expect(results.filter(({ name }) => name.startsWith(listed.digest ?? "none"))).toHaveLength(1);
    }
  });

  it("has what skopeo signed on its way in, and it verifies here; another key's does not", async () => {
    const pushed = await pushImage(staging.host, "team/skopeo", "by skopeo", "1");
    const passphrase = gpg.file("empty", "\n");
    const image = await push(
      ...([pushed, "team/skopeo:1", "--sign-by", release.fingerprint] as const),
      ...["--sign-passphrase-file", passphrase],
    );
    expect(await verify(release, image)).toBe("trusted");
    expect(await verify(audit, image)).toBe("untrusted");
  });

  it("signs by countersign as its signing service: an index, its images, each under the tag", async () => {
    const { index } = await pushIndex(staging.host, "team/service", ["amd64", "arm64"], "1");
    const image = await push(index, "team/service:1");
    await addService("release", release, release);
    await signInPulp("release", "team/service");
    expect(await verify(release, image)).toBe("trusted");
    const recursive = await countersign("verify", "--recursive", "--output", "json", "--gpg-key", release.block, image);
    expect([recursive.exit, verifyReportOf(recursive).verdict]).toEqual([0, "trusted"]);
    expect(await skopeoTakes(release, image, "--all")).toBe("");
  });

  it("does not take countersign for the signing service of another key", async () => {
    await expect(addService("another", audit, release)).rejects.toThrow("E_KEY_MISMATCH");
  });

  /** Its script is the one of docs/pulp.md. */
  async function addService(name: string, known: Key, signing: Key): Promise<void> {
    const script = path.join(gpg.home, `sign-${name}.sh`);
    const program = `"${process.execPath}" "${countersignProgram()}"`;
    writeFileSync(script, `#!/bin/sh\nexec ${program} pulp-sign --key ${signing.secret} "$1"\n`);
    chmodSync(script, 0o755);
    const done = await pulp.manager(
      ["add-signing-service", name, script, known.fingerprint, "--class", "container:ManifestSigningService"],
      { GNUPGHOME: gpg.home },
    );
    if (done.exitCode !== 0) throw new Error(done.stdout + done.stderr);
  }

  async function signInPulp(service: string, repository: string): Promise<void> {
    const hrefOf = async (address: string) => found.parse(await pulp.api(address)).results[0]?.pulp_href ?? address;
    const href = await hrefOf(`/pulp/api/v3/repositories/?name=${encodeURIComponent(repository)}`);
    const manifest_signing_service = await hrefOf(`/pulp/api/v3/signing-services/?name=${service}`);
    await pulp.finished(await pulp.api(`${href}sign/`, { manifest_signing_service }));
  }
});
