import { parseDocument } from "yaml";
import { CountersignError } from "../model/errors.ts";
import { isAddress } from "./lookaside-path.ts";
import { createRegistriesD, type RegistriesD, type RegistriesSection } from "./registries-d.ts";

/** One file, its text not yet read. */
export interface RegistriesFile {
  /** For messages. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

const TOP_KEYS = ["default-docker", "docker"];
const ADDRESS_KEYS = ["lookaside", "lookaside-staging", "sigstore", "sigstore-staging"] as const;
const SECTION_KEYS = [...ADDRESS_KEYS, "use-sigstore-attachments"];
/** What an alias may make of a small file. */
const ALIASES = 100;

/** A key that containers/image passes over in silence. */
export interface IdleKey {
  readonly path: string;
  /** The section that it stands in, as in `docker "r.test"`; empty at the top. */
  readonly section: string;
  readonly name: string;
  /** What it may be meant to be. */
  readonly meant: string | undefined;
}

/** What is in registries.d files, and what is wrong with them. */
export interface RegistriesContent {
  /** By scope; `""` is `default-docker`. */
  readonly sections: ReadonlyMap<string, RegistriesSection>;
  /** The file that each scope is in. */
  readonly origins: ReadonlyMap<string, string>;
  readonly idle: readonly IdleKey[];
  /** Addresses that cannot be used: containers/image refuses the images under them, and no others. */
  readonly unfit: readonly CountersignError[];
}

/**
 * Reads registries.d files and puts them together as containers/image does. Keys that it would pass over in silence become warnings.
 *
 * @param files YAML in UTF-8, those that end in `.yaml`.
 * @throws E_CONFIG_INVALID.
 */
export function readRegistriesD(files: readonly RegistriesFile[]): RegistriesD {
  const { sections, idle, unfit } = inspectRegistriesD(files);
  const [first] = unfit;
  if (first !== undefined) throw first;
  return createRegistriesD(sections, idle.map(idleText));
}

/** `a.yaml: docker "r.test": nobody reads the key "lookasid"; it may be meant to be lookaside`. */
function idleText({ path, section, name, meant }: IdleKey): string {
  const where = section === "" ? "" : `${section}: `;
  const better = meant === undefined ? "" : `; it may be meant to be ${meant}`;
  return `${path}: ${where}nobody reads the key ${JSON.stringify(name)}${better}`;
}

/**
 * What registries.d files say, whether it can be used or not. A scope, or the default, may be in one of them alone.
 * @throws E_CONFIG_INVALID for what containers/image refuses whole, and with it every image.
 */
export function inspectRegistriesD(files: readonly RegistriesFile[]): RegistriesContent {
  const sections = new Map<string, RegistriesSection>();
  const origins = new Map<string, string>();
  const found: Found = { idle: [], unfit: [] };
  for (const { path, bytes } of files) {
    const document = mapIn(parseYaml(path, bytes), path, "the document");
    noteUnknown(document, TOP_KEYS, path, "", found);
    const scopes = mapIn(document.get("docker"), path, "docker");
    const named = [...scopes].map(([scope, section]) => ({ scope, section, key: `docker "${scope}"` }));
    const whole = document.get("default-docker");
    if (whole !== undefined && whole !== null) named.push({ scope: "", section: whole, key: "default-docker" });
    for (const { scope, section, key } of named) {
      if (scope === "" && key !== "default-docker") throw unfit(path, 'docker has a scope ""', "name a scope");
      const before = origins.get(scope);
      if (before !== undefined) {
        throw new CountersignError("E_CONFIG_INVALID", `${key} is defined in ${before} and again in ${path}`, {
          hint: "keep it in one of the files: podman and skopeo refuse both",
        });
      }
      origins.set(scope, path);
      sections.set(scope, sectionOf(section, path, key, found));
    }
  }
  return { sections, origins, ...found };
}

interface Found {
  readonly idle: IdleKey[];
  readonly unfit: CountersignError[];
}

function parseYaml(path: string, bytes: Uint8Array): unknown {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    const document = parseDocument(text, { merge: true, prettyErrors: false, logLevel: "silent" });
    const [error] = document.errors;
    if (error !== undefined) throw error;
    return document.toJS({ mapAsMap: true, maxAliasCount: ALIASES });
  } catch (cause) {
    const why = cause instanceof Error ? (cause.message.split("\n", 1)[0] ?? "") : "";
    throw unfit(path, `it is not YAML: ${why.slice(0, 200)}`, "check the file", cause);
  }
}

function mapIn(value: unknown, path: string, what: string): ReadonlyMap<string, unknown> {
  if (value === undefined || value === null) return new Map();
  if (!(value instanceof Map)) throw unfit(path, `${what} is not a mapping`, "see containers-registries.d(5)");
  const named = [...value].map(([key, member]: [unknown, unknown]): [string, unknown] => {
    if (typeof key === "string" || typeof key === "number") return [String(key), member];
    throw unfit(path, `${what} has a key that is not text`, "see containers-registries.d(5)");
  });
  return new Map(named);
}

function sectionOf(value: unknown, path: string, key: string, found: Found): RegistriesSection {
  const members = mapIn(value, path, key);
  noteUnknown(members, SECTION_KEYS, path, key, found);
  const addresses = ADDRESS_KEYS.flatMap((name): [string, string][] => {
    const address = members.get(name);
    if (address === undefined || address === null || address === "") return [];
    if (typeof address === "string" && isAddress(address)) return [[name, address]];
    const what = `${key}: ${name} is ${JSON.stringify(address)?.slice(0, 160)}`;
    const error = unfit(path, what, "write file:///PATH, https://… or http://…, without user, query and fragment");
    // Of YAML's other kinds the whole file is refused.
    if (typeof address !== "string") throw error;
    found.unfit.push(error);
    return [];
  });
  const attachments = switchIn(members.get("use-sigstore-attachments"));
  if (attachments === "neither") {
    throw unfit(path, `${key}: use-sigstore-attachments is neither true nor false`, "write true or false");
  }
  const known = attachments === undefined ? {} : { "use-sigstore-attachments": attachments };
  return { ...Object.fromEntries(addresses), ...known };
}

/** YAML 1.1 has more words for true and false, which containers/image's reader takes for a switch. */
function switchIn(value: unknown): boolean | undefined | "neither" {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "boolean") return value;
  if (value === "y" || value === "Y" || value === "yes" || value === "on") return true;
  return value === "n" || value === "N" || value === "no" || value === "off" ? false : "neither";
}

function noteUnknown(
  members: ReadonlyMap<string, unknown>,
  known: readonly string[],
  path: string,
  section: string,
  { idle }: Found,
): void {
  for (const name of members.keys()) {
    if (known.includes(name)) continue;
    idle.push({ path, section, name: name.slice(0, 80), meant: nearestOf(name, known) });
  }
}

/** The known name that is at most a third of its letters away. */
export function nearestOf(name: string, known: readonly string[]): string | undefined {
  const written = name.slice(0, 80).toLowerCase().replaceAll("_", "-");
  const near = known.map((one) => ({ one, distance: distanceOf(written, one) }));
  near.sort((a, b) => a.distance - b.distance);
  const [first] = near;
  return first !== undefined && first.distance <= Math.ceil(first.one.length / 3) ? first.one : undefined;
}

/** Letters to put in, take out or change (Levenshtein). */
function distanceOf(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (const [line, letter] of [...from].entries()) {
    const next = [line + 1];
    for (let at = 1; at <= to.length; at += 1) {
      const changed = (row[at - 1] ?? 0) + (letter === to[at - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[at] ?? 0) + 1, (next[at - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}

function unfit(path: string, what: string, hint: string, cause?: unknown): CountersignError {
  return new CountersignError("E_CONFIG_INVALID", `${path}: ${what}`, { hint, cause });
}
