import { isDigest } from "../../model/digest.ts";
import { OCI_INDEX } from "../../model/media-types.ts";
import type { ServedRequest, ServedResponse } from "../../platform/serve.ts";
import { buildIndex } from "../build-manifest.ts";
import { content, json, nextPage, refusal } from "./answers.ts";
import type { Storage } from "./storage.ts";

/** `/v2/NAME/tags/list` (distribution spec, "Listing Tags"): sorted, by pages of `n`, at most `pageSize`. */
export function answerTags(storage: Storage, pageSize: number, name: string, request: ServedRequest): ServedResponse {
  const kept = storage.get(name);
  if (kept === undefined) return refusal(404, "NAME_UNKNOWN", `there is no repository ${name}`);
  const { searchParams, pathname } = request.url;
  const asked = searchParams.get("n");
  if (asked !== null && !/^[0-9]{1,6}$/.test(asked)) return refusal(400, "UNSUPPORTED", `n=${asked} is not a count`);
  const last = searchParams.get("last") ?? "";
  const count = Math.min(pageSize, asked === null ? pageSize : Number(asked));
  const rest = [...kept.tags.keys()].sort().filter((tag) => tag > last);
  const page = rest.slice(0, count);
  const end = page.at(-1);
  const more = end !== undefined && rest.length > page.length;
  return json(200, { name, tags: page }, more ? nextPage(pathname, { n: String(count), last: end }) : {});
}

/** `/v2/NAME/referrers/DIGEST` (distribution spec, "Listing Referrers"): in the order they came, by pages of `pageSize`. */
export function answerReferrers(
  storage: Storage,
  pageSize: number,
  name: string,
  subject: string,
  request: ServedRequest,
): ServedResponse {
  if (!isDigest(subject)) return refusal(400, "DIGEST_INVALID", `${subject} is not a digest`);
  const { searchParams, pathname } = request.url;
  const wanted = searchParams.get("artifactType");
  const all = [...(storage.get(name)?.referrers.get(subject)?.values() ?? [])];
  const matching = wanted === null ? all : all.filter(({ artifactType }) => artifactType === wanted);
  const last = searchParams.get("last");
  const start = last === null ? 0 : matching.findIndex(({ digest }) => digest === last) + 1;
  const page = matching.slice(start, start + pageSize);
  const end = page.at(-1);
  const more = end !== undefined && start + page.length < matching.length;
  return content(200, buildIndex({ manifests: page }), {
    "content-type": OCI_INDEX,
    ...(wanted === null ? {} : { "oci-filters-applied": "artifactType" }),
    ...(more ? nextPage(pathname, { artifactType: wanted, last: end.digest }) : {}),
  });
}
