import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { createTestCa } from "../platform/tls-material.ts";
import { withBasicAuth } from "../support/authentication.ts";
import { startConnectProxy } from "../support/connect-proxy.ts";
import { status, withFaults } from "../support/faults.ts";
import { pushImage as pushEmbedded, storageSink } from "../support/images.ts";
import { createReferenceService, githubTokens, startService } from "../support/signing-service.ts";
import { startRegistry } from "../support/start-registry.ts";
import { actionCheckout, runAct } from "./support/act.ts";
import { type DockerRegistry, startDockerRegistry } from "./support/docker-registry.ts";
import { type PushedImage, pushImage } from "./support/image.ts";
import { describeWithPeer } from "./support/peers.ts";

// Each starts act, which starts several processes of Node.js.
vi.setConfig({ testTimeout: 120_000 });

const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const publicPem = createPublicKey(privateKey).export({ type: "spki", format: "pem" }).toString();

/** A workflow of one job whose steps use the action. */
function workflow(steps: readonly Readonly<Record<string, unknown>>[], on = "push"): string {
  return JSON.stringify({ on: [on], jobs: { job: { "runs-on": "ubuntu-latest", steps } } });
}

const uses = (id: string, inputs: Readonly<Record<string, string>>, more = {}) => ({
  id,
  uses: "example/countersign@v1",
  with: inputs,
  ...more,
});

describeWithPeer(["act", "node24", "docker-registry"], "the action, in workflows that act runs", () => {
  let action: string;
  let registry: DockerRegistry;
  let image: PushedImage;
  let seed = 0;

  beforeAll(async () => {
    action = actionCheckout();
    registry = await startDockerRegistry();
  });
  afterAll(() => registry.stop());
  const fresh = async () => {
    seed += 1;
    image = await pushImage(registry.host, `app${seed}`, `image ${seed}`, "1");
    return `${registry.host}/app${seed}`;
  };

  const digestOf = async (name: string, tag: string) => {
    const address = `http://${name.replace("/", "/v2/")}/manifests/${tag}`;
    const answer = await fetch(address, { method: "HEAD", headers: { accept: image.mediaType } });
    return answer.status === 404 ? undefined : (answer.headers.get("docker-content-digest") ?? undefined);
  };

  it("weighs what users fetch: dist/ is at most 8 MB", () => {
    const dist = path.join(action, "dist");
    const bytes = readdirSync(dist).reduce((sum, name) => sum + statSync(path.join(dist, name)).size, 0);
    expect(bytes).toBeLessThanOrEqual(8 * 1024 * 1024);
  });

  it("signs what was built, hands it to the next step pinned, and verifies it", async () => {
    const name = await fresh();
    const metadata = JSON.stringify({ "containerimage.digest": image.digest, "image.name": `${name}:1` });
    const done = await runAct(action, {
      secrets: { SIGNING_KEY: pem },
      workflow: workflow([
        uses("sign", { command: "sign", metadata, key: `\${{ secrets.SIGNING_KEY }}`, format: "cosign,bundle" }),
        uses("verify", { command: "verify", images: `\${{ steps.sign.outputs.images }}`, key: publicPem }),
        { id: "report", run: `cat "\${{ steps.verify.outputs.report }}"` },
      ]),
    });
    expect(done.succeeded, done.text).toBe(true);
    expect(done.step("sign").outputs).toMatchObject({ verdict: "ok", digest: image.digest, images: image.reference });
    expect(done.step("sign").summary).toContain("countersign sign: 1 image: 1 ok");
    expect(done.step("sign").log).toContain(`${image.reference}: signed`);
    expect(done.step("verify").outputs).toMatchObject({ verdict: "trusted", "exit-code": "0" });
    expect(done.step("verify").summary).toContain("trusted");
    expect(done.step("verify").annotations).toEqual([]);
    expect(done.step("report").log).toContain('"verdict": "trusted"');
  });

  it("shows no line of a key or passphrase, wherever a reader looks", async () => {
    const name = await fresh();
    const passphrase = "open sesame 7319";
    const locked = privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase }).toString();
    const inputs = { command: "sign", image: `${name}:1`, passphrase };
    // Not known to act as secrets: it hides only what the action told it to.
    const done = await runAct(action, {
      workflow: workflow([
        uses("sign", { ...inputs, key: locked }),
        { run: `echo 'again ${passphrase} \${{ steps.sign.outputs.verdict }}'` },
      ]),
    });
    expect(done.succeeded, done.text).toBe(true);
    expect(done.text).toContain("again *** ok");
    for (const line of locked.split("\n").filter((each) => each !== "" && !each.startsWith("-----"))) {
      expect(done.text).not.toContain(line);
    }
  });

  it("fails the job on an image that nobody signed, with an annotation, a row in the summary, and outputs for what follows", async () => {
    const name = await fresh();
    const done = await runAct(action, {
      workflow: workflow([
        uses("verify", { command: "verify", image: `${name}:1`, key: publicPem }),
        { id: "after", if: "always()", run: `echo "verdict is \${{ steps.verify.outputs.verdict }}"` },
      ]),
    });
    expect(done.succeeded).toBe(false);
    const verify = done.step("verify");
    expect(verify.result).toBe("failure");
    expect(verify.outputs).toMatchObject({ verdict: "unsigned", "exit-code": "1", images: "", digest: image.digest });
    expect(verify.annotations).toEqual([
      expect.objectContaining({ level: "error", title: "countersign verify: refused" }),
    ]);
    expect(verify.annotations[0]?.message).toContain(`${name}:1`);
    expect(verify.summary).toMatch(/^\| ❌ .*unsigned/m);
    expect(done.step("after").log).toContain("verdict is unsigned");
  });

  it("signs by a service that knows the job by its OIDC token", async () => {
    const name = await fresh();
    const service = await startService(createReferenceService({ key: privateKey }));
    const github = await startService(githubTokens("runner-secret", () => Date.now() / 1000 + 600));
    const done = await runAct(action, {
      env: {
        ACTIONS_ID_TOKEN_REQUEST_URL: `${github.origin}/token?api-version=2.0`,
        ACTIONS_ID_TOKEN_REQUEST_TOKEN: "runner-secret",
      },
      workflow: workflow([
        uses("sign", {
          command: "sign",
          image: `${name}:1`,
          signer: service.address,
          "signer-token": "github-actions",
        }),
        uses("verify", { command: "verify", image: `${name}:1`, key: publicPem }),
      ]),
    });
    await Promise.all([service.close(), github.close()]);
    expect(done.succeeded, done.text).toBe(true);
    expect(github.requests.map(({ url }) => url.searchParams.get("audience"))).toEqual([service.host]);
    const token = service.requests[0]?.headers["authorization"]?.replace("Bearer ", "") ?? "";
    expect(token).toMatch(/^ey/);
    expect(done.text).not.toContain(token);
    expect(done.step("verify").outputs["verdict"]).toBe("trusted");
  });

  it.each([
    [
      "a missing permission",
      { signer: "https+sign://sign.example.test/", "signer-token": "github-actions" },
      "permissions: { id-token: write }",
    ],
    ["a missing secret", { key: `\${{ secrets.NOT_THERE }}` }, `key: \${{ secrets.KEY }}`],
    ["a misspelt input", { kee: "x" }, "write key:"],
  ])("says, by %s, which line to add", async (_, inputs, mend) => {
    const name = await fresh();
    const given = { command: "sign", image: `${name}:1`, ...inputs };
    const done = await runAct(action, { workflow: workflow([uses("sign", given)]) });
    expect(done.succeeded).toBe(false);
    const { annotations, summary, outputs } = done.step("sign");
    expect(annotations.map(({ level }) => level)).toEqual(["error"]);
    expect(annotations[0]?.message).toContain(mend);
    expect(summary).toContain("nothing was done");
    expect(outputs).toMatchObject({ "exit-code": "2", images: "" });
    expect(registry.log()).not.toContain(`app${seed}/manifests/sha256-`);
  });

  it("says, when ghcr.io denies the job's token, that packages: write is missing", async () => {
    const ca = await createTestCa("test root");
    const { cert, key } = await ca.issue("ghcr.io");
    const ghcr = await startRegistry({
      tls: { cert, key },
      wrap: [
        withBasicAuth({ username: "nektos/act", password: "ghs_planted" }),
        (handler) =>
          withFaults(handler, [
            { method: "POST", fault: status(403) },
            { method: "PUT", fault: status(403) },
          ]),
      ],
    });
    const pushed = await pushEmbedded(storageSink(ghcr.storage, "example/app"), { tag: "1" });
    const proxy = await startConnectProxy(Number(ghcr.host.split(":")[1]));
    const inputs = { command: "sign", image: "ghcr.io/example/app", digest: pushed.digest, key: pem };
    const done = await runAct(action, {
      env: { HTTPS_PROXY: proxy.address },
      workflow: workflow([uses("sign", { ...inputs, "registry-cacert": ca.ca, "github-token": "ghs_planted" })]),
    });
    await Promise.all([ghcr.close(), proxy.close()]);
    expect(new Set(proxy.asked)).toEqual(new Set(["ghcr.io:443"]));
    const { annotations, outputs, summary } = done.step("sign");
    expect(outputs).toMatchObject({ "exit-code": "3", images: "" });
    expect(annotations[0]?.message).toContain("ghcr.io denies writing to example/app");
    expect(annotations[0]?.message).toContain("permissions: { packages: write }");
    expect(summary).toContain("packages");
    expect(done.text).not.toContain("ghs_planted");
  });

  it("neither signs on pull_request_target nor for a fork, and does when it is told to", async () => {
    const name = await fresh();
    const inputs = { command: "sign", image: `${name}:1`, key: pem };
    const payload = {
      repository: { id: 1 },
      pull_request: { head: { ref: "x", repo: { id: 2 } }, base: { ref: "main" } },
    };
    for (const event of ["pull_request_target", "pull_request"]) {
      const refused = await runAct(action, { event, payload, workflow: workflow([uses("sign", inputs)], event) });
      expect(refused.succeeded, event).toBe(false);
      expect(refused.step("sign").annotations[0]?.title).toBe("countersign sign: E_EVENT_UNTRUSTED");
    }
    const verify = uses(
      "verify",
      { command: "verify", image: `${name}:1`, key: publicPem },
      { "continue-on-error": true },
    );
    const told = await runAct(action, {
      event: "pull_request_target",
      payload,
      workflow: workflow(
        [verify, uses("sign", { ...inputs, "allow-untrusted-events": "true" })],
        "pull_request_target",
      ),
    });
    expect(told.succeeded, told.text).toBe(true);
    expect(told.step("verify").outputs["verdict"]).toBe("unsigned");
    expect(told.step("sign").outputs["verdict"]).toBe("ok");
  });

  it("puts the command line on PATH for the steps that follow, and takes it away when the job ends", async () => {
    const temporary = mkdtempSync(path.join(tmpdir(), "countersign-runner-"));
    const done = await runAct(action, {
      workflow: workflow([
        uses("setup", { command: "setup" }, { env: { RUNNER_TEMP: temporary } }),
        {
          id: "use",
          run: `countersign --version && countersign verify 'no image' || echo "exit $?"; ls \${{ steps.setup.outputs.path }}`,
        },
      ]),
    });
    expect(done.succeeded, done.text).toBe(true);
    expect(done.step("use").log).toMatch(/countersign \d+\.\d+\.\d+/);
    expect(done.step("use").log).toContain("exit 2");
    expect(done.step("use").log).toContain("countersign.cmd");
    expect(done.post).toEqual(["success"]);
    expect(existsSync(done.step("setup").outputs["path"] ?? "")).toBe(false);
    rmSync(temporary, { recursive: true });
  });

  it("leaves nothing behind, after a failure too", async () => {
    const name = await fresh();
    const temporary = mkdtempSync(path.join(tmpdir(), "countersign-runner-"));
    const env = { RUNNER_TEMP: temporary };
    const done = await runAct(action, {
      workflow: workflow([
        uses("payload", { command: "payload", image: `${name}:1` }, { env }),
        uses("verify", { command: "verify", image: `${name}:1`, key: publicPem }, { env }),
      ]),
    });
    expect(done.succeeded).toBe(false);
    expect(done.step("payload").outputs["payload"]).toContain(temporary);
    expect(done.post).toEqual(["success", "success"]);
    expect(readdirSync(temporary)).toEqual([]);
    rmSync(temporary, { recursive: true });
  });

  it("promotes what was signed, whose tag at the destination then names it, and is the same the second time", async () => {
    const name = await fresh();
    const destination = `${registry.host}/released/app${seed}`;
    const inputs = {
      command: "promote",
      image: name,
      digest: image.digest,
      destination: `${destination}:1`,
      key: publicPem,
    };
    const done = await runAct(action, {
      secrets: { SIGNING_KEY: pem },
      workflow: workflow([
        uses("sign", {
          command: "sign",
          image: `${name}:1`,
          key: `\${{ secrets.SIGNING_KEY }}`,
          format: "cosign,bundle",
        }),
        uses("promote", inputs),
        uses("again", inputs),
        uses("verify", { command: "verify", images: `\${{ steps.promote.outputs.images }}`, key: publicPem }),
      ]),
    });
    expect(done.succeeded, done.text).toBe(true);
    const promoted = done.step("promote");
    expect(promoted.outputs).toMatchObject({
      verdict: "ok",
      "exit-code": "0",
      digest: image.digest,
      images: `${destination}@${image.digest}`,
    });
    expect(promoted.annotations).toEqual([]);
    expect(promoted.summary).toContain("countersign promote: 1 image: 1 ok");
    expect(done.step("again").summary).toContain("unchanged");
    expect(done.step("verify").outputs).toMatchObject({ verdict: "trusted" });
    expect(await digestOf(destination, "1")).toBe(image.digest);
  });

  it("promotes nothing that does not verify, and says which of several it was", async () => {
    const signed = await fresh();
    const good = image.digest;
    const unsigned = await fresh();
    const destination = `${registry.host}/refused`;
    const images = `${signed}:1 ${destination}/good:1\n${unsigned}:1 ${destination}/bad:1`;
    const done = await runAct(action, {
      workflow: workflow([
        uses("sign", { command: "sign", image: `${signed}:1`, key: pem }),
        uses("promote", { command: "promote", images, key: publicPem }),
      ]),
    });
    expect(done.succeeded).toBe(false);
    const { outputs, annotations, summary } = done.step("promote");
    expect(outputs).toMatchObject({ verdict: "refused", "exit-code": "1", images: `${destination}/good@${good}` });
    expect(annotations.map(({ level, title }) => [level, title])).toEqual([["error", "countersign promote: refused"]]);
    expect(annotations[0]?.message).toContain(`${destination}/bad:1`);
    expect(annotations[0]?.message).not.toContain(`${destination}/good:1`);
    expect(summary).toMatch(/^\| ❌ .*refused/m);
    expect(await digestOf(`${destination}/good`, "1")).toBe(good);
    expect(await digestOf(`${destination}/bad`, "1")).toBeUndefined();
  });

  it("does not promote on a comment, and comes to no registry", async () => {
    const name = await fresh();
    const destination = `${registry.host}/commented/app${seed}`;
    const inputs = { command: "promote", image: `${name}:1`, destination: `${destination}:1`, key: publicPem };
    const done = await runAct(action, {
      event: "issue_comment",
      payload: { repository: { id: 1 }, comment: { body: "/promote" } },
      workflow: workflow([uses("promote", inputs)], "issue_comment"),
    });
    expect(done.succeeded).toBe(false);
    expect(done.step("promote").annotations[0]?.title).toBe("countersign promote: E_EVENT_UNTRUSTED");
    expect(await digestOf(destination, "1")).toBeUndefined();
  });

  it("runs as the reusable workflow promote.yml, which signs for the destination when it is told to", async () => {
    const name = await fresh();
    const destination = `${registry.host}/production/app${seed}`;
    const { privateKey: other } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const otherPublic = createPublicKey(other).export({ type: "spki", format: "pem" }).toString();
    const done = await runAct(action, {
      secrets: { SIGNING_KEY: pem, RELEASE_KEY: other.export({ type: "pkcs8", format: "pem" }).toString() },
      workflow: JSON.stringify({
        on: ["push"],
        jobs: {
          build: {
            "runs-on": "ubuntu-latest",
            steps: [uses("sign", { command: "sign", image: `${name}:1`, key: `\${{ secrets.SIGNING_KEY }}` })],
          },
          promote: {
            needs: "build",
            uses: "example/countersign/.github/workflows/promote.yml@v1",
            with: {
              environment: "production",
              image: `${name}:1`,
              destination: `${destination}:1`,
              key: publicPem,
              resign: true,
              "action-repository": "example/countersign",
              "action-ref": "v1",
            },
            secrets: { RESIGN_KEY: `\${{ secrets.RELEASE_KEY }}` },
          },
          verify: {
            needs: "promote",
            "runs-on": "ubuntu-latest",
            steps: [
              uses("verify", { command: "verify", images: `\${{ needs.promote.outputs.images }}`, key: otherPublic }),
            ],
          },
        },
      }),
    });
    expect(done.succeeded, done.text).toBe(true);
    expect(JSON.parse(done.step("promote").outputs["signatures"] ?? "")).toHaveLength(1);
    expect(done.step("verify").outputs).toMatchObject({ verdict: "trusted", images: `${destination}@${image.digest}` });
  });

  it("runs as the reusable workflow sign.yml, at that workflow's own commit", async () => {
    const name = await fresh();
    const done = await runAct(action, {
      secrets: { SIGNING_KEY: pem },
      workflow: JSON.stringify({
        on: ["push"],
        jobs: {
          sign: {
            uses: "example/countersign/.github/workflows/sign.yml@v1",
            with: {
              image: name,
              digest: image.digest,
              format: "cosign,bundle",
              "action-repository": "example/countersign",
              "action-ref": "v1",
            },
            secrets: { SIGNING_KEY: `\${{ secrets.SIGNING_KEY }}` },
          },
          verify: {
            needs: "sign",
            "runs-on": "ubuntu-latest",
            steps: [uses("verify", { command: "verify", images: `\${{ needs.sign.outputs.images }}`, key: publicPem })],
          },
        },
      }),
    });
    expect(done.succeeded, done.text).toBe(true);
    expect(done.step("verify").outputs).toMatchObject({ verdict: "trusted", images: image.reference });
  });

  it("does not run as sign.yml where the server does not say whose workflow it is", async () => {
    const name = await fresh();
    const done = await runAct(action, {
      secrets: { SIGNING_KEY: pem },
      workflow: JSON.stringify({
        on: ["push"],
        jobs: {
          sign: {
            uses: "example/countersign/.github/workflows/sign.yml@v1",
            with: { image: `${name}:1` },
            secrets: { SIGNING_KEY: `\${{ secrets.SIGNING_KEY }}` },
          },
        },
      }),
    });
    expect(done.succeeded).toBe(false);
    expect(done.text).toContain("set action-repository and action-ref");
    expect(() => done.step("sign")).toThrow();
  });
});
