import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
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

  it("signs what was built, hands it to the next step pinned, verifies it, and leaves nothing behind", async () => {
    const name = await fresh();
    const metadata = JSON.stringify({ "containerimage.digest": image.digest, "image.name": `${name}:1` });
    const done = await runAct(action, {
      secrets: { SIGNING_KEY: pem },
      workflow: workflow([
        uses("sign", { command: "sign", metadata, key: `\${{ secrets.SIGNING_KEY }}`, format: "cosign,bundle" }),
        uses("verify", { command: "verify", images: `\${{ steps.sign.outputs.images }}`, key: publicPem }),
        { id: "report", run: `cat "\${{ steps.verify.outputs.report }}"; echo; echo "$RUNNER_TEMP"` },
      ]),
    });
    expect(done.succeeded, done.text).toBe(true);
    expect(done.step("sign").outputs).toMatchObject({ verdict: "ok", digest: image.digest, images: image.reference });
    expect(done.step("sign").summary).toContain("countersign sign: 1 image: 1 ok");
    expect(done.step("verify").outputs).toMatchObject({ verdict: "trusted", "exit-code": "0" });
    expect(done.step("verify").summary).toContain("trusted");
    expect(done.step("verify").annotations).toEqual([]);
    expect(done.step("report").log).toContain('"verdict": "trusted"');
    expect(done.post).toEqual(["success", "success"]);
    const temporary = /^(\/\S+)$/m.exec(done.step("report").log)?.[1] ?? "";
    expect(temporary).not.toBe("");
  });
});
