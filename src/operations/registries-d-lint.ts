import { CountersignError } from "../model/errors.ts";
import type { Consumer } from "../policies/containers/lint/consumers.ts";
import type { LintFinding } from "../policies/containers/lint/finding.ts";
import { lintScope } from "../policies/containers/lint/scopes.ts";
import type { RegistriesContent, RegistriesFile } from "../stores/registries-d-files.ts";

const finding = { rule: "registries-d", consumer: null } as const;

/**
 * What is wrong with registries.d files: what consumers refuse whole (an error, as then no image of a registry is taken), keys that nobody
 * reads, addresses that cannot be used, and scopes that no image can be under.
 */
export async function lintRegistriesD(
  files: readonly RegistriesFile[],
  consumers: readonly Consumer[],
): Promise<readonly LintFinding[]> {
  const { inspectRegistriesD } = await import("../stores/registries-d-files.ts");
  let content: RegistriesContent;
  try {
    content = inspectRegistriesD(files);
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error;
    const { message, hint = "mend the file" } = error;
    return [{ ...finding, severity: "error", place: "registries.d", message, mend: hint }];
  }
  const { idle, unfit, origins } = content;
  return [
    ...idle.map(
      ({ path, section, name, meant }): LintFinding => ({
        ...finding,
        severity: "warning",
        place: section === "" ? path : `${path}: ${section}`,
        message: `nobody reads the key ${JSON.stringify(name)}`,
        mend: meant === undefined ? "remove it" : `write ${meant}`,
      }),
    ),
    ...unfit.map(
      ({ message, hint = "mend the address" }): LintFinding => ({
        ...finding,
        severity: "warning",
        place: "registries.d",
        message: `${message}; no signature of an image under it is found`,
        mend: hint,
      }),
    ),
    ...[...origins].flatMap(([scope, path]) =>
      lintScope("docker", scope, consumers).map(
        (found): LintFinding => ({ ...found, rule: finding.rule, place: `${path}: docker ${JSON.stringify(scope)}` }),
      ),
    ),
  ];
}
