import { spawn } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { type Contenders, program } from "./contenders.ts";
import { milliseconds, type Section } from "./results.ts";
import { alternate } from "./statistics.ts";

const MOST_FOR_VERSION = 1.3;
const MOST_FOR_FIRST_BYTE = 2;

/** The least that a Node program does until the same byte has left: it reads the key, checks it, and asks. */
const BARE = `
  const { createPublicKey } = require("node:crypto");
  const [key, image] = process.argv.slice(1);
  createPublicKey(require("node:fs").readFileSync(key));
  const [name, digest] = image.split("@");
  const [host, repository] = name.split("/");
  require("node:http").get("http://" + host + "/v2/" + repository + "/manifests/" + digest);`;

/**
 * How soon a process is there: `--version` against an empty Node program, and the first byte of `verify` at the registry against
 * one that does the same without a question of what it was given.
 */
export async function measureStartUp(contenders: Contenders, times: number): Promise<Section> {
  const { publicKeyFile } = contenders;
  const [node = 0, version = 0, bare = 0, firstByte = 0] = await alternate(times, [
    () => wall(["-e", "0"]),
    () => wall([program, "--version"]),
    () => untilFirstByte((image) => ["-e", BARE, publicKeyFile, image]),
    () => untilFirstByte((image) => [program, "verify", "--key", publicKeyFile, image]),
  ]);
  const rows = [
    ["node -e 0", milliseconds(node), ""],
    ["--version", milliseconds(version), (version / node).toFixed(2)],
    ["the first byte of a bare program is at the registry", milliseconds(bare), (bare / node).toFixed(2)],
    ["that of verify --key …", milliseconds(firstByte), (firstByte / node).toFixed(2)],
  ];
  return {
    title: "Start-up",
    note: `From the start of the process; medians of ${times} alternating runs with the same node. The bare program reads the key, checks it and asks for the manifest, and nothing else: no Node program is sooner. The bound of the first byte is held against it: 2 times that of node -e 0 is not reached where that starts as fast as here, as loading what an HTTP request needs takes a large part of it.`,
    head: ["", "time", "of node -e 0"],
    rows,
    bounds: [
      { what: "--version, of node -e 0", measured: version / node, atMost: MOST_FOR_VERSION },
      { what: "first byte of verify, of a bare program's", measured: firstByte / bare, atMost: MOST_FOR_FIRST_BYTE },
    ],
  };
}

async function wall(args: readonly string[]): Promise<number> {
  const start = performance.now();
  const child = spawn(process.execPath, args, { stdio: "ignore", env: {} });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Error(`node ${args.join(" ")} ended in ${code}`);
  return performance.now() - start;
}

/** A registry that listens for nothing but the first byte. */
async function untilFirstByte(command: (image: string) => readonly string[]): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const image = `127.0.0.1:${port}/app@sha256:${"0".repeat(64)}`;
  const arrived = new Promise<number>((resolve) => {
    server.on("connection", (socket) => {
      socket.once("data", () => resolve(performance.now()));
      socket.on("error", () => {});
    });
  });
  const start = performance.now();
  const child = spawn(process.execPath, command(image), { stdio: "ignore", env: {} });
  const ended = once(child, "exit");
  const refused = ended.then(([code]) => {
    throw new Error(`a program ended in ${code} before it asked the registry`);
  });
  const at = await Promise.race([arrived, refused]);
  refused.catch(() => {});
  child.kill("SIGKILL");
  await ended;
  server.close();
  return at - start;
}
