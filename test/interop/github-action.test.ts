import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
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
