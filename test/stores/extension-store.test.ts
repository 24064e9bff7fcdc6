import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isCountersignError } from "../../src/model/errors.ts";
import { OPENPGP_SIGNATURE } from "../../src/model/media-types.ts";
import type { Artefact } from "../../src/model/signature.ts";
import { createEmbeddedRegistry } from "../../src/oci/embedded/registry.ts";
import { encodeExtensionSignature, parseExtensionList } from "../../src/oci/extension-document.ts";
import type { Handler } from "../../src/platform/serve.ts";
import { createExtensionStore } from "../../src/stores/extension-store.ts";
import { openRepository } from "../oci/fake-network.ts";
import { type FaultRule, resetAfter, status, withBody, withFaults } from "../support/faults.ts";
import { pushImage, storageSink } from "../support/images.ts";

const origin = "https://registry.example.com";

function artefact(text: string): Artefact {
  return { format: "openpgp", mediaType: OPENPGP_SIGNATURE, bytes: Buffer.from(text), annotations: {} };
}

/** A registry with the extension, an image in it, and several clients. */
async function start(...rules: readonly FaultRule[]) {
  const registry = createEmbeddedRegistry({ signatureExtension: true });
  const { digest, mediaType } = await pushImage(storageSink(registry.storage, "app"), { tag: "1", seed: "one" });
  const handler: Handler = withFaults(registry.handle, rules);
  const subject = { repository: "registry.example.com/app", digest, mediaType, size: 1 };
  let count = 0;
  const client = () => {
    const opened = openRepository({ [origin]: handler });
    const { signatures } = opened.open("app", "pull,push");
    if (signatures === undefined) throw new Error("no extension");
    const randomBytes = (length: number) => new Uint8Array(length).fill(++count);
    return { store: createExtensionStore(signatures, { randomBytes }), signatures, lines: opened.lines };
  };
  const kept = () =>
    (registry.storage.getOrCreate("app").signatures.get(digest) ?? []).map(({ name, content }) => [
      name.split("@")[1],
      Buffer.from(content, "base64").toString(),
    ]);
  return { registry, subject, client, kept };
}

const nameOf = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 32);

describe("the signature extension", () => {
  it("keeps each signature once, under a name that follows from its content, and gives back its bytes", async () => {
    const { client, subject, kept } = await start();
    const { store } = client();
    for (const text of ["one", "two", "one"]) await store.append(subject, artefact(text));
    expect(kept()).toEqual([
      [nameOf("one"), "one"],
      [nameOf("two"), "two"],
    ]);
    const { entries, failures } = await store.list(subject.digest);
    expect(failures).toEqual([]);
    const read = await Promise.all(entries.map((entry) => store.fetch(entry, subject.digest)));
    expect(read.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(["one", "two"]);
    const again = await store.append(subject, artefact("two"));
    expect(Buffer.from((await client().store.fetch(again, subject.digest)).bytes).toString()).toBe("two");
  });

  it("loses nothing of eight clients at once, two of whom write the same", async () => {
    const { client, subject, kept } = await start();
    const texts = ["a", "b", "c", "d", "e", "f", "g", "g"];
    await Promise.all(texts.map((text) => client().store.append(subject, artefact(text))));
    expect(
      kept()
        .map(([, text]) => text)
        .sort(),
    ).toEqual(["a", "b", "c", "d", "e", "f", "g"]);
  });

  it("takes another name where somebody else has the one that follows from the content", async () => {
    const { client, subject, kept, registry } = await start();
    const { digest } = await pushImage(storageSink(registry.storage, "other"), { tag: "1", seed: "two" });
    const name = `${subject.digest}@${nameOf("ours")}`;
    const content = Buffer.from("theirs").toString("base64");
    registry.storage.getOrCreate("other").signatures.set(digest, [{ schemaVersion: 2, name, type: "atomic", content }]);
    await client().store.append(subject, artefact("ours"));
    expect(kept()).toEqual([["01".repeat(16), "ours"]]);
  });

  it("looks whether a signature has arrived before it sends it again", async () => {
    const { client, subject, kept } = await start({ method: "PUT", nth: 1, fault: resetAfter() });
    const { store, lines } = client();
    await store.append(subject, artefact("one"));
    expect(kept()).toEqual([[nameOf("one"), "one"]]);
    expect(lines().map((line) => line.split(" ", 1)[0])).toEqual(["GET", "PUT", "GET"]);
  });

  it("sends it again after 429 where it has not arrived", async () => {
    const { client, subject, kept } = await start({ method: "PUT", nth: 1, fault: status(429) });
    await client().store.append(subject, artefact("one"));
    expect(kept()).toEqual([[nameOf("one"), "one"]]);
  });

  it.each([
    ["a refusal", status(403), "E_REGISTRY_DENIED"],
    ["a fault", status(500), "E_REGISTRY_FAILING"],
    ["404, though the image is there", status(404), "E_REGISTRY_ANSWER"],
    ["a page", withBody("<html>", "text/html"), "E_REGISTRY_ANSWER"],
    ["a list of texts", withBody('{"signatures":["x"]}'), "E_REGISTRY_ANSWER"],
    ["a list of 5 MiB", withBody(`{"signatures":[],"x":"${"x".repeat(5_000_000)}"}`), "E_LIMIT"],
  ])("is no empty place for answering with %s, and is not written then", async (_, fault, code) => {
    const { client, subject, kept } = await start({ method: "GET", path: /^\/extensions/, fault });
    const { store } = client();
    expect(await store.list(subject.digest)).toMatchObject({ entries: [], failures: [{ code }] });
    await expect(store.append(subject, artefact("one"))).rejects.toMatchObject({ code });
    expect(kept()).toEqual([]);
  });

  it("is there by the header of /v2/ alone, told by exactly 1, and not told by an answer that failed", async () => {
    const { registry } = await start();
    const supported = (rule: FaultRule) =>
      openRepository({ [origin]: withFaults(registry.handle, [rule]) })
        .open("app")
        .signatures?.supported();
    expect(await supported({ path: /never/, fault: status(500) })).toBe(true);
    expect(
      await supported({ path: /^\/v2\/$/, fault: status(200, { "x-registry-supports-signatures": "true" }) }),
    ).toBe(false);
    await expect(supported({ path: /^\/v2\/$/, fault: status(500) })).rejects.toMatchObject({
      code: "E_REGISTRY_FAILING",
    });
  });
});

describe("the embedded registry", () => {
  const ask = async (method: string, path: string, body: string) => {
    const { registry, subject } = await start();
    const url = new URL(`${origin}${path.replace("DIGEST", subject.digest)}`);
    return registry.handle({ method, url, headers: {}, body: Buffer.from(body.replaceAll("DIGEST", subject.digest)) });
  };
  const good = `{"schemaVersion":2,"name":"DIGEST@${"0".repeat(32)}","type":"atomic","content":"eA=="}`;
  it.each([
    [201, "PUT", "/extensions/v2/app/signatures/DIGEST", good],
    [400, "PUT", "/extensions/v2/app/signatures/DIGEST", good.replace("2", "1")],
    [400, "PUT", "/extensions/v2/app/signatures/DIGEST", good.replace("atomic", "")],
    [400, "PUT", "/extensions/v2/app/signatures/DIGEST", "{"],
    [404, "GET", `/extensions/v2/app/signatures/sha256:${"0".repeat(64)}`, ""],
    [404, "GET", "/extensions/v2/none/signatures/DIGEST", ""],
    [405, "DELETE", "/extensions/v2/app/signatures/DIGEST", ""],
  ])("answers %i to %s %s", async (expected, method, path, body) => {
    expect((await ask(method, path, body))?.status).toBe(expected);
  });
});

describe("lists of the extension", () => {
  it("are read back as they were written", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string(), fc.uint8Array())), (signatures) => {
        const parts = signatures.map(([name, content]) =>
          new TextDecoder().decode(encodeExtensionSignature(name, content)),
        );
        const read = parseExtensionList(Buffer.from(`{"signatures":[${parts.join()}]}`), "r");
        expect(read).toEqual(
          signatures.map(([name, content]) => ({ kind: "simple", name, content: Buffer.from(content) })),
        );
      }),
    );
  });

  it("are read or refused, whatever the JSON", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.json().map((json) => `{"signatures":[${json}]}`),
        ),
        (json) => {
          try {
            return Array.isArray(parseExtensionList(Buffer.from(json), "r"));
          } catch (error) {
            return isCountersignError(error) && error.code === "E_REGISTRY_ANSWER";
          }
        },
      ),
    );
  });
});
