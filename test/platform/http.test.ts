import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { CountersignError } from "../../src/model/errors.ts";
import { readBody } from "../../src/platform/body.ts";
import type { HttpRequest, HttpResponse } from "../../src/platform/exchange.ts";
import { createExchange, type HttpExchange, type HttpOptions } from "../../src/platform/http.ts";
import { type Handler, type ServeOptions, serve } from "../../src/platform/serve.ts";
import { createTestCa, type Issued } from "./tls-material.ts";

const closers: (() => unknown)[] = [];
const environment = { ...process.env };
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  for (const name of Object.keys(process.env)) if (/_proxy$/i.test(name)) delete process.env[name];
  for (const [name, value] of Object.entries(environment)) if (/_proxy$/i.test(name)) process.env[name] = value;
});

async function serving(handler: Handler, options: ServeOptions = {}): Promise<string> {
  const served = await serve(handler, options);
  closers.push(served.close);
  return served.origin;
}

function client(options: HttpOptions = {}): HttpExchange {
  const exchange = createExchange(options);
  closers.push(exchange.close);
  return exchange;
}

/** A server that speaks as told, connection by connection. */
async function speaking(talk: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => talk(socket.on("error", () => {})));
  return `http://127.0.0.1:${await listening(server)}`;
}

async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const get = (address: string, more: Partial<HttpRequest> = {}): HttpRequest => ({
  method: "GET",
  url: new URL(address),
  headers: {},
  ...more,
});
const hello: Handler = async () => ({ status: 200, headers: { "x-a": "b" }, body: "hello" });
const textOf = async (response: HttpResponse) => Buffer.from(await readBody(response, 1 << 20)).toString();

async function failure(work: Promise<unknown>): Promise<CountersignError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof CountersignError) return error;
  throw new Error(`no error of ours: ${error}`);
}

describe("an exchange over HTTP", () => {
  it("tells once that its first request has gone out, before the answer comes", async () => {
    const events: string[] = [];
    let answer = () => {};
    const held = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const origin = await serving(async (request) => {
      await held;
      return hello(request);
    });
    const exchange = client({
      onFirstSent() {
        events.push("sent");
        answer();
      },
    });
    for (const name of ["first", "second"]) {
      await textOf(await exchange(get(origin)));
      events.push(name);
    }
    expect(events).toEqual(["sent", "first", "second"]);
  });

  it("carries method, address, headers and body there, and status, headers and body back", async () => {
    const origin = await serving(async ({ method, url, headers, body }) => ({
      status: 201,
      headers: { "x-two": ["a", "b"], "content-type": "application/json" },
      body: JSON.stringify({
        method,
        path: url.pathname + url.search,
        sent: headers["x-sent"],
        body: Buffer.from(body).toString(),
      }),
    }));
    const body = new TextEncoder().encode("payload");
    const response = await client()(
      get(`${origin}/a%2Fb?c=d#e`, { method: "PUT", headers: { "x-sent": "yes" }, body }),
    );
    expect(response.status).toBe(201);
    expect(response.header("X-Two")).toBe("a, b");
    expect(response.header("absent")).toBeUndefined();
    expect(JSON.parse(await textOf(response))).toEqual({
      method: "PUT",
      path: "/a%2Fb?c=d",
      sent: "yes",
      body: "payload",
    });
  });

  it("keeps its connection when bodies are read or let go", async () => {
    const sockets = new Set<unknown>();
    const server = createHttpServer((request, response) => {
      sockets.add(request.socket);
      response.end("hello");
    });
    const origin = `http://127.0.0.1:${await listening(server)}`;
    const exchange = client();
    await textOf(await exchange(get(origin)));
    (await exchange(get(origin))).discard();
    await expect.poll(async () => textOf(await exchange(get(origin)))).toBe("hello");
    await textOf(await exchange(get(origin)));
    expect(sockets.size).toBeLessThanOrEqual(2);
  });

  it("follows no redirect", async () => {
    const origin = await serving(async ({ url }) => ({ status: 302, headers: { location: `${url.origin}/b` } }));
    const response = await client()(get(`${origin}/a`));
    expect(response.status).toBe(302);
    expect(response.header("location")).toBe(`${origin}/b`);
  });

  it("opens no more connections to one origin than it may", async () => {
    let open = 0;
    let most = 0;
    const origin = await serving(async () => {
      open += 1;
      most = Math.max(most, open);
      await new Promise((resolve) => setTimeout(resolve, 20));
      open -= 1;
      return { status: 200, headers: {}, body: "x" };
    });
    const exchange = client({ perOrigin: 3 });
    await Promise.all(Array.from({ length: 12 }, async () => textOf(await exchange(get(origin)))));
    expect(most).toBe(3);
  });

  it("gives its place back when a body is let go, cut short, or never answered", async () => {
    const origin = await serving(async ({ url }) =>
      url.pathname === "/cut" ? undefined : { status: 200, headers: {}, body: new Uint8Array(1 << 20) },
    );
    const exchange = client({ perOrigin: 1 });
    for (let turn = 0; turn < 3; turn += 1) {
      (await exchange(get(origin))).discard();
      expect((await failure(readBody(await exchange(get(origin)), 10))).code).toBe("E_TOO_LARGE");
      for await (const _ of (await exchange(get(origin))).body) break;
      await failure(exchange(get(`${origin}/cut`)));
    }
    expect((await readBody(await exchange(get(origin)), 1 << 20)).length).toBe(1 << 20);
  });

  it.each(["https://user:pw@127.0.0.1:1/", "http://user@127.0.0.1:1/", "ftp://127.0.0.1/", "file:///etc/passwd"])(
    "refuses %s",
    async (address) => {
      const error = await failure(client()(get(address)));
      expect(error).toMatchObject({ code: "E_INSECURE_ADDRESS", exit: 2 });
      expect(error.message).not.toContain("pw");
    },
  );
});

describe("faults of the network", () => {
  it("name the host and the cause when nobody listens", async () => {
    const port = await listening(createServer());
    for (const close of closers.splice(0)) await close();
    const error = await failure(client()(get(`http://127.0.0.1:${port}/v2/?token=secret`)));
    expect(error).toMatchObject({ code: "E_NETWORK", retry: true, exit: 3 });
    expect(error.message).toContain(`127.0.0.1:${port}: ECONNREFUSED`);
    expect(error.message).not.toContain("secret");
  });

  it("cannot be mended by trying again when the name does not exist", async () => {
    const error = await failure(client()(get("http://no-such-host.invalid/")));
    expect(error.code).toBe("E_NETWORK");
    expect(error.message).toMatch(/no-such-host\.invalid: (ENOTFOUND|EAI_AGAIN)/);
    expect(error.retry).toBe(error.message.includes("EAI_AGAIN"));
  });

  it("are told from answers: a reset before one", async () => {
    const error = await failure(client()(get(await serving(async () => undefined))));
    expect(error).toMatchObject({ code: "E_NETWORK", retry: true });
  });

  it("are told from answers: a body that breaks off", async () => {
    const cut = async function* () {
      yield new TextEncoder().encode("half");
      throw new Error("cut");
    };
    const lengths: Record<string, string>[] = [{ "content-length": "8" }, {}];
    for (const headers of lengths) {
      const response = await client()(get(await serving(async () => ({ status: 200, headers, body: cut() }))));
      expect(await failure(textOf(response))).toMatchObject({ code: "E_NETWORK", retry: true });
    }
  });

  it("are told from answers: a length that is longer than the body", async () => {
    const origin = await speaking((socket) => {
      socket.end("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
    });
    expect(await failure(textOf(await client()(get(origin))))).toMatchObject({ code: "E_NETWORK" });
  });

  it("do not let what follows a short length pass for the next answer", async () => {
    const origin = await speaking((socket) => {
      socket.once("data", () =>
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
      );
    });
    const exchange = client({ requestTimeout: 500 });
    expect(await textOf(await exchange(get(origin)))).toBe("ok");
    const next = await exchange(get(origin)).then(textOf, () => "refused");
    expect(next).not.toBe("evil");
  });

  it.each([
    ["is not HTTP", "220 smtp.example.com ESMTP\r\n"],
    ["has huge headers", `HTTP/1.1 200 OK\r\nx: ${"a".repeat(40_000)}\r\n\r\n`],
    ["has two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"],
    ["is folded", "HTTP/1.1 200 OK\r\nx\r\n : y\r\n\r\n"],
  ])("cannot be mended by trying again when the answer %s", async (_, answer) => {
    const origin = await speaking((socket) => socket.once("data", () => socket.end(answer)));
    const error = await failure(client()(get(origin)).then(textOf));
    expect(error).toMatchObject({ code: "E_NETWORK", retry: false });
    expect(error.message).toContain("not HTTP");
  });

  it("do not come from a kept connection that the server had closed in the meantime", async () => {
    let answered = 0;
    const origin = await speaking((socket) => {
      socket.once("data", () => {
        answered += 1;
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        socket.once("data", () => socket.resetAndDestroy());
      });
    });
    const exchange = client();
    for (let turn = 0; turn < 3; turn += 1) {
      expect(await textOf(await exchange(get(origin)))).toBe("ok");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(answered).toBe(3);
    const post = await exchange(get(origin, { method: "POST", body: new Uint8Array(1) })).then(
      textOf,
      (error: unknown) => error,
    );
    expect(post).toMatchObject({ code: "E_NETWORK", retry: true });
  });
});

describe("time limits", () => {
  it("end an answer that does not begin, and one that does not end", async () => {
    const never = await serving(() => new Promise(() => {}));
    expect(await failure(client({ requestTimeout: 80 })(get(never)))).toMatchObject({ code: "E_TIMEOUT", retry: true });
    const drip = async function* () {
      for (;;) {
        yield new Uint8Array(1);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    const slow = await serving(async () => ({ status: 200, headers: {}, body: drip() }));
    const error = await failure(textOf(await client()(get(slow, { timeout: 120 }))));
    expect(error).toMatchObject({ code: "E_TIMEOUT" });
    expect(error.message).toMatch(/127\.0\.0\.1:\d+ did not finish its answer within 120 ms/);
  });

  it("end a connection that does not come about", async () => {
    const port = await listening(createServer(() => {}));
    const exchange = client({ connectTimeout: 80, tls: { insecureSkipVerify: true } });
    const error = await failure(exchange(get(`https://127.0.0.1:${port}/`)));
    expect(error).toMatchObject({ code: "E_TIMEOUT" });
    expect(error.message).toContain("no connection within 80 ms");
  });

  it("do not count the time spent waiting for one's turn", async () => {
    const origin = await serving(async () => {
      await new Promise((resolve) => setTimeout(resolve, 60));
      return { status: 200, headers: {}, body: "ok" };
    });
    const exchange = client({ perOrigin: 1, requestTimeout: 200 });
    const all = await Promise.all(Array.from({ length: 6 }, async () => textOf(await exchange(get(origin)))));
    expect(all).toEqual(Array.from({ length: 6 }, () => "ok"));
  });
});

describe("TLS", () => {
  let ca: Awaited<ReturnType<typeof createTestCa>>;
  let server: Issued;
  beforeAll(async () => {
    ca = await createTestCa("Test CA");
    server = await ca.issue("server");
  });

  it("trusts nobody's certificate", async () => {
    const error = await failure(client()(get(await serving(hello, { tls: server }))));
    expect(error).toMatchObject({ code: "E_TLS", exit: 3, retry: false });
    expect(error.hint).toContain("--registry-cacert");
  });

  it("trusts a CA that is named, beside the system's", async () => {
    const exchange = client({ tls: { ca: ca.ca } });
    expect(await textOf(await exchange(get(await serving(hello, { tls: server }))))).toBe("hello");
  });

  it("trusts no expired certificate, and no other host's", async () => {
    const exchange = client({ tls: { ca: ca.ca } });
    const expired = await failure(exchange(get(await serving(hello, { tls: await ca.issue("old", -1) }))));
    expect(expired).toMatchObject({ code: "E_TLS" });
    expect(expired.hint).toContain("clock");
    const origin = await serving(hello, { tls: server, host: "127.0.0.2" }).catch(() => undefined);
    if (origin) expect((await failure(exchange(get(origin)))).message).toContain("ERR_TLS_CERT_ALTNAME_INVALID");
  });

  it("shows a client certificate where one is demanded", async () => {
    const origin = await serving(hello, { tls: { ...server, clientCa: ca.ca } });
    const { cert, key } = await ca.issue("robot");
    expect(await textOf(await client({ tls: { ca: ca.ca, cert, key } })(get(origin)))).toBe("hello");
    const stranger = await (await createTestCa("Other CA")).issue("robot");
    for (const tls of [{ ca: ca.ca }, { ca: ca.ca, ...stranger }]) {
      expect(["E_TLS", "E_NETWORK"]).toContain((await failure(client({ tls })(get(origin)).then(textOf))).code);
    }
  });

  it("accepts any certificate only when told in so many words", async () => {
    const exchange = client({ tls: { insecureSkipVerify: true } });
    expect(await textOf(await exchange(get(await serving(hello, { tls: server }))))).toBe("hello");
  });

  it("says so when the server speaks plain HTTP", async () => {
    const origin = (await serving(hello)).replace("http:", "https:");
    const error = await failure(client()(get(origin)));
    expect(error).toMatchObject({ code: "E_TLS" });
    expect(error.hint).toContain("--allow-http-registry");
  });

  it.each([
    ["a key without its certificate", () => ({ key: server.key })],
    ["a certificate without its key", () => ({ cert: server.cert })],
    ["a CA that is none", () => ({ ca: "nothing" })],
    ["a certificate that is none", () => ({ cert: "nothing", key: server.key })],
    ["a key that is another's", () => ({ cert: ca.ca, key: server.key })],
  ])("refuses %s before any connection", async (_, tls) => {
    const error = await failure(client({ tls: tls() })(get("https://127.0.0.1:1/")));
    expect(error).toMatchObject({ code: "E_CONFIG_INVALID", exit: 2 });
    expect(error.message).not.toContain("BEGIN");
  });
});

describe("a proxy that the environment names", () => {
  /** A proxy that knows the way to one server only; keeps what it was asked. */
  async function proxy(to: string, answer?: string) {
    const asked: string[] = [];
    const server = createHttpServer((request, response) => {
      asked.push(
        `${request.method} ${request.url} ${request.headers["proxy-authorization"] ?? "-"} ${request.headers["host"]}`,
      );
      response.end("by proxy");
    });
    server.on("connect", (request, socket) => {
      asked.push(`CONNECT ${request.url} ${request.headers["proxy-authorization"] ?? "-"}`);
      if (answer) return void socket.end(answer);
      const upstream = connect(Number(new URL(to).port), "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
        upstream.pipe(socket).pipe(upstream);
      });
      upstream.on("error", () => {});
      socket.on("error", () => {});
    });
    return { asked, address: `http://127.0.0.1:${await listening(server)}` };
  }

  it("carries HTTPS through a tunnel, and trusts no one more", async () => {
    const ca = await createTestCa("Test CA");
    const { address, asked } = await proxy(await serving(hello, { tls: await ca.issue("server") }));
    process.env["HTTPS_PROXY"] = address.replace("//", "//user:p%40ss@");
    expect(await textOf(await client({ tls: { ca: ca.ca } })(get("https://registry.test/v2/")))).toBe("hello");
    expect(asked).toEqual([`CONNECT registry.test:443 Basic ${Buffer.from("user:p@ss").toString("base64")}`]);
    expect((await failure(client()(get("https://registry.test/v2/")))).code).toBe("E_TLS");
  });

  it("carries plain HTTP by the whole address", async () => {
    const { address, asked } = await proxy("http://127.0.0.1:1");
    process.env["http_proxy"] = address;
    expect(await textOf(await client()(get("http://registry.test/v2/?a=b")))).toBe("by proxy");
    expect(asked).toEqual(["GET http://registry.test/v2/?a=b - registry.test"]);
  });

  it.each([403, 404, 407, 502])("that answers %i in place of a tunnel is not taken for the server", async (status) => {
    const { address } = await proxy("http://127.0.0.1:1", `HTTP/1.1 ${status} No\r\nContent-Length: 2\r\n\r\nno`);
    process.env["https_proxy"] = address;
    const error = await failure(client()(get("https://registry.test/v2/")));
    expect(error).toMatchObject({ code: "E_NETWORK", retry: status === 502 });
    expect(error.message).toContain(`registry.test: it answered ${status}`);
  });

  it("is passed by for this machine, and for hosts in NO_PROXY", async () => {
    const { address, asked } = await proxy("http://127.0.0.1:1");
    process.env["HTTP_PROXY"] = address;
    expect(await textOf(await client()(get(await serving(hello))))).toBe("hello");
    process.env["NO_PROXY"] = "other.test,.invalid";
    await failure(client()(get("http://no-such-host.invalid/")));
    expect(asked).toEqual([]);
  });

  it("with a faulty address is refused without showing it", async () => {
    process.env["HTTPS_PROXY"] = "socks5://user:planted-secret@proxy:1080";
    const error = await failure(client()(get("https://registry.test/")));
    expect(error).toMatchObject({ code: "E_CONFIG_INVALID", exit: 2 });
    expect(error.message).not.toContain("planted-secret");
  });
});
