import type { Descriptor } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import { CountersignError, isCountersignError } from "../model/errors.ts";
import { LIMITS } from "../model/limits.ts";
import { OCI_INDEX } from "../model/media-types.ts";
import { readBody } from "../platform/body.ts";
import type { Scope } from "./auth.ts";
import { parseManifest } from "./manifest.ts";
import { nextPage } from "./redirects.ts";
import { readFault } from "./registry-error.ts";
import type { ReferrersAnswer, Repository } from "./repository.ts";
import type { RegistryAnswer, Transport } from "./transport.ts";

const UNSUPPORTED: ReferrersAnswer = { supported: false, descriptors: [] };
/** Go-containerregistry takes these for "no such API" too; 404 is what the specification says. */
const NO_SUCH_API = new Set([400, 404, 405, 406]);
/** Codes of a 404 that speak of this subject or repository, not of the API. */
const NO_SUCH_CONTENT = new Set(["NAME_UNKNOWN", "MANIFEST_UNKNOWN", "NOT_FOUND"]);
const TAGS_A_PAGE = 1000;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** What is remembered of a repository for a run. */
export interface ListingMemory {
  /** The registry has no referrers API for it: not asked again. */
  withoutReferrers: boolean;
  /** The first question, while nobody knows: the others wait for what comes of it. */
  probe?: Promise<unknown> | undefined;
}

/**
 * Listings of one repository over HTTP (distribution-spec, listing referrers, listing tags). Pages are followed within the
 * listing only, up to `LIMITS`.
 *
 * Of the referrers API, 400, 404, 405 and 406 mean that there is none: the fallback tag, which is read beside it, then decides. Any
 * other answer that is no index, a web page too, is an error: it was not possible to look.
 */
export function createListings(
  transport: Transport,
  scope: Scope,
  memory: ListingMemory,
): Pick<Repository, "listReferrers" | "listTags"> {
  const { registry } = transport;
  const { repository } = scope;

  const readReferrers = async (answer: RegistryAnswer, first: boolean): Promise<Page<Descriptor> | undefined> => {
    const what = `to list the referrers in ${registry}/${repository}`;
    const { status, response } = answer;
    const type = response.header("content-type")?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
    if (first && NO_SUCH_API.has(status)) {
      const { codes } = await readFault(response);
      if (!codes.some((code) => NO_SUCH_CONTENT.has(code))) memory.withoutReferrers = true;
      return undefined;
    }
    if (status !== 200) return transport.refuse(answer, what);
    if (type !== OCI_INDEX) {
      response.discard();
      throw notAnIndex(registry, type);
    }
    const bytes = await readPage(response, LIMITS.referrersPage, "referrers");
    const content = parseManifest(bytes, type);
    return { items: content.manifests ?? [], next: nextPage(response.header("link"), answer.url) };
  };

  const readTags = async (answer: RegistryAnswer): Promise<Page<string>> => {
    const { status, response } = answer;
    if (status === 404) {
      response.discard();
      throw new CountersignError("E_SUBJECT_NOT_FOUND", `${registry} has no repository ${repository}`, {
        hint: "check its name, and whether the credentials may see it",
      });
    }
    if (status !== 200) return transport.refuse(answer, `to list the tags of ${registry}/${repository}`);
    const bytes = await readPage(response, LIMITS.referrersPage, "tags");
    return { items: parseTags(bytes, registry), next: nextPage(response.header("link"), answer.url) };
  };

  const listReferrers = async (subject: Digest): Promise<ReferrersAnswer> => {
    const descriptors: Descriptor[] = [];
    let target: string | URL = `/v2/${repository}/referrers/${subject}`;
    for (let pages = 1; ; pages += 1) {
      const page: Page<Descriptor> | undefined = await transport.call(
        { method: "GET", target, scope, headers: { accept: OCI_INDEX } },
        (answer) => readReferrers(answer, pages === 1),
      );
      if (page === undefined) return UNSUPPORTED;
      const room = LIMITS.referrers - descriptors.length;
      descriptors.push(...page.items.slice(0, room));
      if (page.items.length > room) return { supported: true, descriptors, truncated: `${LIMITS.referrers} referrers` };
      if (page.next === undefined) return { supported: true, descriptors };
      if (pages === LIMITS.referrersPages) {
        return { supported: true, descriptors, truncated: `${LIMITS.referrersPages} pages of referrers` };
      }
      target = page.next;
    }
  };

  return {
    async listReferrers(subject) {
      if (memory.probe === undefined) {
        const probe = listReferrers(subject);
        memory.probe = probe.catch(() => undefined);
        return probe;
      }
      await memory.probe;
      return memory.withoutReferrers ? UNSUPPORTED : listReferrers(subject);
    },
    async listTags() {
      const tags: string[] = [];
      let target: string | URL = `/v2/${repository}/tags/list?n=${TAGS_A_PAGE}`;
      for (let pages = 1; ; pages += 1) {
        const page: Page<string> = await transport.call({ method: "GET", target, scope }, readTags);
        for (const tag of page.items) tags.push(tag);
        if (tags.length > LIMITS.tags || (page.next && pages === LIMITS.tagPages)) throw tooMany(registry, repository);
        if (page.next === undefined) return tags;
        target = page.next;
      }
    },
  };
}

interface Page<T> {
  readonly items: readonly T[];
  readonly next: URL | undefined;
}

/** A listing that is too long was not looked at: that is no verdict on what it lists. */
async function readPage(response: RegistryAnswer["response"], limit: number, what: string): Promise<Uint8Array> {
  return readBody(response, limit, `a page of ${what}`).catch((error: unknown) => {
    if (!isCountersignError(error) || error.code !== "E_TOO_LARGE") throw error;
    throw new CountersignError("E_LIMIT", error.message, { hint: `prune the repository's ${what}` });
  });
}

/** `{"name":…,"tags":[…]}`; Go programs write `null` for no tags. */
function parseTags(bytes: Uint8Array, registry: string): readonly string[] {
  let tags: unknown;
  try {
    const document: unknown = JSON.parse(new TextDecoder().decode(bytes));
    tags = typeof document === "object" && document !== null && "tags" in document ? document.tags : undefined;
  } catch {
    tags = undefined;
  }
  if (tags === null) return [];
  if (Array.isArray(tags) && tags.every((tag): tag is string => typeof tag === "string" && TAG.test(tag))) return tags;
  throw new CountersignError("E_REGISTRY_ANSWER", `${registry} answers with something that is no list of tags`, {
    hint: "check that the address is a registry's",
  });
}

function notAnIndex(registry: string, type: string): CountersignError {
  return new CountersignError(
    "E_REGISTRY_ANSWER",
    `${registry} answers a request for referrers with ${JSON.stringify(type.slice(0, 100))}, which is no index`,
    { hint: "check that no proxy or login page answers in the registry's place", retry: false },
  );
}

function tooMany(registry: string, repository: string): CountersignError {
  return new CountersignError("E_LIMIT", `${registry}/${repository} has more than ${LIMITS.tags} tags`, {
    hint: "name the images, instead of the whole repository",
  });
}
