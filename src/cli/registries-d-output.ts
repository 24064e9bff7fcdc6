import type { Command } from "commander";
import { CountersignError } from "../model/errors.ts";
import { parseReference } from "../oci/reference.ts";
import type { Host } from "../platform/host.ts";
import type { SignReport } from "../reports/report.ts";
import { lookasideAddress } from "./lookaside-address.ts";
import { text } from "./option-values.ts";

export const registriesDOutputReaders = { writeRegistriesD: text };

interface Options {
  readonly writeRegistriesD?: string | undefined;
  readonly lookaside?: string | undefined;
}

export function addRegistriesDOutput(command: Command): Command {
  return command.option(
    "--write-registries-d <file>",
    "write there what podman is told to find the signatures in the lookaside of --lookaside",
  );
}

/** Before any work. @throws E_USAGE without the place that others read, E_FILE_EXISTS. */
export async function checkRegistriesDOutput(
  { writeRegistriesD: path, lookaside }: Options,
  host: Host,
): Promise<void> {
  if (path === undefined) return;
  if (lookaside === undefined) {
    throw new CountersignError("E_USAGE", "--write-registries-d does not know where others find the signatures", {
      hint: "name the published place with --lookaside; --lookaside-staging is only this machine's",
    });
  }
  lookasideAddress("--lookaside", lookaside);
  if (await host.files.exists(path)) {
    throw new CountersignError("E_FILE_EXISTS", `--write-registries-d: ${path} is there already`, {
      hint: "name a new file: a folder of such files is read as one, where each scope stands once",
    });
  }
}

/** The report, with a warning where nothing went to a lookaside. @throws E_FILE_UNWRITABLE, E_FILE_EXISTS. */
export async function writeRegistriesDOutput(
  report: SignReport,
  { writeRegistriesD: path, lookaside }: Options,
  host: Host,
): Promise<SignReport> {
  if (path === undefined || lookaside === undefined) return report;
  const repositories = report.images.flatMap(({ reference, signatures }) => {
    if (!signatures.some(({ place }) => place?.kind === "lookaside")) return [];
    const named = parseReference(reference);
    return named.kind === "registry" ? [named] : [];
  });
  if (repositories.length === 0) {
    const warning = `no signature is in a lookaside for others to be told of: ${path} is not written`;
    return { ...report, warnings: [...report.warnings, warning] };
  }
  const { encodeRegistriesD } = await import("../stores/registries-d-entry.ts");
  const bytes = encodeRegistriesD(repositories, lookasideAddress("--lookaside", lookaside));
  await host.files.write(path, bytes, { exclusive: true });
  return report;
}
