import { afterEach, describe, expect, it } from "vitest";
import type { HttpRequest } from "../../src/platform/exchange.ts";
import { createExchange, type HttpOptions } from "../../src/platform/http.ts";
import { type Handler, serve } from "../../src/platform/serve.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function start(handler: Handler, options: HttpOptions = {}) {
  const served = await serve(handler);
  const exchange = createExchange(options);
  closers.push(exchange.close, served.close);
  return { exchange, url: new URL(`${served.origin}/blob`) };
}

const ok = { status: 201, headers: {}, body: "" };

function put(url: URL, open: () => AsyncIterable<Uint8Array>, more: Partial<HttpRequest> = {}): HttpRequest {
  return { method: "PUT", url, headers: {}, body: { size: 300_000, open }, bulk: 300_000, ...more };
}

async function* pieces(count = 3): AsyncIterable<Uint8Array> {
  for (let at = 0; at < count; at += 1) yield Buffer.alloc(100_000, at);
}

const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe("a request whose body is streamed", () => {
  it("arrives whole, its length said", async () => {
    const seen: { length?: string | undefined; size?: number } = {};
    const { exchange, url } = await start(async ({ headers, body }) => {
      Object.assign(seen, { length: headers["content-length"], size: body.length });
      return ok;
    });
    expect((await exchange(put(url, pieces))).status).toBe(201);
    expect(seen).toEqual({ length: "300000", size: 300_000 });
  });

  it("ends in what its source throws, and the server never has the whole", async () => {
    let arrived = false;
    const { exchange, url } = await start(async () => {
      arrived = true;
      return ok;
    });
    const failing = async function* () {
      yield* pieces(2);
      throw new Error("the source is wrong");
    };
    await expect(exchange(put(url, failing))).rejects.toThrow(/cannot talk to/);
    expect(arrived).toBe(false);
  });

  it("lets go of its source when the answer comes before the end", async () => {
    let released = false;
    const { createServer } = await import("node:http");
    const server = createServer((_, response) => response.writeHead(413, { "content-length": "0" }).end());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const exchange = createExchange();
    closers.push(exchange.close, () => server.close());
    if (typeof address !== "object" || address === null) throw new Error("no address");
    const endless = async function* () {
      try {
        for (;;) yield Buffer.alloc(100_000);
      } finally {
        released = true;
      }
    };
    const answer = await exchange(put(new URL(`http://127.0.0.1:${address.port}/`), endless));
    answer.discard();
    expect(answer.status).toBe(413);
    for (let turn = 0; turn < 100 && !released; turn += 1) await wait(10);
    expect(released).toBe(true);
  });

  it("waits for no place that its own source may need", async () => {
    const { exchange, url } = await start(
      async ({ method }) => ({ ...ok, body: method === "GET" ? "x".repeat(300_000) : "" }),
      {
        perOrigin: 1,
      },
    );
    const through = async function* () {
      const answer = await exchange({ method: "GET", url, headers: {}, bulk: 300_000 });
      yield* answer.body;
    };
    const both = await Promise.all([exchange(put(url, through)), exchange(put(url, through))]);
    expect(both.map(({ status }) => status)).toEqual([201, 201]);
  });
});

describe("the clock of a large transfer", () => {
  it("runs for each pause, not for the whole", async () => {
    const { exchange, url } = await start(async () => ({
      ...ok,
      body: (async function* () {
        for (let at = 0; at < 6; at += 1) {
          yield Buffer.alloc(10);
          await wait(100);
        }
      })(),
    }));
    const answer = await exchange({ method: "GET", url, headers: {}, timeout: 300, bulk: 1_000_000 });
    let size = 0;
    for await (const chunk of answer.body) size += chunk.length;
    expect(size).toBe(60);
  });

  it("ends one that moves no byte", async () => {
    const { exchange, url } = await start(async () => ({
      ...ok,
      body: (async function* () {
        yield Buffer.alloc(10);
        await wait(2000);
      })(),
    }));
    const answer = await exchange({ method: "GET", url, headers: {}, timeout: 150, bulk: 1_000_000 });
    const reading = (async () => {
      for await (const _ of answer.body);
    })();
    await expect(reading).rejects.toMatchObject({
      code: "E_TIMEOUT",
      message: expect.stringContaining("moved no byte"),
    });
  });

  it("does not run while whoever reads takes their time", async () => {
    const { exchange, url } = await start(async () => ({ ...ok, body: Buffer.alloc(500_000) }));
    const answer = await exchange({ method: "GET", url, headers: {}, timeout: 100, bulk: 500_000 });
    let size = 0;
    for await (const chunk of answer.body) {
      size += chunk.length;
      if (size < 200_000) await wait(150);
    }
    expect(size).toBe(500_000);
  });
});
