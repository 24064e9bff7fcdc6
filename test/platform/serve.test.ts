import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { type Handler, type Served, type ServeOptions, serve } from "../../src/platform/serve.ts";
import { createTestCa } from "./tls-material.ts";

const running: Served[] = [];
afterEach(async () => {
  for (const served of running.splice(0)) await served.close();
});

async function start(handler: Handler, options: ServeOptions = {}) {
  const served = await serve(handler, options);
  running.push(served);
  return served;
}

/** What a server answers to these octets, in whole. */
function raw(origin: string, octets: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(Number(new URL(origin).port), "127.0.0.1", () => socket.write(octets));
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.on("close", () => resolve(answer)).on("error", () => {});
  });
}

describe("serving a handler", () => {
  it("hands over whole requests, the address with this server's origin whatever the client says", async () => {
    const { origin } = await start(async ({ method, url, headers, body }) => ({
      status: 200,
      headers: {},
      body: [method, url.href, headers["x-a"], body.length].join(" "),
    }));
    const request = (target: string) =>
      `PUT ${target} HTTP/1.1\r\nHost: evil.example\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc`;
    expect(await raw(origin, request("/a?b"))).toContain(`PUT ${origin}/a?b 1, 2 3`);
    expect(await raw(origin, request("//evil.example/x"))).toContain(`PUT ${origin}//evil.example/x`);
    expect(await raw(origin, request("http://evil.example/x"))).toContain(`PUT ${origin}/ `);
  });

  it("answers 500 for a handler that throws, and cuts the connection for one that gives nothing", async () => {
    const { origin } = await start(async ({ url }) => {
      if (url.pathname === "/throw") throw new Error("on purpose");
      return undefined;
    });
    expect((await fetch(`${origin}/throw`)).status).toBe(500);
    await expect(fetch(`${origin}/`)).rejects.toThrow();
  });

  it("answers 413 for a body beyond the limit", async () => {
    const { origin } = await start(async () => ({ status: 200, headers: {} }), { bodyLimit: 10 });
    expect((await fetch(origin, { method: "POST", body: "x".repeat(10) })).status).toBe(200);
    expect((await fetch(origin, { method: "POST", body: "x".repeat(11) })).status).toBe(413);
  });

  it("sends streams as they come, and no body to HEAD", async () => {
    const stream = async function* () {
      yield new TextEncoder().encode("a");
      yield new TextEncoder().encode("b");
    };
    const { origin } = await start(async () => ({ status: 200, headers: {}, body: stream() }));
    expect(await (await fetch(origin)).text()).toBe("ab");
    expect(await (await fetch(origin, { method: "HEAD" })).text()).toBe("");
  });

  it("closes at once, with connections open and half-way into TLS", async () => {
    const tls = await (await createTestCa("Test CA")).issue("server");
    for (const options of [{}, { tls }]) {
      const served = await start(() => new Promise(() => {}), options);
      const socket = connect(Number(new URL(served.origin).port), "127.0.0.1");
      await new Promise((resolve) => socket.once("connect", resolve));
      socket.on("error", () => {});
      const closed = new Promise((resolve) => socket.once("close", resolve));
      await Promise.all([served.close(), closed]);
    }
  });

  it("says which address cannot be listened on", async () => {
    const { origin } = await start(async () => undefined);
    await expect(serve(async () => undefined, { port: Number(new URL(origin).port) })).rejects.toMatchObject({
      code: "E_NETWORK",
      message: expect.stringContaining("EADDRINUSE"),
    });
  });
});
