import { CountersignError } from "../../../model/errors.ts";

/** A program that reads policy.json, by the version of containers/image in it. */
export interface Consumer {
  readonly name: string;
  readonly library: Version;
  /** Debian's build refuses every image that a sigstoreSigned requirement is about. */
  readonly withoutSigstore?: boolean | undefined;
}

type Version = readonly [major: number, minor: number, patch: number];

/**
 * containers/image in each skopeo, from its go.mod; of a line, that of its first release, which knows least (of 1.9 and 1.13 that of their
 * third patches: no member that is told of came in between).
 */
const skopeo: Readonly<Record<string, string>> = {
  "1.9": "5.22.1",
  "1.10": "5.23.0",
  "1.11": "5.24.0",
  "1.12": "5.25.0",
  "1.13": "5.26.2",
  "1.14": "5.29.0",
  "1.15": "5.30.0",
  "1.16": "5.32.0",
  "1.17": "5.33.0",
  "1.18": "5.34.0",
  "1.19": "5.35.0",
  "1.20": "5.36.0",
  "1.21": "5.38.0",
  "1.22": "5.39.1",
};

const named: Readonly<Record<string, Omit<Consumer, "name">>> = {
  debian12: { library: [5, 23, 1], withoutSigstore: true },
  // From the go.mod of 4.3.0 and of 5.0.0.
  "podman-4.3": { library: [5, 23, 0] },
  "podman-5": { library: [5, 30, 0] },
  ...Object.fromEntries(
    Object.entries(skopeo).map(([line, library]) => [`skopeo-${line}`, { library: versionOf(library) }]),
  ),
};

export const CONSUMERS: readonly string[] = Object.keys(named);

/** @throws E_USAGE */
export function consumerNamed(name: string): Consumer {
  const known = Object.hasOwn(named, name) ? named[name] : undefined;
  if (known !== undefined) return { name, ...known };
  const written = /^containers-image-(\d{1,3}\.\d{1,3}\.\d{1,3})$/.exec(name)?.[1];
  if (written !== undefined) return { name, library: versionOf(written) };
  throw new CountersignError("E_USAGE", `--consumer: ${JSON.stringify(name.slice(0, 80))} is not known`, {
    hint: `name some of ${CONSUMERS.join(", ")}, or any by its library: containers-image-5.36.1`,
  });
}

/** Whether its library is at least of a version, `5.24.0`. */
export function isSince({ library }: Consumer, since: string): boolean {
  const wanted = versionOf(since);
  for (const [at, part] of library.entries()) {
    const other = wanted[at] ?? 0;
    if (part !== other) return part > other;
  }
  return true;
}

function versionOf(text: string): Version {
  const [major = 0, minor = 0, patch = 0] = text.split(".").map(Number);
  return [major, minor, patch];
}
