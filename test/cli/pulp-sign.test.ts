import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openPgpFormat } from "../../src/formats/openpgp/format.ts";
import { ALGORITHMS } from "../../src/model/algorithm.ts";
import { OPENPGP_SIGNATURE } from "../../src/model/media-types.ts";
import { parseKeyring } from "../../src/trust/openpgp/keyring.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { NOW } from "../trust/support/pki.ts";
import { createMachine } from "./support/machine.ts";

/** What Pulp tries a new signing service with: its layer has no whole digest. */
const TRIAL = JSON.stringify({
  schemaVersion: 2,
  mediaType: "application/vnd.docker.distribution.manifest.v2+json",
  config: {
    mediaType: "application/vnd.docker.container.image.v1+json",
    size: 1456,
    digest: `sha256:${"7".repeat(64)}`,
  },
  layers: [{ mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip", size: 772792, digest: "sha256:e685" }],
});
const INDEX = JSON.stringify({ schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [] });

describe("a signing service of Pulp", () => {
  const machine = createMachine();
  let key: { fingerprint: string; secret: string; block: string };
  let manifest: string;
  let signature: string;

  beforeAll(async () => {
    const { generateKey } = await import("openpgp");
    const made = await generateKey({
      type: "ecc",
      curve: "nistP256",
      userIDs: { name: "Pulp" },
      date: new Date(NOW.getTime() - 86_400_000),
      format: "object",
    });
    key = {
      fingerprint: made.privateKey.getFingerprint().toUpperCase(),
      secret: machine.file("secret.asc", made.privateKey.armor()),
      block: made.publicKey.armor(),
    };
  });
  beforeEach(() => {
    const folder = temporaryFolder();
    [manifest, signature] = [path.join(folder, "manifest"), path.join(folder, "signature")];
  });

  function sign(content: string, env: Readonly<Record<string, string>> = {}, ...flags: readonly string[]) {
    writeFileSync(manifest, content);
    const told = { REFERENCE: "test", SIG_PATH: signature, PULP_SIGNING_KEY_FINGERPRINT: key.fingerprint };
    return machine.run(["pulp-sign", "--key", key.secret, ...flags, manifest], { env: { ...told, ...env } });
  }

  async function read() {
    const stored = {
      place: { kind: "lookaside", name: signature },
      mediaType: OPENPGP_SIGNATURE,
      bytes: readFileSync(signature),
      annotations: {},
    } as const;
    const evidence = openPgpFormat.read(stored);
    if ("reason" in evidence) throw new Error(evidence.reason.message);
    const digest = `sha256:${createHash("sha256").update(readFileSync(manifest)).digest("hex")}` as const;
    const { certificates } = await parseKeyring(Buffer.from(key.block), NOW);
    const trust = {
      ...{ keys: [], anchors: [], intermediates: [], allowedAlgorithms: ALGORITHMS },
      openpgp: certificates,
    };
    const { reasons } = await openPgpFormat.check(evidence, digest, trust, NOW);
    return { reasons, reference: evidence.claims.reference };
  }

  it.each([
    ["the manifest of Pulp's own trial, under a bare name", TRIAL, "test", "docker.io/library/test"],
    ["an index", INDEX, "pulp.example.com/team/app:1", "pulp.example.com/team/app:1"],
    ["bytes as they are, white space and all", `\n ${INDEX}\n`, "pulp.example.com:8443/app:1", undefined],
  ])("signs %s", async (_, content, REFERENCE, named) => {
    const done = await sign(content, { REFERENCE });
    expect([done.exit, done.stderr]).toEqual([0, ""]);
    expect(JSON.parse(done.stdout)).toEqual({ signature_path: signature });
    expect(await read()).toEqual({ reasons: [], reference: named ?? REFERENCE });
  });

  it.each([
    ["schema 1", '{"schemaVersion":1,"name":"app","tag":"1","signatures":[]}', {}, 1, "E_MANIFEST_UNSUPPORTED"],
    ["what is no manifest", "no JSON", {}, 1, "E_MANIFEST_INVALID"],
    ["two manifests in one", `${INDEX.slice(0, -1)},"layers":[]}`, {}, 1, "E_MANIFEST_INVALID"],
    ["a key that Pulp does not mean", INDEX, { PULP_SIGNING_KEY_FINGERPRINT: "A".repeat(40) }, 2, "E_KEY_MISMATCH"],
    [
      "a key ID in place of the fingerprint",
      INDEX,
      { PULP_SIGNING_KEY_FINGERPRINT: "A".repeat(16) },
      2,
      "E_KEY_MISMATCH",
    ],
    [
      "a reference that podman could not pull",
      INDEX,
      { REFERENCE: "pulp.example.com/App:1" },
      2,
      "E_REFERENCE_INVALID",
    ],
    ["no reference", INDEX, { REFERENCE: "" }, 2, "E_USAGE"],
    ["no place", INDEX, { SIG_PATH: "" }, 2, "E_USAGE"],
    ["no fingerprint", INDEX, { PULP_SIGNING_KEY_FINGERPRINT: "" }, 2, "E_USAGE"],
  ])("refuses %s, and writes nothing", async (_, content, env, exit, code) => {
    const done = await sign(content, env);
    expect([done.exit, done.stdout]).toEqual([exit, ""]);
    expect(done.stderr).toContain(code);
    expect(existsSync(signature)).toBe(false);
  });

  it("replaces no file that is there", async () => {
    writeFileSync(signature, "another's");
    const done = await sign(INDEX);
    expect([done.exit === 0, done.stdout]).toEqual([false, ""]);
    expect(done.stderr).toContain("E_FILE_EXISTS");
    expect(readFileSync(signature, "utf8")).toBe("another's");
  });
});
