import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { requirePeer } from "./peers.ts";
import { type Completed, run } from "./run.ts";

/** A live Pulp: its API, content and worker programs over a PostgreSQL of its own, behind one address as a web server puts them. */
export interface Pulp {
  /** `127.0.0.1:PORT`, as image references begin. */
  readonly host: string;
  readonly user: string;
  readonly password: string;
  /** A Docker configuration with its credentials: the value of DOCKER_CONFIG. */
  readonly dockerConfig: string;
  /** A request to its REST API, as its administrator; `path` begins with `/pulp/`. */
  api(path: string, body?: object): Promise<unknown>;
  /** A task to its end; rejects with its error when it has failed. */
  finished(answer: unknown): Promise<void>;
  /** `pulpcore-manager ARGS`. */
  manager(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Completed>;
  /** What its programs have logged so far. */
  log(): string;
  stop(): Promise<void>;
}

interface Program {
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
  /** PostgreSQL takes its children along, the others are a process group. */
  kill(): void;
}

const user = "admin";
const password = "password";
const settings = fileURLToPath(new URL("../../../scripts/pulp/settings.py", import.meta.url));

const running = new Map<Program, string>();
process.once("exit", () => {
  for (const [program, folder] of running) {
    program.kill();
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Starts one with storage of its own; resolves once it answers and a worker is there. */
export async function startPulp(): Promise<Pulp> {
  const venv = path.dirname(path.dirname(realpathSync(requirePeer("pulpcore-manager"))));
  // Short: the path of a socket may have 107 bytes.
  const folder = mkdtempSync("/tmp/countersign-pulp-");
  const programs: Program[] = [];
  const proxy = createServer();
  const stop = async () => {
    proxy.closeAllConnections();
    proxy.close();
    for (const program of programs.toReversed()) program.kill();
    await Promise.all(programs.map(({ ended }) => ended));
    for (const program of programs) running.delete(program);
    rmSync(folder, { recursive: true, force: true });
  };
  const logFile = path.join(folder, "log");
  const log = () => readFileSync(logFile, "utf8");
  try {
    execFileSync("cp", ["-a", `${path.join(path.dirname(venv), "template")}/.`, folder]);
    const host = await listen(proxy, folder);
    const env = {
      PATH: `${venv}/bin:/usr/bin:/bin`,
      HOME: folder,
      PULP_SETTINGS: settings,
      DJANGO_SETTINGS_MODULE: "pulpcore.app.settings",
      COUNTERSIGN_PULP_FOLDER: folder,
      COUNTERSIGN_PULP_ORIGIN: `http://${host}`,
    };
    const start = (program: string, args: readonly string[], owner: { uid?: number; gid?: number } = {}) => {
      const output = openSync(logFile, "a", 0o644);
      const child = spawn(program, args, {
        env,
        cwd: folder,
        stdio: ["ignore", output, output],
        detached: true,
        ...owner,
      });
      closeSync(output);
      const ended = new Promise<void>((resolve) => {
        child.once("error", () => resolve());
        child.once("exit", () => resolve());
      });
      const isDatabase = path.basename(program) === "postgres";
      const kill = () => {
        if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
        if (isDatabase) child.kill("SIGQUIT");
        else process.kill(-child.pid, "SIGKILL");
      };
      const started = { child, ended, kill };
      programs.push(started);
      running.set(started, folder);
    };
    const database = path.join(folder, "database");
    start(realpathSync(requirePeer("postgres")), ["-D", path.join(database, "data"), "-k", database], databaseOwner());
    const bind = (name: string) => ["-b", `unix:${path.join(folder, `${name}.sock`)}`, "-w", "1"];
    await until(programs, log, async () => log().includes("ready to accept connections"));
    start(path.join(venv, "bin", "pulpcore-api"), bind("api"));
    start(path.join(venv, "bin", "pulpcore-content"), bind("content"));
    start(path.join(venv, "bin", "pulpcore-worker"), []);

    const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
    const api = async (address: string, body?: object): Promise<unknown> => {
      const answer = await fetch(`http://${host}${address}`, {
        headers: { authorization, ...(body === undefined ? {} : { "content-type": "application/json" }) },
        ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${address}: ${answer.status} ${text}`);
      return JSON.parse(text);
    };
    await until(programs, log, async () => {
      const status = await api("/pulp/api/v3/status/").catch(() => undefined);
      return isStatus(status) && status.online_workers.length > 0 && status.online_content_apps.length > 0;
    });
    const dockerConfig = path.join(folder, "docker");
    mkdirSync(dockerConfig);
    const auths = { [host]: { auth: Buffer.from(`${user}:${password}`).toString("base64") } };
    writeFileSync(path.join(dockerConfig, "config.json"), JSON.stringify({ auths }));
    return {
      ...{ host, user, password, dockerConfig, api, log, stop },
      finished: (answer) => finished(api, answer),
      manager: (args, extra) =>
        run(path.join(venv, "bin", "pulpcore-manager"), args, {
          env: { ...env, ...extra },
          cwd: folder,
          timeout: 120_000,
        }),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Api = Pulp["api"];

/** PostgreSQL refuses to run as root; its package brings a user that may. */
function databaseOwner(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

/** One address for both: blobs are redirected to the content program, the rest is the API's. */
async function listen(proxy: Server, folder: string): Promise<string> {
  proxy.on("request", (incoming, outgoing) => {
    const content = /^\/pulp\/(?:container|content)\//.test(incoming.url ?? "");
    const onward = request(
      {
        socketPath: path.join(folder, content ? "content.sock" : "api.sock"),
        ...{ method: incoming.method, path: incoming.url, headers: incoming.headers },
      },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    onward.on("error", () => {
      if (outgoing.headersSent) outgoing.destroy();
      else outgoing.writeHead(502).end();
    });
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
}

/** Milliseconds in which it must have started, on a machine that does much else. */
const START = 150_000;

async function until(programs: readonly Program[], log: () => string, ready: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + START; Date.now() < end; await sleep(200)) {
    if (programs.some(({ child }) => child.exitCode !== null || child.signalCode !== null)) break;
    if (await ready()) return;
  }
  throw new Error(`Pulp did not start:\n${log()}`);
}

function isStatus(value: unknown): value is { online_workers: unknown[]; online_content_apps: unknown[] } {
  return typeof value === "object" && value !== null && "online_workers" in value && "online_content_apps" in value;
}

async function finished(api: Api, answer: unknown): Promise<void> {
  const { task } = answer as { task: string };
  for (const end = Date.now() + 60_000; Date.now() < end; await sleep(100)) {
    const { state, error } = (await api(task)) as { state: string; error: unknown };
    if (state === "completed") return;
    if (state === "failed" || state === "canceled") throw new Error(`${task}: ${state} ${JSON.stringify(error)}`);
  }
  throw new Error(`${task}: no end after 60 s`);
}
