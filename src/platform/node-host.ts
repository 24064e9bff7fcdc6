import { randomBytes } from "node:crypto";
import { homedir, tmpdir } from "node:os";
import { CountersignError } from "../model/errors.ts";
import type { Host } from "./host.ts";
import { createNodeFiles } from "./node-files.ts";

/** The outside world as Node.js sees it. The environment is taken once, here. */
export function createNodeHost(): Host {
  const env = Object.freeze({ ...process.env });
  return {
    env,
    files: createNodeFiles(() => randomBytes(8).toString("hex")),
    now: () => new Date(),
    sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
    randomBytes: (length) => randomBytes(length),
    random: Math.random,
    run: async (command) => (await import("./node-command.ts")).runCommand(command, env),
    readStdin,
    homeDirectory: homedir(),
    temporaryDirectory: tmpdir(),
  };
}

async function readStdin(limit: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) {
      throw new CountersignError(
        "E_FILE_TOO_LARGE",
        `standard input holds more than the ${limit} bytes that are read`,
        {
          hint: "check what is piped into it",
        },
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
