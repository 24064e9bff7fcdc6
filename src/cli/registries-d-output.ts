import type { Command } from "commander";
import { CountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { parseReference, type RegistryReference } from "../oci/reference.ts";
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

/**
 * Before any work. A file that is there may say what this run could write, as the run before it did, and nothing else.
 * @param images as the caller named them.
 * @throws E_USAGE without the place that others read, E_FILE_EXISTS, E_FILE_UNREADABLE, E_FILE_TOO_LARGE, E_REFERENCE_INVALID.
 */
export async function checkRegistriesDOutput(
  { writeRegistriesD: path, lookaside }: Options,
  images: readonly string[],
  host: Host,
): Promise<void> {
  if (path === undefined) return;
  if (lookaside === undefined) {
    throw new CountersignError("E_USAGE", "--write-registries-d does not know where others find the signatures", {
      hint: "name the published place with --lookaside; --lookaside-staging is only this machine's",
    });
  }
  await standingIn(path, images.flatMap(repositoryOf), lookasideAddress("--lookaside", lookaside), host);
}

/** The report, with a warning where nothing went to a lookaside. @throws E_FILE_UNWRITABLE, E_FILE_EXISTS, … as the check. */
export async function writeRegistriesDOutput(
  report: SignReport,
  { writeRegistriesD: path, lookaside }: Options,
  host: Host,
): Promise<SignReport> {
  if (path === undefined || lookaside === undefined) return report;
  const repositories = report.images
    .filter(({ signatures }) => signatures.some(({ place }) => place?.kind === "lookaside"))
    .flatMap(({ reference }) => repositoryOf(reference));
  if (repositories.length === 0) {
    const warning = `no signature is in a lookaside for others to be told of: ${path} is not written`;
    return { ...report, warnings: [...report.warnings, warning] };
  }
  const { encodeRegistriesD } = await import("../stores/registries-d-entry.ts");
  const address = lookasideAddress("--lookaside", lookaside);
  const images = report.images.flatMap(({ reference }) => repositoryOf(reference));
  const standing = await standingIn(path, images, address, host);
  // What it says of an image that failed this time stays.
  const bytes = encodeRegistriesD([...standing, ...repositories], address);
  const known = encodeRegistriesD(standing, address);
  if (!Buffer.from(bytes).equals(known)) await host.files.write(path, bytes, { exclusive: standing.length === 0 });
  return report;
}

/** Of which of these repositories the file speaks, none where it is not there. @throws E_FILE_EXISTS where it says anything else. */
async function standingIn(
  path: string,
  repositories: readonly RegistryReference[],
  address: string,
  host: Host,
): Promise<readonly RegistryReference[]> {
  if (!(await host.files.exists(path))) return [];
  const there = Buffer.from(await host.files.read(path, LIMITS.configFile));
  const { encodeRegistriesD, registriesDSection } = await import("../stores/registries-d-entry.ts");
  const standing = repositories.filter((repository) => there.includes(registriesDSection(repository, address)));
  if (standing.length > 0 && there.equals(encodeRegistriesD(standing, address))) return standing;
  throw new CountersignError("E_FILE_EXISTS", `--write-registries-d: ${path} is there, and says something else`, {
    hint: "name a new file: a folder of such files is read as one, where each scope stands once",
  });
}

function repositoryOf(image: string): readonly RegistryReference[] {
  const reference = parseReference(image);
  return reference.kind === "registry" ? [reference] : [];
}
