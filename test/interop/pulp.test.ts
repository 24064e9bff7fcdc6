import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { describeWithPeer } from "./support/peers.ts";
import { type Pulp, startPulp } from "./support/pulp.ts";

// Four programs start, beside whatever else this machine does.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 240_000 });

describeWithPeer(["postgres", "pulpcore-manager", "skopeo", "gpg"], "a live Pulp", () => {
  let pulp: Pulp;
  beforeAll(async () => {
    pulp = await startPulp();
  });
  afterAll(() => pulp?.stop());

  it("says that it keeps signatures", async () => {
    const answer = await fetch(`http://${pulp.host}/v2/`);
    expect([answer.status, answer.headers.get("x-registry-supports-signatures")]).toEqual([401, "1"]);
  });
});
