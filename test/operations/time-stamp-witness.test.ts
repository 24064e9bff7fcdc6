import { createHash, randomBytes } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { createTimeStampWitness } from "../../src/operations/time-stamp-witness.ts";
import { createExchange } from "../../src/platform/http.ts";
import { createRetrier } from "../../src/platform/retry.ts";
import { type Handler, type Served, type ServedRequest, type ServedResponse, serve } from "../../src/platform/serve.ts";
import { createTimeStampService } from "../../src/services/time-stamp.ts";
import { verifyTimeStamp } from "../../src/trust/time-stamp.ts";
import { createFakeHost, failureOf } from "../oci/fake-network.ts";
import { reset, slow, status, withFaults } from "../support/faults.ts";
import { integerOf, sequenceOf, utf8 } from "../trust/support/der-writer.ts";
import { DAY, NOW } from "../trust/support/pki.ts";
import { createStampAuthority, granted, makeToken, readRequest, type TokenSpec } from "../trust/support/time-stamps.ts";

const tsa = createStampAuthority();
const { signer, issuers } = tsa;
const trust = { anchors: [tsa.pki.root.certificate], intermediates: [], required: true, when: "always" } as const;
const signature = Buffer.from("the octets of a signature");

const served: Served[] = [];
afterEach(async () => {
  await Promise.all(served.splice(0).map((each) => each.close()));
});

const reply = (body: Uint8Array, more: Partial<ServedResponse> = {}): ServedResponse => ({
  status: 200,
  headers: { "content-type": "application/timestamp-reply" },
  body,
  ...more,
});

/** An authority that answers what it is asked, but for what `spec` changes. */
const authority =
  (spec: (asked: { imprint: Uint8Array; nonce: Uint8Array }) => Partial<TokenSpec> = () => ({})): Handler =>
  async ({ body }) => {
    const asked = readRequest(body);
    return reply(granted(makeToken({ signer, issuers, data: signature, ...asked, ...spec(asked) })));
  };

async function open(handler: Handler, options: { policy?: string; pinned?: boolean; timeout?: number } = {}) {
  const requests: ServedRequest[] = [];
  const server = await serve(async (request) => {
    requests.push(request);
    return handler(request);
  });
  served.push(server);
  const { host } = createFakeHost(0);
  const clock = { ...host, now: () => NOW, randomBytes: (length: number) => new Uint8Array(randomBytes(length)) };
  const service = createTimeStampService({
    url: new URL("/tsa", server.origin),
    exchange: createExchange(),
    retrier: createRetrier(host, { throttledCode: "E_TIMESTAMP_SERVICE" }),
    now: clock.now,
    timeout: options.timeout ?? 5000,
    concurrency: 4,
    userAgent: "countersign/test",
  });
  const witness = createTimeStampWitness({
    host: clock,
    service,
    trust: options.pinned === false ? undefined : trust,
    policy: options.policy,
  });
  return { requests, attest: () => witness.attest(signature, "ecdsa-p256-sha256") };
}

describe("asking a time-stamping authority", () => {
  it("sends the hash of the signature with a nonce and no credentials, and keeps the token that comes back", async () => {
    const { attest, requests } = await open(authority());
    const { token } = await attest();
    expect(verifyTimeStamp(token, signature, trust).ok).toBe(true);
    const [request] = requests;
    expect(request?.method).toBe("POST");
    expect(request?.headers).toMatchObject({ "content-type": "application/timestamp-query" });
    expect(Object.keys(request?.headers ?? {})).not.toContain("authorization");
    const asked = readRequest(request?.body ?? new Uint8Array());
    expect(Buffer.from(asked.imprint)).toEqual(createHash("sha256").update(signature).digest());
    expect(asked.nonce).toHaveLength(16);
  });

  it("never sends the same nonce twice", async () => {
    const { attest, requests } = await open(authority());
    await attest();
    await attest();
    const nonces = requests.map(({ body }) => Buffer.from(readRequest(body).nonce).toString("hex"));
    expect(new Set(nonces).size).toBe(2);
  });

  it("asks again after 429, 500, 503 and a broken connection", async () => {
    for (const fault of [status(429), status(500), status(503)]) {
      const { attest, requests } = await open(withFaults(authority(), [{ nth: 1, fault }]));
      await attest();
      expect(requests).toHaveLength(2);
    }
    const broken = await open(withFaults(authority(), [{ nth: 1, fault: reset() }]));
    await broken.attest();
    expect(broken.requests).toHaveLength(2);
  });

  it("takes 201 for an answer, as one that was told to says it", async () => {
    const { attest } = await open(async (request) => {
      const answer = await authority()(request);
      return answer && { ...answer, status: 201 };
    });
    await expect(attest()).resolves.toMatchObject({ kind: "rfc3161" });
  });

  it("believes whoever answers where nobody is pinned, but for what the token says", async () => {
    const other = createStampAuthority();
    const stranger = authority(() => ({ signer: other.signer, issuers: other.issuers }));
    await expect((await open(stranger, { pinned: false })).attest()).resolves.toMatchObject({ kind: "rfc3161" });
    const { attest } = await open(
      authority(() => ({ imprint: new Uint8Array(32) })),
      { pinned: false },
    );
    expect(await failureOf(attest())).toMatchObject({ code: "E_TIMESTAMP_MISMATCH" });
  });
});

describe("a token is refused before it is stored", () => {
  const other = createStampAuthority();
  it.each<[string, (asked: { nonce: Uint8Array }) => Partial<TokenSpec>, string]>([
    ["with another nonce", () => ({ nonce: new Uint8Array(16).fill(3) }), "E_TIMESTAMP_MISMATCH"],
    ["without a nonce", () => ({ nonce: undefined }), "E_TIMESTAMP_MISMATCH"],
    ["over something else", () => ({ imprint: new Uint8Array(32) }), "E_TIMESTAMP_MISMATCH"],
    ["of tomorrow", () => ({ at: new Date(NOW.getTime() + DAY) }), "E_TIMESTAMP_MISMATCH"],
    ["of yesterday", () => ({ at: new Date(NOW.getTime() - DAY) }), "E_TIMESTAMP_MISMATCH"],
    ["of a stranger", () => ({ signer: other.signer, issuers: other.issuers }), "E_TIMESTAMP_UNTRUSTED"],
    ["signed by another key", () => ({ key: other.signer.key }), "E_TIMESTAMP_INVALID"],
    ["changed on the way", () => ({ altered: true }), "E_TIMESTAMP_INVALID"],
  ])("%s", async (_, spec, code) => {
    const { attest, requests } = await open(authority(spec));
    expect(await failureOf(attest())).toMatchObject({ code });
    expect(requests).toHaveLength(1);
  });

  it("of an authority whose certificate has expired", async () => {
    const past = { notBefore: new Date(NOW.getTime() - 9 * DAY), notAfter: new Date(NOW.getTime() - DAY) };
    const expired = createStampAuthority(past);
    const { attest } = await open(authority(() => ({ signer: expired.signer, issuers: expired.issuers })));
    expect(await failureOf(attest())).toMatchObject({ code: "E_TIMESTAMP_UNTRUSTED" });
  });

  it("under another policy than was asked for", async () => {
    // With a policy in it the request has the nonce elsewhere: the answer's own tells.
    const { attest } = await open(authority(), { policy: "1.2.3.4" });
    expect(await failureOf(attest())).toMatchObject({ code: "E_TIMESTAMP_MISMATCH" });
  });
});

describe("an authority that gives no time stamp is told so in its own code", () => {
  const rejection = sequenceOf(
    sequenceOf(integerOf(2), sequenceOf(utf8("not\u001b[31m today")), Buffer.from("03020780", "hex")),
  );
  it.each<[string, Handler, RegExp, boolean]>([
    [
      "that rejects",
      async () => reply(rejection),
      /rejection: it does not take this hash algorithm: "not \[31m today"/,
      false,
    ],
    [
      "that answers HTML",
      async () => reply(Buffer.from("<html>"), { headers: { "content-type": "text/html" } }),
      /"text\/html"/,
      false,
    ],
    ["that answers rubbish", async () => reply(Buffer.from("rubbish")), /is no time stamp/, false],
    ["that answers nothing", async () => reply(new Uint8Array()), /is no time stamp/, false],
    ["that answers without end", async () => reply(new Uint8Array(300 * 1024)), /more than 262144 bytes/, false],
    [
      "that redirects",
      async () => reply(new Uint8Array(), { status: 302, headers: { location: "http://127.0.0.1:1/" } }),
      /redirects/,
      false,
    ],
    [
      "that is not there",
      async () => reply(Buffer.from("no such page"), { status: 404 }),
      /it answers 404 no such page/,
      false,
    ],
    ["that fails on and on", async () => reply(Buffer.from("busy"), { status: 503 }), /it answers 503 busy/, true],
  ])("%s", async (_, handler, message, retry) => {
    const failure = await failureOf((await open(handler)).attest());
    expect(failure).toMatchObject({ code: "E_TIMESTAMP_SERVICE", retry });
    expect(failure.message).toMatch(message);
  });

  it("that is down ends in E_NETWORK, one too slow in E_TIMEOUT", async () => {
    const down = await open(authority());
    await served.splice(0)[0]?.close();
    expect(await failureOf(down.attest())).toMatchObject({ code: "E_NETWORK", retry: true });
    const late = await open(withFaults(authority(), [{ fault: slow(2000) }]), { timeout: 100 });
    const failure = await failureOf(late.attest());
    expect(failure).toMatchObject({ code: "E_TIMEOUT", retry: true });
    expect(failure.hint).toMatch(/--timestamp-timeout/);
  });
});
