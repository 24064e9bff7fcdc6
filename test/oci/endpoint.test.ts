import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { CountersignError } from "../../src/model/errors.ts";
import { ANONYMOUS } from "../../src/oci/credential.ts";
import { createEndpoint } from "../../src/oci/endpoint.ts";
import { createRegistry } from "../../src/oci/registry-client.ts";
import { createExchange, type HttpOptions } from "../../src/platform/http.ts";
import { createTestCa, type Issued } from "../platform/tls-material.ts";
import { type StartedRegistry, type StartOptions, startRegistry } from "../support/start-registry.ts";
import { createFakeHost, failureOf, json, openRepository } from "./fake-network.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

let ca: Awaited<ReturnType<typeof createTestCa>>;
let server: Issued;
beforeAll(async () => {
  ca = await createTestCa("Test CA");
  server = await ca.issue("server");
});

async function start(
  options: StartOptions,
  http: HttpOptions = {},
): Promise<{ served: StartedRegistry; get: () => Promise<unknown> }> {
  const served = await startRegistry(options);
  const exchange = createExchange(http);
  closers.push(served.close, exchange.close);
  const registry = createRegistry({ exchange, host: createFakeHost().host, credentials: ANONYMOUS });
  return { served, get: () => registry.repository({ registry: served.host, repository: "app" }).getManifest("v1") };
}

describe("a registry on this machine", () => {
  it("is spoken to in plain HTTP", async () => {
    const { served, get } = await start({});
    expect(await get()).toBeUndefined();
    expect(served.requests).toHaveLength(1);
  });

  it("may speak TLS, also to many at once", async () => {
    const { served, get } = await start({ tls: server }, { tls: { ca: ca.ca } });
    expect(await Promise.all([get(), get(), get()])).toEqual([undefined, undefined, undefined]);
    expect(await get()).toBeUndefined();
    expect(served.requests).toHaveLength(4);
  });

  it("may demand a client certificate", async () => {
    const robot = await ca.issue("robot");
    const { get } = await start({ tls: { ...server, clientCa: ca.ca } }, { tls: { ca: ca.ca, ...robot } });
    expect(await get()).toBeUndefined();
  });

  it("with a certificate that is not trusted is not spoken to", async () => {
    const { served, get } = await start({ tls: server });
    expect(await failureOf(get())).toMatchObject({ code: "E_TLS" });
    expect(served.requests).toEqual([]);
  });

  it("that is not there is said not to be there", async () => {
    const { served, get } = await start({});
    await served.close();
    const failure = await failureOf(get());
    expect(failure).toMatchObject({ code: "E_NETWORK", retry: true });
    expect(failure.message).toContain("ECONNREFUSED");
  });

  it("that resets plain connections is not said to have bad TLS", async () => {
    const { get } = await start({ wrap: [() => async () => undefined] });
    expect(await failureOf(get())).toMatchObject({ code: "E_NETWORK" });
  });

  it("that says in plain HTTP that it wants HTTPS gets it", async () => {
    const go = async () => ({ status: 400, headers: {}, body: "Client sent an HTTP request to an HTTPS server.\n" });
    const origins = { "http://localhost:5000": go, "https://localhost:5000": async () => json(404, {}) };
    const { repository, lines } = openRepository(origins, { registry: "localhost:5000" });
    expect(await repository.getManifest("v1")).toBeUndefined();
    await repository.getManifest("v1");
    expect(lines()).toHaveLength(3);
  });

  it("that answers 400 for another reason is quoted", async () => {
    const bad = async () => json(400, { errors: [{ code: "TAG_INVALID", message: "no" }] });
    const { repository } = openRepository({ "http://localhost:5000": bad }, { registry: "localhost:5000" });
    expect((await failureOf(repository.getManifest("v1"))).message).toContain("400 TAG_INVALID: no");
  });
});

describe("a registry elsewhere", () => {
  const plain = { "http://registry.example.com": async () => json(404, {}) };

  it("is spoken to in HTTPS alone", async () => {
    const { repository, requests } = openRepository(plain);
    expect(await failureOf(repository.getManifest("v1"))).toMatchObject({ code: "E_NETWORK" });
    expect(requests.every(({ origin }) => origin === "https://registry.example.com")).toBe(true);
  });

  it("is spoken to in plain HTTP when that is allowed and HTTPS is not there", async () => {
    const { repository, requests } = openRepository(plain, { allowHttp: true });
    expect(await repository.getManifest("v1")).toBeUndefined();
    await repository.getManifest("v1");
    expect(requests.map(({ origin }) => new URL(origin).protocol)).toEqual(["https:", "http:", "http:"]);
  });

  it("is never fallen back from for a certificate that is not trusted, even then", async () => {
    const cause = Object.assign(new Error("self-signed"), { code: "DEPTH_ZERO_SELF_SIGNED_CERT" });
    const untrusted = () => Promise.reject(new CountersignError("E_TLS", "not trusted", { cause }));
    const { repository, requests } = openRepository(
      { ...plain, "https://registry.example.com": untrusted },
      { allowHttp: true },
    );
    expect(await failureOf(repository.getManifest("v1"))).toMatchObject({ code: "E_TLS" });
    expect(requests).toHaveLength(1);
  });

  it("that answered once in HTTPS is not fallen back from later", async () => {
    let turn = 0;
    const flaky = async () => {
      turn += 1;
      return turn === 1 ? json(404, {}) : undefined;
    };
    const origins = { ...plain, "https://registry.example.com": flaky };
    const { repository, to } = openRepository(origins, { allowHttp: true });
    await repository.getManifest("v1");
    expect(await failureOf(repository.getManifest("v1"))).toMatchObject({ code: "E_NETWORK" });
    expect(to("http://registry.example.com")).toEqual([]);
  });
});

describe("a fault behind the first answer", () => {
  it("is no reason to speak another scheme to the registry", async () => {
    const origins = {
      "https://registry.example.com": async () => ({
        status: 307,
        headers: { location: "https://blobs.example.net/x" },
      }),
      "https://blobs.example.net": async () => undefined,
      "http://registry.example.com": async () => json(404, {}),
    };
    const { repository, to } = openRepository(origins, { allowHttp: true });
    expect(await failureOf(repository.getManifest("v1"))).toMatchObject({ code: "E_NETWORK" });
    expect(to("http://registry.example.com")).toEqual([]);
  });
});

describe("the host of a registry", () => {
  it.each(["registry.example.com", "registry.example.com:5000", "localhost", "[::1]:5000", "10.0.0.1"])(
    "may be %s",
    (name) => {
      expect(createEndpoint(name, false).host).toBe(name);
    },
  );
});
