import type { ServedResponse } from "../../platform/serve.ts";

/** Error codes of the distribution spec, and those of Docker's registry and of the signature extension beside them. */
export type RegistryErrorCode =
  | "BLOB_UNKNOWN"
  | "BLOB_UPLOAD_INVALID"
  | "BLOB_UPLOAD_UNKNOWN"
  | "DIGEST_INVALID"
  | "MANIFEST_BLOB_UNKNOWN"
  | "MANIFEST_INVALID"
  | "MANIFEST_UNKNOWN"
  | "NAME_INVALID"
  | "NAME_UNKNOWN"
  | "SIGNATURE_EXISTS"
  | "SIGNATURE_INVALID"
  | "SIZE_INVALID"
  | "TAG_INVALID"
  | "TOOMANYREQUESTS"
  | "UNSUPPORTED";

/** An answer that refuses (distribution spec, "Error Codes"). */
export function refusal(status: number, code: RegistryErrorCode, message: string): ServedResponse {
  return json(status, { errors: [{ code, message }] });
}

export function json(status: number, value: unknown, headers: Record<string, string> = {}): ServedResponse {
  return content(status, new TextEncoder().encode(JSON.stringify(value)), {
    "content-type": "application/json",
    ...headers,
  });
}

/** An answer with a body, its length said: HEAD is answered with the same headers. */
export function content(status: number, body: Uint8Array, headers: Record<string, string>): ServedResponse {
  return { status, headers: { ...headers, "content-length": String(body.length) }, body };
}

export function empty(status: number, headers: Record<string, string> = {}): ServedResponse {
  return { status, headers: status === 204 || status === 304 ? headers : { ...headers, "content-length": "0" } };
}

/** The `Link` to the next page of a list (RFC 8288), parameters that have no value left out. */
export function nextPage(path: string, parameters: Record<string, string | null>): Record<string, string> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== null) query.set(name, value);
  return { link: `<${path}?${query}>; rel="next"` };
}
