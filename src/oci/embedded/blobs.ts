import { isDigest, matchesDigest } from "../../model/digest.ts";
import type { ServedRequest, ServedResponse } from "../../platform/serve.ts";
import { content, empty, refusal } from "./answers.ts";
import type { Storage } from "./storage.ts";

interface Upload {
  readonly repository: string;
  readonly chunks: Uint8Array[];
  size: number;
}

const MAX_UPLOADS = 1000;

export interface Blobs {
  /** `/v2/NAME/blobs/DIGEST`. */
  blob(name: string, digest: string, request: ServedRequest): ServedResponse;
  /** `/v2/NAME/blobs/uploads/`: begins an upload, takes one whole, or mounts. */
  begin(name: string, request: ServedRequest): ServedResponse;
  /** `/v2/NAME/blobs/uploads/ID`. */
  upload(name: string, id: string, request: ServedRequest): ServedResponse;
}

/** Blobs and their uploads: monolithic, chunked, mounted (distribution spec, "Pulling blobs", "Pushing blobs"). */
export function createBlobs(storage: Storage, maxBlob: number): Blobs {
  const uploads = new Map<string, Upload>();
  let begun = 0;

  const keep = (name: string, digest: string | null, bytes: Uint8Array): ServedResponse => {
    if (digest === null || !isDigest(digest) || !matchesDigest(bytes, digest)) {
      return refusal(
        400,
        "DIGEST_INVALID",
        `the ${bytes.length} bytes sent are not ${digest ?? "of a digest that was given"}`,
      );
    }
    storage.getOrCreate(name).blobs.set(digest, bytes);
    return created(name, digest);
  };

  const append = (upload: Upload, request: ServedRequest): ServedResponse | undefined => {
    const start = /^(?:bytes )?([0-9]+)-[0-9]+/.exec(request.headers["content-range"] ?? "")?.[1];
    if (start !== undefined && Number(start) !== upload.size) {
      return refusal(416, "BLOB_UPLOAD_INVALID", `byte ${upload.size} is the next, not ${start}`);
    }
    if (upload.size + request.body.length > maxBlob) {
      return refusal(413, "SIZE_INVALID", `a blob has at most ${maxBlob} bytes here`);
    }
    if (request.body.length > 0) upload.chunks.push(request.body);
    upload.size += request.body.length;
    return undefined;
  };

  return {
    blob(name, digest, request) {
      if (!isDigest(digest)) return refusal(400, "DIGEST_INVALID", `${digest} is not a digest`);
      const kept = storage.get(name);
      const bytes = kept?.blobs.get(digest);
      if (bytes === undefined) return refusal(404, "BLOB_UNKNOWN", `${name} has no blob ${digest}`);
      switch (request.method) {
        case "GET":
        case "HEAD":
          return content(200, bytes, { "content-type": "application/octet-stream", "docker-content-digest": digest });
        case "DELETE":
          kept?.blobs.delete(digest);
          return empty(202);
        default:
          return refusal(405, "UNSUPPORTED", `${request.method} is not for blobs`);
      }
    },

    begin(name, request) {
      if (request.method !== "POST") return refusal(405, "UNSUPPORTED", "an upload begins with POST");
      const { searchParams } = request.url;
      const mount = searchParams.get("mount");
      const source = storage.get(searchParams.get("from") ?? "");
      const mounted = mount !== null && isDigest(mount) ? source?.blobs.get(mount) : undefined;
      if (mount !== null && mounted !== undefined) return keep(name, mount, mounted);
      if (searchParams.has("digest")) {
        if (request.body.length > maxBlob)
          return refusal(413, "SIZE_INVALID", `a blob has at most ${maxBlob} bytes here`);
        return keep(name, searchParams.get("digest"), request.body);
      }
      if (uploads.size >= MAX_UPLOADS) return refusal(429, "TOOMANYREQUESTS", "too many uploads are open");
      begun += 1;
      const id = begun.toString(16).padStart(8, "0");
      const upload: Upload = { repository: name, chunks: [], size: 0 };
      uploads.set(id, upload);
      return progress(202, id, upload);
    },

    upload(name, id, request) {
      const upload = uploads.get(id);
      if (upload === undefined || upload.repository !== name) {
        return refusal(404, "BLOB_UPLOAD_UNKNOWN", `${name} has no upload ${id}`);
      }
      switch (request.method) {
        case "GET":
          return progress(204, id, upload);
        case "PATCH":
          return append(upload, request) ?? progress(202, id, upload);
        case "PUT": {
          const refused = append(upload, request);
          if (refused !== undefined) return refused;
          uploads.delete(id);
          return keep(name, request.url.searchParams.get("digest"), Buffer.concat(upload.chunks));
        }
        case "DELETE":
          uploads.delete(id);
          return empty(204);
        default:
          return refusal(405, "UNSUPPORTED", `${request.method} is not for uploads`);
      }
    },
  };
}

function created(name: string, digest: string): ServedResponse {
  return empty(201, { location: `/v2/${name}/blobs/${digest}`, "docker-content-digest": digest });
}

function progress(status: number, id: string, upload: Upload): ServedResponse {
  return empty(status, {
    location: `/v2/${upload.repository}/blobs/uploads/${id}`,
    range: `0-${Math.max(0, upload.size - 1)}`,
    "docker-upload-uuid": id,
  });
}
