import { afterEach, describe, expect, it } from "vitest";
import type { ErrorCode, ExitCode } from "../../src/model/error-codes.ts";
import type { Handler } from "../../src/platform/serve.ts";
import { createTestCa } from "../platform/tls-material.ts";
import { type Fault, redirect, reset, slow, status, throttled, withFaults } from "../support/faults.ts";
import { pushImage, storageSink } from "../support/images.ts";
import {
  answer,
  asked,
  createReferenceService,
  githubTokens,
  type StartedService,
  startService,
} from "../support/signing-service.ts";
import { type StartedRegistry, startRegistry } from "../support/start-registry.ts";
import { createPki, makeKey, NOW } from "../trust/support/pki.ts";
import { publicKeyPem } from "./support/keys.ts";
import { createMachine, type RunOptions } from "./support/machine.ts";
import { expectClean, parseReport, saidIn, storageState } from "./support/refusals.ts";
import { onlyImage, signReportOf, verifyReportOf } from "./support/reports.ts";
import { SECRETS } from "./support/secrets.ts";

const machine = createMachine();
const pki = createPki();
const other = createPki();
const chain = [pki.leaf, ...pki.intermediates].map(({ pem }) => pem);
const root = machine.file("root.pem", pki.root.pem);
const reference = createReferenceService({ key: pki.key, certificates: chain });
const trust = ["--ca-roots", root, "--certificate-identity", "release@example.com"];

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

async function registryWith(...tags: readonly string[]): Promise<StartedRegistry> {
  const registry = await startRegistry();
  closing.push(registry.close);
  for (const tag of tags) await pushImage(storageSink(registry.storage, "app"), { tag, seed: tag });
  return registry;
}

async function serviceOf(...parameters: Parameters<typeof startService>): Promise<StartedService> {
  const service = await startService(...parameters);
  closing.push(service.close);
  return service;
}

async function sign(args: readonly string[], options: RunOptions = {}, secrets: readonly string[] = []) {
  const run = await machine.run(["sign", "--output", "json", ...args], options);
  expectClean(run, secrets);
  return run;
}

async function verdict(args: readonly string[]) {
  return verifyReportOf(await machine.run(["verify", "--output", "json", ...args])).verdict;
}

/** Describes itself, then fails three times in three ways before it signs. */
function flaky(handler: Handler): Handler {
  // The rule that acts keeps those inside from counting: each has its turn when the ones around it have had theirs.
  return [throttled(2), reset(), status(503)].reduce<Handler>(
    (inner, fault) => withFaults(inner, [{ nth: 2, fault }]),
    handler,
  );
}

describe("signing by a signing service", () => {
  it("takes key and certificates from the service, and signs every format with them", async () => {
    const [registry, service] = [await registryWith("1"), await serviceOf(reference)];
    const image = `${registry.host}/app:1`;
    const run = await sign(["--signer", service.address, "--format", "cosign,bundle", image]);
    expect(run.exit, run.stdout).toBe(0);
    expect(onlyImage(signReportOf(run)).signatures.map(({ format, added }) => [format, added])).toEqual([
      ["cosign", true],
      ["bundle", true],
    ]);
    expect(service.requests.map(asked).map(({ operation }) => operation)).toEqual(["describe", "sign", "sign"]);
    expect(await verdict([...trust, image])).toBe("trusted");
  });

  it("asks for nothing but signatures when the flags have the certificates, and for none that is there already", async () => {
    const [registry, service] = [await registryWith("1"), await serviceOf(reference)];
    const args = [
      ...["--signer", service.address, "--certificate", machine.file("leaf.pem", pki.leaf.pem)],
      ...["--certificate-chain", machine.file("chain.pem", chain.join(""))],
      `${registry.host}/app:1`,
    ];
    expect((await sign(args)).exit).toBe(0);
    expect(service.requests.map(asked).map(({ operation }) => operation)).toEqual(["sign"]);
    expect(onlyImage(signReportOf(await sign(args))).status).toBe("unchanged");
    expect(service.requests).toHaveLength(1);
  });

  it("tells the service what it signs for, and by which of its keys", async () => {
    const [registry, service] = [await registryWith("1"), await serviceOf(reference)];
    const run = await sign(["--signer", service.address, "--signer-key-id", "release", `${registry.host}/app:1`]);
    const { digest } = onlyImage(signReportOf(run));
    const [describing, signing] = service.requests.map(asked);
    expect(describing).toEqual({ schemaVersion: 1, operation: "describe", keyId: "release" });
    expect(signing).toMatchObject({
      keyId: "release",
      format: "cosign",
      subject: { digest, repository: `${registry.host}/app` },
      algorithm: "ecdsa-p256-sha256",
      hash: "sha256",
      encoding: "der",
      mode: "message",
    });
    expect(service.requests[1]?.headers["idempotency-key"]).toMatch(/^[0-9a-f]{64}$/);
  });

  it("sends the digest alone when told", async () => {
    const [registry, service] = [await registryWith("1"), await serviceOf(reference)];
    const image = `${registry.host}/app:1`;
    const run = await sign(["--signer", service.address, "--signer-input", "digest", "--format", "bundle", image]);
    expect(run.exit, run.stdout).toBe(0);
    const signing = asked(service.requests[1] as (typeof service.requests)[number]);
    expect(signing).toMatchObject({ mode: "digest" });
    expect(signing).not.toHaveProperty("message");
    expect(await verdict([...trust, image])).toBe("trusted");
  });

  it("takes bare keys of every type, RSA-PSS and SHA-512 too", async () => {
    for (const [kind, algorithm] of [
      ["p384", undefined],
      ["rsa2048", "rsa-pss-sha512"],
      ["ed25519", undefined],
    ] as const) {
      const key = makeKey(kind);
      const [registry, service] = [await registryWith("1"), await serviceOf(createReferenceService({ key }))];
      const image = `${registry.host}/app:1`;
      const asking = algorithm === undefined ? [] : ["--signing-algorithm", algorithm];
      const run = await sign(["--signer", service.address, ...asking, image]);
      expect(run.exit, run.stdout).toBe(0);
      expect(await verdict(["--key", machine.file("bare.pub", publicKeyPem(key)), image])).toBe("trusted");
    }
  });

  it("takes r and s in line, said and unsaid", async () => {
    for (const encoding of ["p1363", undefined]) {
      const rs: Fault = async (_, next) => {
        const given = await next();
        const { signature, ...rest } = JSON.parse(String(given?.body)) as { signature?: string };
        if (signature === undefined) return given;
        return answer(200, { ...rest, signature: inLine(signature), encoding });
      };
      const [registry, service] = [await registryWith("1"), await serviceOf(withFaults(reference, [{ fault: rs }]))];
      const run = await sign(["--signer", service.address, `${registry.host}/app:1`]);
      expect(run.exit, run.stdout).toBe(0);
    }
  });

  it("keeps to as many requests at once as are permitted", async () => {
    const tags = Array.from({ length: 24 }, (_, index) => `t${index}`);
    const registry = await registryWith(...tags);
    const service = await serviceOf(withFaults(reference, [{ fault: slow(20) }]));
    const run = await sign(["--signer", service.address, "--signer-concurrency", "3", "--all", `${registry.host}/app`]);
    expect(run.exit, run.stdout).toBe(0);
    expect([service.requests.length, service.busiest]).toEqual([25, 3]);
  });

  it("repeats under the same key what failed for a moment", async () => {
    const [registry, service] = [await registryWith("1"), await serviceOf(flaky(reference))];
    const run = await sign(["--signer", service.address, `${registry.host}/app:1`]);
    expect(run.exit, run.stdout).toBe(0);
    // One wait is as long as the service asked for; the others are drawn at random.
    expect(run.slept).toBeGreaterThanOrEqual(2000);
    const keys = service.requests.slice(1).map(({ headers }) => headers["idempotency-key"]);
    expect([keys.length, new Set(keys).size]).toEqual([4, 1]);
  });
});

/** What stands in for a good service once it has described itself. */
interface BadService {
  readonly name: string;
  readonly fault: Fault;
  readonly code: ErrorCode;
  readonly exit: Exclude<ExitCode, 0>;
  readonly says?: string;
  readonly flags?: readonly string[];
}

const signed =
  (change: (answer: Record<string, unknown>) => Record<string, unknown>): Fault =>
  async (_, next) =>
    answer(200, change(JSON.parse(String((await next())?.body)) as Record<string, unknown>));

const otherBytes: Fault = async (request) =>
  reference({
    ...request,
    body: Buffer.from(JSON.stringify({ ...asked(request), message: Buffer.from("something else").toString("base64") })),
  });

const huge = `{"signature":"${"A".repeat(1_000_000)}"}`;
const secretly = `Bearer ${SECRETS.bearer}`;

const bad: readonly BadService[] = [
  { name: "throttles", fault: throttled(1), code: "E_SIGNER_THROTTLED", exit: 3, says: "429" },
  { name: "throttles for an hour", fault: throttled(3600), code: "E_SIGNER_THROTTLED", exit: 3, says: "3600 s" },
  { name: "fails", fault: status(503, {}, "out of order"), code: "E_SIGNER_FAILED", exit: 3, says: "out of order" },
  { name: "cuts the connection", fault: reset(), code: "E_NETWORK", exit: 3 },
  {
    name: "does not answer in time",
    fault: slow(2000),
    code: "E_TIMEOUT",
    exit: 3,
    flags: ["--signer-timeout", "0.1"],
  },
  { name: "denies", fault: status(401, {}, `no: ${secretly}`), code: "E_SIGNER_DENIED", exit: 3, says: "no: " },
  { name: "forbids", fault: status(403), code: "E_SIGNER_DENIED", exit: 3 },
  { name: "knows no such key", fault: status(404), code: "E_SIGNER_ANSWER", exit: 3, says: "404" },
  { name: "answers a page", fault: status(200, {}, "<html>log in</html>"), code: "E_SIGNER_ANSWER", exit: 3 },
  { name: "answers nothing", fault: status(200), code: "E_SIGNER_ANSWER", exit: 3 },
  { name: "answers a megabyte", fault: status(200, {}, huge), code: "E_SIGNER_ANSWER", exit: 3, says: "262144" },
  {
    name: "answers a member twice",
    fault: status(200, {}, '{"signature":"AAAA","signature":"BBBB"}'),
    code: "E_SIGNER_ANSWER",
    exit: 3,
    says: "twice",
  },
  {
    name: "answers what is no signature",
    fault: signed((given) => ({ ...given, signature: "AAAA" })),
    code: "E_SIGNER_ANSWER",
    exit: 3,
    says: "3 bytes",
  },
  {
    name: "names another encoding than it has",
    fault: signed((given) => ({ ...given, encoding: "p1363" })),
    code: "E_SIGNER_ANSWER",
    exit: 3,
  },
  { name: "signs other bytes", fault: otherBytes, code: "E_SIGNATURE_INVALID", exit: 1 },
  {
    name: "signs with another key",
    fault: async (request) => createReferenceService({ key: other.key })(request),
    code: "E_SIGNATURE_INVALID",
    exit: 1,
  },
  {
    name: "returns another key's certificate",
    fault: signed((given) => ({ ...given, certificates: [other.leaf.pem] })),
    code: "E_CERTIFICATE_KEY_MISMATCH",
    exit: 1,
  },
  {
    name: "returns another public key",
    fault: signed((given) => ({ ...given, publicKey: publicKeyPem(other.key) })),
    code: "E_CERTIFICATE_KEY_MISMATCH",
    exit: 1,
  },
  {
    name: "returns a certificate that is none",
    fault: signed((given) => ({
      ...given,
      certificates: ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"],
    })),
    code: "E_SIGNER_ANSWER",
    exit: 3,
  },
];

describe("a signing service that", () => {
  for (const { name, fault, code, exit, says, flags = [] } of bad) {
    it(`${name}: ${code}, exit ${exit}, nothing stored`, async () => {
      const registry = await registryWith("1");
      const onSigning: Fault = (request, next) => (asked(request).operation === "sign" ? fault(request, next) : next());
      const service = await serviceOf(withFaults(reference, [{ fault: onSigning }]));
      const before = storageState(registry);
      const token = ["--signer-token", machine.file("token", `${SECRETS.bearer}\n`)];
      const run = await sign(["--signer", service.address, ...token, ...flags, `${registry.host}/app:1`]);
      const said = saidIn(parseReport(run.stdout));
      expect(said.map((each) => each.code)).toEqual([code]);
      expect(run.exit).toBe(exit);
      if (says !== undefined) expect(said[0]?.message).toContain(says);
      expect(said[0]?.hint).toBeTruthy();
      expect(storageState(registry)).toBe(before);
      expect(registry.count("POST") + registry.count("PUT")).toBe(0);
    });
  }

  it("redirects is not followed, and the token goes no further", async () => {
    for (const code of [301, 302, 307, 308]) {
      const registry = await registryWith("1");
      const elsewhere = await serviceOf(reference);
      const service = await serviceOf(withFaults(reference, [{ fault: redirect(`${elsewhere.origin}/sign`, code) }]));
      const token = ["--signer-token", "env://SIGNING_TOKEN"];
      const run = await sign(["--signer", service.address, ...token, `${registry.host}/app:1`], {
        env: { SIGNING_TOKEN: SECRETS.bearer },
      });
      expect(saidIn(parseReport(run.stdout)).map((each) => each.code)).toEqual(["E_SIGNER_REDIRECT"]);
      expect(run.exit).toBe(3);
      expect(service.requests[0]?.headers["authorization"]).toBe(secretly);
      expect(elsewhere.requests).toEqual([]);
      expect(registry.requests).toEqual([]);
    }
  });

  it("describes certificates that form no path is refused before the registry is asked", async () => {
    const registry = await registryWith("1");
    for (const [certificates, code] of [
      [[pki.leaf.pem, ...other.intermediates.map(({ pem }) => pem)], "E_CERTIFICATE_SIGNATURE"],
      [[], "E_SIGNER_ANSWER"],
      [["nonsense"], "E_SIGNER_ANSWER"],
    ] as const) {
      const service = await serviceOf(createReferenceService({ key: pki.key, certificates }));
      const run = await sign(["--signer", service.address, `${registry.host}/app:1`]);
      expect(saidIn(parseReport(run.stdout)).map((each) => each.code)).toEqual([code]);
      expect(registry.requests).toEqual([]);
    }
  });

  it("has another key than the certificate named by flag stores nothing", async () => {
    const registry = await registryWith("1");
    const service = await serviceOf(reference);
    const named = ["--certificate", machine.file("other.pem", other.leaf.pem)];
    const run = await sign(["--signer", service.address, ...named, `${registry.host}/app:1`]);
    expect(saidIn(parseReport(run.stdout)).map((each) => each.code)).toEqual(["E_SIGNATURE_INVALID"]);
    expect(run.exit).toBe(1);
    expect(registry.count("POST") + registry.count("PUT")).toBe(0);
  });
});

describe("who asks a signing service", () => {
  const demanding =
    (wanted: string): ((handler: Handler) => Handler) =>
    (handler) =>
    async (request) =>
      request.headers["authorization"] === wanted ? handler(request) : answer(401, { error: "who are you?" });

  it("is told by the token of a GitHub Actions job, made out to the service or to the audience named", async () => {
    const secret = "runner's-request-token-77";
    for (const audience of [undefined, "api://signing"]) {
      const [registry, service] = [await registryWith("1"), await serviceOf(reference)];
      const github = await serviceOf(githubTokens(secret, () => NOW.getTime() / 1000 + 600));
      const named = audience === undefined ? [] : ["--signer-audience", audience];
      const run = await sign(
        ["--signer", service.address, "--signer-token", "github-actions", ...named, `${registry.host}/app:1`],
        { env: { ACTIONS_ID_TOKEN_REQUEST_URL: `${github.origin}/?v=1`, ACTIONS_ID_TOKEN_REQUEST_TOKEN: secret } },
        [secret],
      );
      expect(run.exit, run.stdout).toBe(0);
      expect(github.requests.map(({ url }) => url.searchParams.get("audience"))).toEqual([audience ?? service.host]);
      const shown = new Set(service.requests.map(({ headers }) => headers["authorization"]));
      expect([...shown]).toEqual([expect.stringMatching(/^Bearer .+\.signature$/)]);
      expect(JSON.stringify([service.requests, registry.requests])).not.toContain(secret);
      expect(run.stdout + run.stderr).not.toContain(".signature");
    }
  });

  it("is told by GitLab's token from a variable", async () => {
    const [registry, service] = [await registryWith("1"), await serviceOf(demanding(secretly)(reference))];
    const run = await sign(
      ["--signer", service.address, "--signer-token", "env://SIGN_ID_TOKEN", `${registry.host}/app:1`],
      {
        env: { SIGN_ID_TOKEN: SECRETS.bearer },
      },
    );
    expect(run.exit, run.stdout).toBe(0);
  });

  it("is not told to the registry, nor is the registry's user to the service", async () => {
    const [registry, service] = [await registryWith("1"), await serviceOf(reference)];
    await sign(
      [
        ...["--signer", service.address, "--signer-token", "env://SIGN_ID_TOKEN"],
        ...["--registry-token", "env://REGISTRY_TOKEN", `${registry.host}/app:1`],
      ],
      { env: { SIGN_ID_TOKEN: SECRETS.bearer, REGISTRY_TOKEN: SECRETS.identity } },
    );
    expect(JSON.stringify(registry.requests)).not.toContain(SECRETS.bearer);
    expect(JSON.stringify(service.requests.map(({ headers }) => headers))).not.toContain(SECRETS.identity);
  });

  it("is told by a client certificate, over TLS under a certificate authority of the service's own", async () => {
    const [servers, clients] = [await createTestCa("service CA"), await createTestCa("client CA")];
    const [server, client] = [await servers.issue("sign"), await clients.issue("pipeline")];
    const registry = await registryWith("1");
    const service = await serviceOf(reference, { key: server.key, cert: server.cert, clientCa: clients.ca });
    expect(service.address).toMatch(/^https\+sign:\/\//);
    const image = `${registry.host}/app:1`;
    const cacert = ["--signer-cacert", machine.file("ca.pem", servers.ca)];
    const cert = ["--signer-client-cert", machine.file("client.pem", client.cert)];
    const key = ["--signer-client-key", machine.file("client.key", client.key)];
    const run = await sign(["--signer", service.address, ...cacert, ...cert, ...key, image]);
    expect(run.exit, run.stdout).toBe(0);

    const codes = async (...flags: readonly string[]) => {
      const failed = await sign(["--signer", service.address, ...flags, image]);
      return [failed.exit, ...saidIn(parseReport(failed.stdout)).map((each) => each.code)];
    };
    expect(await codes(...cert, ...key)).toEqual([3, "E_TLS"]);
    expect((await codes(...cacert))[0]).toBe(3);
    expect(await codes(...cacert, ...cert)).toEqual([2, "E_CONFIG_INVALID"]);
  });
});

describe("the address of a signing service", () => {
  const refusals: readonly (readonly [address: string, code: ErrorCode, ...flags: string[]])[] = [
    ["http+sign://sign.example.com/", "E_INSECURE_ADDRESS"],
    ["https+sign://user:planted@sign.example.com/", "E_INSECURE_ADDRESS"],
    ["https+sign://", "E_USAGE"],
    ["https+sign://sign.example.com/", "E_USAGE", "--signer-audience", "somebody"],
    ["https+sign://sign.example.com/", "E_ENVIRONMENT_EMPTY", "--signer-token", "github-actions"],
    ["https+sign://sign.example.com/", "E_ENVIRONMENT_EMPTY", "--signer-token", "env://NOT_SET"],
    ["https+sign://sign.example.com/", "E_FILE_UNREADABLE", "--signer-token", "no-such-file"],
    ["https+sign://sign.example.com/", "E_FILE_UNREADABLE", "--signer-cacert", "no-such-file"],
    ["https+sign://sign.example.com/", "E_CONFIG_INVALID", "--signer-cacert", root.replace("root.pem", "nothing.pem")],
  ];
  machine.file("nothing.pem", "nothing");
  it.each(refusals)("%s ends in %s before any request (%s %s)", async (address, code, ...flags) => {
    const run = await sign(["--signer", address, ...flags.filter(Boolean), "127.0.0.1:1/app:1"]);
    expect([run.exit, ...saidIn(parseReport(run.stdout)).map((each) => each.code)]).toEqual([2, code]);
    expect(run.stdout).not.toContain("planted");
  });
});

/** r and s in line from DER, for P-256. */
function inLine(signature: string): string {
  const der = Buffer.from(signature, "base64");
  const rEnd = 4 + (der[3] ?? 0);
  const fixed = (integer: Buffer) => {
    const digits = integer[0] === 0 ? integer.subarray(1) : integer;
    return Buffer.concat([Buffer.alloc(32 - digits.length), digits]);
  };
  return Buffer.concat([fixed(der.subarray(4, rEnd)), fixed(der.subarray(rEnd + 2))]).toString("base64");
}
