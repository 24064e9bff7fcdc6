import type { z } from "zod";
import { CountersignError, isCountersignError } from "../model/errors.ts";
import type { Host } from "../platform/host.ts";
import { createRetrier, type Outcome } from "../platform/retry.ts";
import { printable, withoutSecrets } from "../platform/server-words.ts";
import { pluginFailure } from "./notation-plugin-messages.ts";

/** A plugin, and how it is started. */
export interface PluginProgram {
  /** As its folder is called. */
  readonly name: string;
  /** Its executable, as findPlugin found it. */
  readonly path: string;
  /** Environment variables that it sees beside those that every program sees. */
  readonly passEnv: readonly string[];
  /** Milliseconds for one command of it. */
  readonly timeout: number;
}

/** Gives a plugin one command of the protocol, and reads what it answers. */
export type PluginCommands = <T>(command: string, request: unknown, answer: z.ZodType<T>) => Promise<T>;

/** A signature or an envelope, a chain and some names; the protocol permits 64 MiB, which nothing of that needs. Bytes. */
const OUTPUT_LIMIT = 1024 * 1024;

/** What messages and reports call a plugin. */
export function pluginLabel(name: string): string {
  return `notation-plugin:${name}`;
}

/**
 * Commands of one plugin. THROTTLED and TIMEOUT are tried again, bounded and with back-off. They throw E_COMMAND when it cannot be
 * started, E_TIMEOUT, E_SIGNER_THROTTLED, E_SIGNER_DENIED (ACCESS_DENIED), E_SIGNER_FAILED for every other failure, E_SIGNER_ANSWER
 * for an answer that is not the protocol's, or too long.
 */
export function pluginCommands(host: Host, program: PluginProgram): PluginCommands {
  const by = pluginLabel(program.name);
  const retrier = createRetrier(host, { throttledCode: "E_SIGNER_THROTTLED" });

  // Some plugins repeat what they were handed.
  const secrets = program.passEnv.map((each) => host.env[each]);

  const attempt = async (command: string, request: unknown): Promise<Outcome<Uint8Array>> => {
    const { exitCode, stdout, stderr } = await host
      .run({
        argv: [program.path, command],
        stdin: Buffer.from(JSON.stringify(request), "utf8"),
        passEnv: program.passEnv,
        timeout: program.timeout,
        outputLimit: OUTPUT_LIMIT,
      })
      .catch((error: unknown) => {
        throw asSigners(by, command, error);
      });
    if (exitCode === 0) return { done: stdout };
    const failure = failureOf(by, command, exitCode, stderr, secrets);
    if (!failure.retry) throw failure;
    return { again: { error: failure, throttled: failure.code === "E_SIGNER_THROTTLED" } };
  };

  return async (command, request, answer) => {
    const bytes = await retrier.run(by, () => attempt(command, request));
    const parsed = answer.safeParse(readJson(bytes));
    if (parsed.success) return parsed.data;
    const where = parsed.error.issues.map(({ path }) => path.join(".") || "the whole").join(", ");
    throw rubbish(`${by} ${command} answered what is not the protocol's: ${printable(where)}`);
  };
}

/** What is wrong with a plugin, not with what it was asked. */
export function rubbish(message: string): CountersignError {
  return new CountersignError("E_SIGNER_ANSWER", message, { hint: "update the plugin, or tell who makes it" });
}

function failureOf(
  by: string,
  command: string,
  exitCode: number,
  stderr: Uint8Array,
  secrets: readonly (string | undefined)[],
): CountersignError {
  const quote = (text: string) => printable(withoutSecrets(text, secrets));
  const told = pluginFailure.safeParse(readJson(stderr));
  if (!told.success) {
    const said = quote(Buffer.from(stderr).toString("utf8"));
    const message = `${by} ${command} ended with exit status ${exitCode}${said && `: ${said}`}`;
    return new CountersignError("E_SIGNER_FAILED", message, { hint: seesLittle });
  }
  const { errorCode, errorMessage = "" } = told.data;
  const message = `${by} ${command}: ${quote(`${errorCode} ${errorMessage}`)}`;
  switch (errorCode) {
    case "THROTTLED":
      return new CountersignError("E_SIGNER_THROTTLED", message, { hint: "wait, or lower --signer-concurrency" });
    case "TIMEOUT":
      return new CountersignError("E_SIGNER_FAILED", message, { hint: "try again later", retry: true });
    case "ACCESS_DENIED":
      return new CountersignError("E_SIGNER_DENIED", message, { hint: `check its credentials; ${seesLittle}` });
    default:
      return new CountersignError("E_SIGNER_FAILED", message, {
        hint: "check id and configuration in --signer notation-plugin:NAME?id=KEY&name=value",
      });
  }
}

const seesLittle = "it sees only PATH, HOME, TMPDIR, LANG and the proxies' variables unless --pass-env names more";

/** A plugin that does not end is ended, and not begun again: with time that long it may be waiting for a person. */
function asSigners(by: string, command: string, error: unknown): unknown {
  if (!isCountersignError(error)) return error;
  const { code, message, cause } = error;
  if (code === "E_LIMIT") return rubbish(`${by} ${command} printed more than the ${OUTPUT_LIMIT} bytes that are read`);
  if (code !== "E_TIMEOUT") return error;
  return new CountersignError("E_TIMEOUT", message, {
    cause,
    retry: false,
    hint: "it was ended, with all that it had started; where it needs longer, raise --signer-timeout",
  });
}

function readJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
}
