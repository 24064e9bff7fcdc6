import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { expect, it } from "vitest";
import type { ErrorCode, ExitCode } from "../../../src/model/error-codes.ts";
import type { Verdict } from "../../../src/model/policy.ts";
import {
  type AttachReport,
  attachReport,
  type ErrorReport,
  errorReport,
  type ListReport,
  listReport,
  type PromoteReport,
  promoteReport,
  type SignReport,
  signReport,
  type VerifyReport,
  verifyReport,
} from "../../../src/reports/report.ts";
import type { StartedRegistry } from "../../support/start-registry.ts";
import type { Machine, Run, RunOptions } from "./machine.ts";
import { expectNoSecret } from "./secrets.ts";

/** One bad input and what must come of it. */
export interface BadInput extends RunOptions {
  readonly name: string;
  /** Without `--output` and `--report`. */
  readonly args: readonly string[] | ((surroundings: Surroundings) => readonly string[]);
  readonly code: ErrorCode;
  /** Stands in the sentence of that code, mostly the value that is to blame. */
  readonly says?: string | RegExp;
  readonly exit: Exclude<ExitCode, 0 | 70>;
  /** What `verify` must make of the whole run. */
  readonly verdict?: Verdict;
  /** The registry may be written to: for `sign` that fails late. */
  readonly writes?: boolean;
}

export interface Surroundings {
  readonly machine: Machine;
  readonly registry?: StartedRegistry | undefined;
  /** Servers that nothing secret may be sent to. */
  readonly strangers?: readonly StartedRegistry[];
  /** Beside the usual ones. */
  readonly secrets?: readonly string[];
}

export type AnyReport = ErrorReport | VerifyReport | SignReport | AttachReport | ListReport | PromoteReport;

/** The one document on standard output, held against the schema of its kind. */
export function parseReport(stdout: string): AnyReport {
  const document: unknown = JSON.parse(stdout);
  if (typeof document !== "object" || document === null) throw new Error("no report");
  if ("error" in document) return errorReport.parse(document);
  const schema = {
    verify: verifyReport,
    sign: signReport,
    attach: attachReport,
    list: listReport,
    promote: promoteReport,
  }[Reflect.get(document, "operation") as "verify"];
  return schema.parse(document);
}

export interface Said {
  readonly code: string;
  readonly message: string;
  /** Undefined for the reasons of a signature, which have none. */
  readonly hint?: string | null;
}

/** Every code that a report says, with its sentence. */
export function saidIn(report: AnyReport): readonly Said[] {
  if ("error" in report) return [report.error];
  return report.images.flatMap((image) => [
    ...image.errors,
    ...("signatures" in image ? image.signatures : []).flatMap((signature) =>
      "reasons" in signature ? signature.reasons : [],
    ),
  ]);
}

/** Holds what is true of all output: no stack trace, no control character, no secret. */
export function expectClean({ stdout, stderr }: Run, secrets: readonly string[] = []): void {
  for (const text of [stdout, stderr]) {
    expect(text).not.toMatch(/^\s+at |node:internal|\.(?:ts|js):\d+/m);
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
    expectNoSecret(text, secrets);
  }
}

/** A row of the table as a test: the run as text and as JSON, and everything that must hold around both. */
export function refuses(input: BadInput, surroundings: () => Surroundings | Promise<Surroundings>): void {
  it(`${input.name}: ${input.code}, exit ${input.exit}`, async () => {
    const around = await surroundings();
    const { machine, registry, strangers = [], secrets = [] } = around;
    const before = { files: machine.contents(), storage: storageState(registry) };
    const reportFile = machine.absent("report.json");
    rmSync(reportFile, { force: true });
    registry?.clear();

    const args = typeof input.args === "function" ? input.args(around) : input.args;
    const [verb = "", ...rest] = args;
    const text = await machine.run(args, input);
    const json = await machine.run([verb, "--output", "json", "--report", reportFile, ...rest], input);

    for (const run of [text, json]) expectClean(run, secrets);
    const report = parseReport(json.stdout);
    expect(json.exit, json.stdout).toBe(input.exit);
    expect(text.exit, text.stderr).toBe(input.exit);
    expectSaid(saidIn(report), input);
    expect(text.stdout + text.stderr).toContain(input.code);
    if (input.verdict !== undefined) expect("verdict" in report && report.verdict, json.stdout).toBe(input.verdict);

    if (input.exit === 2) {
      expect("error" in report).toBe(true);
      expect(text.stdout).toBe("");
      expect(text.stderr).toMatch(/^countersign: E_[A-Z_]+: .+\n {2}mend: .+\n$/);
      expect(registry?.requests ?? []).toEqual([]);
    }
    const kept = existsSync(reportFile) ? readFileSync(reportFile, "utf8") : undefined;
    if (kept !== undefined || !("error" in report)) expect(kept).toBe(json.stdout);

    expect(machine.contents()).toEqual(before.files);
    if (!input.writes) expect(storageState(registry)).toBe(before.storage);
    for (const stranger of strangers) expectNoSecret(JSON.stringify(stranger.requests), secrets);
  });
}

function expectSaid(said: readonly Said[], { code, says }: BadInput): void {
  const fitting = said.filter((each) => each.code === code);
  expect(fitting.length, JSON.stringify(said, null, 1)).toBeGreaterThan(0);
  for (const { message } of said) expect(message).not.toMatch(/(?<!received )undefined|\[object|(?<!received )NaN/);
  if (says !== undefined) {
    const found = fitting.some(({ message }) =>
      typeof says === "string" ? message.includes(says) : says.test(message),
    );
    expect(found, JSON.stringify(fitting, null, 1)).toBe(true);
  }
  for (const { hint, message } of fitting)
    expect(hint === undefined || (hint ?? "") !== "", `a mend for ${message}`).toBe(true);
}

/** Everything that a registry holds, as one value. */
export function storageState(registry: StartedRegistry | undefined): string {
  const hash = createHash("sha256");
  for (const name of registry?.storage.repositories() ?? []) {
    const kept = registry?.storage.get(name);
    const manifests = [...(kept?.manifests ?? [])].map(([digest, { bytes, mediaType }]) => [
      digest,
      mediaType,
      hashOf(bytes),
    ]);
    const blobs = [...(kept?.blobs ?? [])].map(([digest, bytes]) => [digest, hashOf(bytes)]);
    hash.update(JSON.stringify([name, manifests, blobs, [...(kept?.tags ?? [])]]));
  }
  return hash.digest("hex");
}

function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
