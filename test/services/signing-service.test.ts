import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { createExchange } from "../../src/platform/http.ts";
import { createRetrier } from "../../src/platform/retry.ts";
import type { Handler } from "../../src/platform/serve.ts";
import { createSigningService, idempotencyKeyOf } from "../../src/services/signing-service.ts";
import { createFakeHost, failureOf } from "../oci/fake-network.ts";
import { reset, slow, status, throttled, withFaults } from "../support/faults.ts";
import {
  answer,
  asked,
  createReferenceService,
  type StartedService,
  startService,
} from "../support/signing-service.ts";
import { makeKey } from "../trust/support/pki.ts";

const reference = createReferenceService({ key: makeKey("p256") });
const started: StartedService[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.close()));
});

async function open(
  handler: Handler,
  options: { token?: () => Promise<string>; timeout?: number; concurrency?: number } = {},
) {
  const server = await startService(handler);
  started.push(server);
  const fake = createFakeHost(0);
  const service = createSigningService({
    url: new URL("/sign?tenant=a", server.origin),
    exchange: createExchange(),
    concurrency: options.concurrency ?? 16,
    retrier: createRetrier(fake.host, { throttledCode: "E_SIGNER_THROTTLED" }),
    now: () => fake.host.now(),
    token: options.token,
    timeout: options.timeout ?? 5000,
    userAgent: "countersign/test",
  });
  return { ...fake, server, service };
}

const wanted = { schemaVersion: 1, operation: "describe" } as const;
const signing = {
  schemaVersion: 1,
  operation: "sign",
  format: "cosign",
  subject: { digest: `sha256:${"a".repeat(64)}` },
  algorithm: "ecdsa-p256-sha256",
  hash: "sha256",
  encoding: "der",
  mode: "message",
  message: Buffer.from("to sign").toString("base64"),
} as const;

describe("a request to a signing service", () => {
  it("is a POST of JSON to the address as it is, with the token and the key of the repetition", async () => {
    const { server, service } = await open(reference, { token: async () => "a-token" });
    await service.describe(wanted);
    await service.sign(signing, "abc");
    expect(server.requests.map(({ method, url }) => `${method} ${url.pathname}${url.search}`)).toEqual([
      "POST /sign?tenant=a",
      "POST /sign?tenant=a",
    ]);
    expect(server.requests.map(asked)).toEqual([wanted, signing]);
    const [describing, signed] = server.requests;
    expect(describing?.headers["idempotency-key"]).toBeUndefined();
    expect(signed?.headers).toMatchObject({
      authorization: "Bearer a-token",
      "content-type": "application/json",
      "idempotency-key": "abc",
    });
  });

  it("is tried again with the same key after 408, 429, 500, 502, 503, 504 and a broken connection", async () => {
    for (const fault of [...[408, 429, 500, 502, 503, 504].map((code) => status(code)), reset()]) {
      const { server, service } = await open(withFaults(reference, [{ nth: 1, fault }]));
      expect((await service.sign(signing, "abc")).signature).toMatch(/^[A-Za-z0-9+/]+=*$/);
      expect(server.requests.map(({ headers }) => headers["idempotency-key"])).toEqual(["abc", "abc"]);
    }
  });

  it("waits as long as the service asks for, and its fellows wait with it", async () => {
    const { service, sleeps } = await open(withFaults(reference, [{ nth: 1, fault: throttled(7) }]));
    await service.sign(signing, "abc");
    expect(sleeps).toEqual([7000]);
  });

  it("gives up after five attempts", async () => {
    const { server, service } = await open(withFaults(reference, [{ fault: status(429) }]));
    expect(await failureOf(service.sign(signing, "abc"))).toMatchObject({
      code: "E_SIGNER_THROTTLED",
      exit: 3,
      retry: true,
    });
    expect(server.requests).toHaveLength(5);
  });

  it("does not wait for longer than a minute", async () => {
    const { server, service } = await open(withFaults(reference, [{ fault: throttled(3600) }]));
    expect(await failureOf(service.sign(signing, "abc"))).toMatchObject({ code: "E_SIGNER_THROTTLED" });
    expect(server.requests).toHaveLength(1);
  });

  it("is one of as many at once as are permitted", async () => {
    const { server, service } = await open(withFaults(reference, [{ fault: slow(10) }]), { concurrency: 3 });
    await Promise.all(Array.from({ length: 12 }, (_, index) => service.sign(signing, String(index))));
    expect([server.requests.length, server.busiest]).toEqual([12, 3]);
  });

  it("asks for a token each time that it is made, repetitions included", async () => {
    let count = 0;
    const { server, service } = await open(withFaults(reference, [{ nth: 1, fault: status(503) }]), {
      token: async () => {
        count += 1;
        return `token-${count}`;
      },
    });
    await service.describe(wanted);
    expect(server.requests.map(({ headers }) => headers["authorization"])).toEqual([
      "Bearer token-1",
      "Bearer token-2",
    ]);
  });
});

describe("an answer", () => {
  it("of another status is quoted without the token", async () => {
    const { service } = await open(async () => answer(422, { error: "no such key; you are Bearer very-secret" }), {
      token: async () => "very-secret",
    });
    const failure = await failureOf(service.sign(signing, "abc"));
    expect(failure).toMatchObject({ code: "E_SIGNER_ANSWER", retry: false });
    expect(failure.message).toContain("no such key");
    expect(failure.message).not.toContain("very-secret");
  });

  it("that describes nothing, signs nothing or has another type is refused", async () => {
    for (const value of [
      {},
      [],
      null,
      "signature",
      { signature: 5 },
      { signature: "" },
      { signature: "not base64!" },
    ]) {
      const { service } = await open(async () => answer(200, value));
      expect(await failureOf(service.sign(signing, "abc"))).toMatchObject({ code: "E_SIGNER_ANSWER", exit: 3 });
      expect(await failureOf(service.describe(wanted))).toMatchObject({ code: "E_SIGNER_ANSWER", exit: 3 });
    }
  });

  it("with members of tomorrow is taken", async () => {
    const { service } = await open(async () => answer(200, { signature: "AAAA", audit: { id: 5 } }));
    expect(await service.sign(signing, "abc")).toMatchObject({ signature: "AAAA" });
  });

  it("of any other bytes ends in a code of its own", async () => {
    let body: Uint8Array = new Uint8Array();
    const { service } = await open(async () => ({ status: 200, headers: {}, body }));
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array({ maxLength: 300 }),
          fc.json().map((text) => Buffer.from(text)),
        ),
        async (bytes) => {
          body = bytes;
          const failure = await service.sign(signing, "abc").then(
            () => undefined,
            (error: unknown) => error,
          );
          expect(failure).toMatchObject({ code: "E_SIGNER_ANSWER" });
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("the key of a repetition", () => {
  it("is the same for the same bytes, key and algorithm, and another one for others", () => {
    const bytes = Buffer.from("payload");
    const key = idempotencyKeyOf(bytes, "sha256:aa", "ed25519");
    expect(key).toMatch(/^[0-9a-f]{64}$/);
    expect(idempotencyKeyOf(Buffer.from("payload"), "sha256:aa", "ed25519")).toBe(key);
    const others = [
      idempotencyKeyOf(Buffer.from("payloae"), "sha256:aa", "ed25519"),
      idempotencyKeyOf(bytes, "sha256:ab", "ed25519"),
      idempotencyKeyOf(bytes, "sha256:aa", "rsa-pkcs1-sha256"),
    ];
    expect(new Set([key, ...others]).size).toBe(4);
  });
});
