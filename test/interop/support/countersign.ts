/**
 * countersign by the command lines that mirror those of cosign.ts. Keys, certificates and roots are PEM text. The program runs in
 * this process unless it is told otherwise: starting the bundle takes longer than all that most of these lines do. That the
 * bundle does the same is shown by the tests that call `runCountersign`.
 */
import type { Host } from "../../../src/platform/host.ts";
import { runCommand } from "../../../src/platform/node-command.ts";
import { createNodeHost } from "../../../src/platform/node-host.ts";
import type { SignReport, VerifyReport } from "../../../src/reports/report.ts";
import { type CountersignRun, fileOf, runCountersign } from "../../support/countersign.ts";
import { runCaptured } from "../../support/run-captured.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import type { CosignFormat } from "./cosign.ts";

export interface HereSign {
  /** `host/repository@digest`, or by tag. */
  readonly images: readonly string[];
  readonly formats: readonly CosignFormat[];
  readonly key: string;
  readonly certificate?: string | undefined;
  readonly chain?: string | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Starts the bundle, in a process of its own. */
  readonly ownProcess?: boolean;
}

export interface HereRun<Report> extends CountersignRun {
  readonly report: Report;
}

/** `countersign sign`, its report as JSON. */
export async function signHere(options: HereSign): Promise<HereRun<SignReport>> {
  const runIt = options.ownProcess ? runCountersign : runHere;
  const done = await runIt(
    [
      "sign",
      ...["--output", "json", "--format", options.formats.join(",")],
      ...["--key", fileOf(options.key)],
      ...(options.certificate === undefined ? [] : ["--certificate", fileOf(options.certificate)]),
      ...(options.chain === undefined ? [] : ["--certificate-chain", fileOf(options.chain)]),
      ...annotationFlags(options.annotations),
      ...(options.flags ?? []),
      ...options.images,
    ],
    { env: options.env },
  );
  return withReport(done);
}

export interface HereVerify {
  readonly images: readonly string[];
  readonly trust:
    | { readonly key: string }
    | { readonly roots: string; readonly intermediates?: string | undefined; readonly identity?: string | undefined };
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly flags?: readonly string[];
}

/** `countersign verify`, its report as JSON. */
export async function verifyHere(options: HereVerify): Promise<HereRun<VerifyReport>> {
  const done = await runHere([
    "verify",
    ...["--output", "json"],
    ...trustFlags(options.trust),
    ...annotationFlags(options.annotations),
    ...(options.flags ?? []),
    ...options.images,
  ]);
  return withReport(done);
}

/** In this process, unless another program than that of src/ is to be tested. */
const runHere: typeof runInProcess = (args, options) =>
  process.env["COUNTERSIGN_PROGRAM"] ? runCountersign(args, options) : runInProcess(args, options);

/** The command line in this process, with the same environment as `runCountersign` gives; the folder it works in is this process's. */
async function runInProcess(
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>> | undefined } = {},
): Promise<CountersignRun> {
  const home = temporaryFolder();
  const env = { PATH: "/usr/bin:/bin", HOME: home, ...options.env };
  const host: Host = {
    ...createNodeHost(),
    env,
    run: (command) => runCommand(command, env),
    homeDirectory: env.HOME,
    readStdin: async () => new Uint8Array(),
  };
  const { exit: exitCode, stdout, stderr } = await runCaptured(args, host);
  return { exitCode, stdout, stderr, json: () => JSON.parse(stdout) as unknown };
}

/** The verdicts of a verification, in the order of the images, each with the codes of its refused signatures. */
export function verdictsOf({ report }: HereRun<VerifyReport>): string[] {
  return report.images.map(({ verdict, signatures, errors }) => {
    const codes = signatures.flatMap(({ reasons }) => reasons.map(({ code }) => code));
    const unique = [...new Set([...codes, ...errors.map(({ code }) => code)])].sort();
    return [verdict, ...(verdict === "trusted" ? [] : unique)].join(" ");
  });
}

function trustFlags(trust: HereVerify["trust"]): string[] {
  if ("key" in trust) return ["--key", fileOf(trust.key)];
  return [
    ...["--ca-roots", fileOf(trust.roots)],
    ...(trust.intermediates === undefined ? [] : ["--ca-intermediates", fileOf(trust.intermediates)]),
    ...(trust.identity === undefined ? [] : ["--certificate-identity", trust.identity]),
  ];
}

/** A run without a report has printed why: the test shows it. */
function withReport<Report>(done: CountersignRun): HereRun<Report> {
  try {
    const document = done.json() as Report & { images?: unknown };
    if (Array.isArray(document.images)) return { ...done, report: document };
  } catch {
    // Told below.
  }
  throw new Error(`countersign ended with ${done.exitCode} and no report:\n${done.stdout}${done.stderr}`);
}

function annotationFlags(annotations: Readonly<Record<string, string>> = {}): string[] {
  return Object.entries(annotations).flatMap(([name, value]) => ["-a", `${name}=${value}`]);
}
