import { afterEach, describe, expect, it } from "vitest";
import { digestOf } from "../../src/model/digest.ts";
import type { ErrorCode } from "../../src/model/error-codes.ts";
import { bareKey } from "../formats/support/signing.ts";
import { type Fault, type FaultRule, reset, status, throttled, withBody, withFaults } from "../support/faults.ts";
import { pushImage, storageSink } from "../support/images.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { makeKey } from "../trust/support/pki.ts";
import { attachAsReferrer, attachAsTag, listUnderTag, signatureOf } from "./support/attach.ts";
import { publicKeyPem } from "./support/keys.ts";
import { createMachine } from "./support/machine.ts";
import { errorCodes, onlyImage, verifyReportOf } from "./support/reports.ts";

const machine = createMachine();
const key = makeKey("p256");
const signing = { key, material: bareKey(key) };
const publicKey = machine.file("cosign.pub", publicKeyPem(key));

const started: StartedRegistry[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.close()));
});

type PlaceName = "tag" | "referrers API" | "fallback tag";

/** An image with a good signature in each of these places, in a registry in which anything can be broken. */
async function signedIn(...places: readonly PlaceName[]) {
  let broken: FaultRule | undefined;
  const registry = await startRegistry({
    referrersApi: !places.includes("fallback tag"),
    wrap: [(inner) => (request) => withFaults(inner, broken === undefined ? [] : [broken])(request)],
  });
  started.push(registry);
  const target = { registry, repository: "app" };
  const image = await pushImage(storageSink(registry.storage, "app"), { tag: "1" });
  const blobs = new Map<PlaceName, string>();
  for (const place of places) {
    const artefact = signatureOf(place === "tag" ? "cosign" : "bundle", target, image, signing);
    blobs.set(place, digestOf(artefact.bytes));
    if (place === "tag") await attachAsTag(target, image.digest, [artefact]);
    else {
      const referrer = await attachAsReferrer(target, image.descriptor, artefact);
      if (place === "fallback tag") await listUnderTag(target, image.digest, [referrer]);
    }
  }
  const reference = `${registry.host}/app@${image.digest}`;
  return {
    break(path: RegExp, fault: Fault) {
      broken = { path, fault };
    },
    /** The path of the blob that the signature in a place is made of. */
    blobOf: (place: PlaceName) => new RegExp(`/blobs/${blobs.get(place)}$`),
    async verify() {
      const run = await machine.run(["verify", "--key", publicKey, "--output", "json", reference]);
      const report = verifyReportOf(run);
      return { exit: run.exit, verdict: report.verdict, codes: errorCodes(report), image: onlyImage(report) };
    },
  };
}

const faults: readonly (readonly [what: string, code: ErrorCode, fault: Fault])[] = [
  ["throttles", "E_REGISTRY_THROTTLED", throttled(3600)],
  ["fails", "E_REGISTRY_FAILING", status(500)],
  ["denies", "E_REGISTRY_DENIED", status(403)],
  ["cuts the connection", "E_NETWORK", reset()],
];

const manifestPath = /manifests\/sha256:[0-9a-f]{64}$/;

/** Where a signature is looked for, and the place that this hides. `blob`: what stands there is listed, but cannot be had. */
const hidden: readonly (readonly [name: string, held: PlaceName, path: RegExp | "blob"])[] = [
  ["the tag of signatures", "tag", /manifests\/sha256-[0-9a-f]{64}\.sig$/],
  ["the payload of the signature", "tag", "blob"],
  ["the referrers API", "referrers API", /\/referrers\//],
  ["the bundle", "referrers API", "blob"],
  ["the fallback tag", "fallback tag", /manifests\/sha256-[0-9a-f]{64}$/],
  ["the bundle that the fallback tag lists", "fallback tag", "blob"],
];

describe.each(hidden)("a registry that, for %s alone,", (_, held, path) => {
  it.each(faults)("%s: undetermined, exit 3, never unsigned", async (_what, code, fault) => {
    const signed = await signedIn(held);
    expect(await signed.verify()).toMatchObject({ exit: 0, verdict: "trusted", codes: [] });
    signed.break(path === "blob" ? signed.blobOf(held) : path, fault);
    expect(await signed.verify()).toMatchObject({
      exit: 3,
      verdict: "undetermined",
      codes: [code],
      image: { signatures: [], status: "unreachable" },
    });
  });

  it.each(faults)("%s: trusted by another place, and the failure still told", async (_what, code, fault) => {
    const signed = await signedIn(held, held === "tag" ? "referrers API" : "tag");
    signed.break(path === "blob" ? signed.blobOf(held) : path, fault);
    expect(await signed.verify()).toMatchObject({ exit: 0, verdict: "trusted", codes: [code] });
  });
});

describe("a registry that, for the image's manifest alone,", () => {
  it.each(faults)("%s: undetermined, whatever signatures there are", async (_what, code, fault) => {
    const signed = await signedIn("tag", "referrers API");
    signed.break(manifestPath, fault);
    expect(await signed.verify()).toMatchObject({ exit: 3, verdict: "undetermined", codes: [code] });
  });
});

describe("a registry that answers with a web page", () => {
  const page = withBody("<html>log in</html>", "text/html");

  it.each([
    ["the tag of signatures", "tag", /\.sig$/],
    ["the fallback tag", "fallback tag", /manifests\/sha256-[0-9a-f]{64}$/],
    ["the referrers API", "referrers API", /\/referrers\//],
  ] as const)("for %s, is no registry without signatures", async (_, held, path) => {
    const signed = await signedIn(held);
    signed.break(path, page);
    expect(await signed.verify()).toMatchObject({ exit: 3, verdict: "undetermined", codes: ["E_REGISTRY_ANSWER"] });
  });

  it("for everything, is no registry without signatures", async () => {
    const signed = await signedIn("tag", "referrers API");
    signed.break(/./, page);
    expect(await signed.verify()).toMatchObject({ exit: 3, verdict: "undetermined", codes: ["E_REGISTRY_ANSWER"] });
  });
});
