import { afterEach, describe, expect, it } from "vitest";
import { createExchange } from "../../src/platform/http.ts";
import { createRetrier } from "../../src/platform/retry.ts";
import type { Handler } from "../../src/platform/serve.ts";
import { createGithubToken } from "../../src/services/github-token.ts";
import { createFakeHost, failureOf } from "../oci/fake-network.ts";
import { redirect, status, withFaults } from "../support/faults.ts";
import { githubTokens, type StartedService, startService } from "../support/signing-service.ts";

const started: StartedService[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.close()));
});

const secret = "the-runner's-own-token";

async function open(wrap: (handler: Handler) => Handler = (handler) => handler, lifetime = 600) {
  const fake = createFakeHost(0);
  const server = await startService(wrap(githubTokens(secret, () => fake.host.now().getTime() / 1000 + lifetime)));
  started.push(server);
  const token = createGithubToken({
    env: {
      ACTIONS_ID_TOKEN_REQUEST_URL: `${server.origin}/token?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: secret,
    },
    audience: "sign.example.com & more",
    exchange: createExchange(),
    retrier: createRetrier(fake.host, { throttledCode: "E_IDENTITY_TOKEN" }),
    now: fake.host.now,
    userAgent: "countersign/test",
  });
  return { ...fake, server, token };
}

const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as unknown;

describe("the OIDC token of a GitHub Actions job", () => {
  it("is for the audience that was asked for", async () => {
    const { server, token } = await open();
    expect(claimsOf(await token())).toMatchObject({ aud: "sign.example.com & more" });
    expect(server.requests.map(({ url }) => url.search)).toEqual([
      "?api-version=2.0&audience=sign.example.com+%26+more",
    ]);
  });

  it("is asked for once by all who want it at the same time, and again shortly before it expires", async () => {
    const { server, token, pass } = await open();
    const first = await Promise.all([token(), token(), token()]);
    pass(560_000);
    expect(await token()).toBe(first[0]);
    expect(server.requests).toHaveLength(1);
    pass(20_000);
    const later = await Promise.all([token(), token()]);
    expect(later[0]).not.toBe(first[0]);
    expect(server.requests).toHaveLength(2);
  });

  it("is asked for again after a failure, and when the runner's host fails for a moment", async () => {
    const { server, token } = await open((handler) => withFaults(handler, [{ nth: 1, fault: status(500) }]));
    await token();
    expect(server.requests).toHaveLength(2);
  });

  it("is refused by a code of its own, which shows no secret", async () => {
    for (const fault of [status(403, {}, secret), status(200, {}, "{}"), redirect("https://elsewhere.example.com/")]) {
      const { token } = await open((handler) => withFaults(handler, [{ fault }]));
      const failure = await failureOf(token());
      expect(failure).toMatchObject({ code: "E_IDENTITY_TOKEN", exit: 3, retry: false });
      expect(failure.message).not.toContain(secret);
    }
  });

  it("is not to be had outside a job, nor from an address in the clear", () => {
    const fake = createFakeHost();
    const common = {
      audience: "a",
      exchange: createExchange(),
      retrier: createRetrier(fake.host, { throttledCode: "E_IDENTITY_TOKEN" }),
      now: fake.host.now,
      userAgent: "countersign/test",
    };
    expect(() => createGithubToken({ ...common, env: {} })).toThrow(
      expect.objectContaining({ code: "E_ENVIRONMENT_EMPTY" }),
    );
    const env = { ACTIONS_ID_TOKEN_REQUEST_URL: "http://runner.example.com/", ACTIONS_ID_TOKEN_REQUEST_TOKEN: secret };
    expect(() => createGithubToken({ ...common, env })).toThrow(
      expect.objectContaining({ code: "E_INSECURE_ADDRESS" }),
    );
  });
});
