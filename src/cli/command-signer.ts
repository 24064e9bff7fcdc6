import { CountersignError } from "../model/errors.ts";
import type { Host } from "../platform/host.ts";
import { splitCommand } from "../signers/command-line.ts";
import { commandLabel, createCommandSigner, rehearseCommand, type SigningCommand } from "../signers/command-signer.ts";
import { checkSigningChain } from "../signers/preflight.ts";
import type { ExternalSignerRequest, LoadedSigner } from "./loaded-signer.ts";
import { checkedNames } from "./pass-env.ts";

/**
 * The signer behind `exec:COMMAND`. Without certificates or a public key by flag the command is run once, over a text that is no
 * payload, for the certificates in its answer.
 * @throws with exit status 2: E_USAGE, E_COMMAND when there is no such program, and the codes of certificates; and what
 * rehearseCommand throws.
 */
export async function loadCommandSigner({
  host,
  spec,
  options,
  algorithm,
  material: given,
  purpose,
}: ExternalSignerRequest): Promise<LoadedSigner> {
  const command: SigningCommand = {
    argv: splitCommand(spec.slice(spec.indexOf(":") + 1)),
    input: options.signerInput,
    output: options.signerOutput,
    passEnv: checkedNames(options.passEnv ?? []),
    timeout: options.signerTimeout * 1000,
    concurrency: options.signerConcurrency ?? 4,
  };
  await ensureProgram(host, command.argv[0]);
  if (given !== undefined) return { signer: createCommandSigner(host, command, given), warnings: [] };
  const { publicKey, certificates } = await rehearseCommand(host, command, algorithm);
  const { chain, warnings } = checkSigningChain({ publicKey, certificates, at: host.now(), purpose });
  return {
    signer: createCommandSigner(host, command, { publicKey, chain }),
    warnings: warnings.map(({ message }) => `${commandLabel(command.argv)}: ${message}`),
  };
}

/** Better said now than behind the first request. */
async function ensureProgram({ files, env }: Host, program: string): Promise<void> {
  const folders = program.includes("/") ? [""] : (env["PATH"] ?? "").split(":").map((folder) => `${folder}/`);
  for (const folder of folders) if (await files.exists(folder + program)) return;
  throw new CountersignError("E_COMMAND", `${program} cannot be started: it is not there`, {
    hint: "install it, or write its whole path",
  });
}
