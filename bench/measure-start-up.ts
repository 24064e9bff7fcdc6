import { spawn } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { type Contenders, program } from "./contenders.ts";
import { milliseconds, type Section } from "./results.ts";
import { alternate } from "./statistics.ts";

const MOST_FOR_VERSION = 1.3;
const MOST_FOR_FIRST_BYTE = 2;

/** How soon a process is there: `--version`, and the first byte of `verify` at the registry, against an empty Node program. */
export async function measureStartUp(contenders: Contenders, times: number): Promise<Section> {
  const [node = 0, version = 0, firstByte = 0] = await alternate(times, [
    () => wall(["-e", "0"]),
    () => wall([program, "--version"]),
    () => untilFirstByte(contenders.publicKeyFile),
  ]);
  const rows = [
    ["node -e 0", milliseconds(node), ""],
    ["--version", milliseconds(version), (version / node).toFixed(2)],
    ["verify --key …, until its first byte is at the registry", milliseconds(firstByte), (firstByte / node).toFixed(2)],
  ];
  return {
    title: "Start-up",
    note: `From the start of the process; medians of ${times} alternating runs with the same node.`,
    head: ["", "time", "of node -e 0"],
    rows,
    bounds: [
      { what: "--version, of node -e 0", measured: version / node, atMost: MOST_FOR_VERSION },
      { what: "first byte of verify, of node -e 0", measured: firstByte / node, atMost: MOST_FOR_FIRST_BYTE },
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
async function untilFirstByte(publicKeyFile: string): Promise<number> {
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
  const child = spawn(process.execPath, [program, "verify", "--key", publicKeyFile, image], {
    stdio: "ignore",
    env: {},
  });
  const ended = once(child, "exit");
  const refused = ended.then(([code]) => {
    throw new Error(`verify ended in ${code} before it asked the registry`);
  });
  const at = await Promise.race([arrived, refused]);
  refused.catch(() => {});
  child.kill("SIGKILL");
  await ended;
  server.close();
  return at - start;
}
