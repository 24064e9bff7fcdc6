import path from "node:path";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import type { RevocationCheck } from "../model/policy.ts";
import type { RequirementByRepository } from "../operations/verify.ts";
import type { Host } from "../platform/host.ts";
import { annotationsOf } from "./arguments.ts";
import { compatOf, type compatReaders } from "./compat-option.ts";
import type { OptionValues } from "./option-values.ts";
import type { policyReaders } from "./policy-options.ts";

type PolicyOptions = OptionValues<typeof policyReaders & typeof compatReaders> & {
  readonly annotation?: readonly string[] | undefined;
  readonly crl?: readonly string[] | undefined;
  readonly revocation?: string | undefined;
};

/**
 * What a trust policy named by flags asks for. Nothing is looked for where no flag points.
 * @throws with exit status 2: E_USAGE, and what loadNotationPolicy throws.
 */
export async function loadPolicy(
  host: Host,
  options: PolicyOptions,
  revocation: RevocationCheck,
): Promise<RequirementByRepository> {
  const folder = options.notationConfig === undefined ? undefined : configFolder(host, options.notationConfig);
  if (options.policy !== undefined && options.trustPolicy !== undefined) {
    throw usage("--policy and --trust-policy both name a document", "leave one out");
  }
  const annotations = annotationsOf(options.annotation ?? []);
  if (options.policy !== undefined) {
    const document = await jsonOf(host, options.policy);
    const { isContainersPolicy } = await import("../policies/containers/document.ts");
    if (isContainersPolicy(document)) {
      refuseNotationFlags(options);
      const { loadContainersPolicy } = await import("../operations/containers-policy.ts");
      return loadContainersPolicy(host, { policy: options.policy, annotations, compat: compatOf(options) });
    }
    const { isNotationPolicy } = await import("../policies/notation/document.ts");
    if (!isNotationPolicy(document)) throw unknownKind(options.policy);
  }
  const policy = options.policy ?? options.trustPolicy ?? (folder && (await documentIn(host, folder)));
  const trustStore = options.trustStore ?? (folder && path.join(folder, "truststore"));
  if (policy === undefined) {
    throw usage(
      "--trust-store or --scope stands without a trust policy",
      "name the document: --trust-policy trustpolicy.json",
    );
  }
  if (trustStore === undefined) {
    throw usage(
      "--trust-policy stands without --trust-store",
      "name the folder that holds x509/: --trust-store truststore",
    );
  }
  const { loadNotationPolicy } = await import("../operations/notation-policy.ts");
  return loadNotationPolicy(host, {
    policy,
    trustStore,
    scope: options.scope,
    annotations,
    revocation,
    compat: compatOf(options),
  });
}

/** What a policy.json has no use for. @throws E_USAGE */
function refuseNotationFlags({ trustStore, notationConfig, scope, crl, revocation }: PolicyOptions): void {
  const given = Object.entries({
    "--trust-store": trustStore,
    "--notation-config": notationConfig,
    "--scope": scope,
    "--crl": crl,
    "--revocation": revocation,
  }).find(([, value]) => value !== undefined);
  if (given === undefined) return;
  throw usage(`${given[0]} stands beside a policy.json, which has no use for it`, `leave ${given[0]} out`);
}

function unknownKind(file: string): CountersignError {
  return new CountersignError("E_POLICY_INVALID", `${file} is no policy document of a kind that is read`, {
    hint: "hand over a policy.json (a JSON object with default), or a trust policy of notation's (with trustPolicies)",
  });
}

/** notation's own folder (notation-go dir/path.go), or the one that is named. */
function configFolder(host: Host, named: string): string {
  if (named !== "default") return named;
  const { env, homeDirectory } = host;
  if (env["NOTATION_CONFIG"]) return env["NOTATION_CONFIG"];
  if (env["XDG_CONFIG_HOME"]) return path.join(env["XDG_CONFIG_HOME"], "notation");
  return process.platform === "darwin"
    ? path.join(homeDirectory, "Library", "Application Support", "notation")
    : path.join(homeDirectory, ".config", "notation");
}

async function documentIn(host: Host, folder: string): Promise<string> {
  for (const name of ["trustpolicy.oci.json", "trustpolicy.json"]) {
    const file = path.join(folder, name);
    if (await host.files.exists(file)) return file;
  }
  throw new CountersignError("E_FILE_UNREADABLE", `${folder} holds no trustpolicy.oci.json and no trustpolicy.json`, {
    hint: "name the folder that notation keeps its configuration in, or the document with --trust-policy",
  });
}

async function jsonOf(host: Host, file: string): Promise<unknown> {
  try {
    return JSON.parse(Buffer.from(await host.files.read(file, LIMITS.policy)).toString("utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function usage(message: string, hint: string): CountersignError {
  return new CountersignError("E_USAGE", message, { hint });
}
