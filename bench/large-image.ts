import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import { putBlob, putManifest } from "../test/interop/support/image.ts";

const MiB = 1024 * 1024;
export const LAYERS = 4;
/** Bytes of each. */
export const LAYER = 256 * MiB;

/** An image of random layers, sent in pieces. */
export async function pushLarge(host: string, repository: string, tag: string): Promise<void> {
  const layers = [];
  for (let at = 0; at < LAYERS; at += 1) layers.push(await pushLayer(host, repository));
  const diffIds = layers.map(({ digest }) => digest);
  const configuration = { architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: diffIds } };
  const config = {
    mediaType: "application/vnd.oci.image.config.v1+json",
    ...(await putBlob(host, repository, JSON.stringify(configuration))),
  };
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  await putManifest(host, repository, { schemaVersion: 2, mediaType, config, layers }, mediaType, tag);
}

async function pushLayer(host: string, repository: string) {
  const piece = randomBytes(MiB);
  const hash = createHash("sha256");
  const started = await fetch(`http://${host}/v2/${repository}/blobs/uploads/`, { method: "POST" });
  const upload = new URL(started.headers.get("location") ?? "", `http://${host}`);
  const patch = request(upload, { method: "PATCH", headers: { "content-type": "application/octet-stream" } });
  for (let sent = 0; sent < LAYER; sent += piece.length) {
    // Every piece another one, or the layers would compress and share.
    piece.writeUInt32BE(sent / piece.length, 0);
    hash.update(piece);
    if (!patch.write(Buffer.from(piece))) await once(patch, "drain");
  }
  patch.end();
  const [answer] = await once(patch, "response");
  answer.resume();
  const digest = `sha256:${hash.digest("hex")}`;
  const close = new URL(answer.headers.location, `http://${host}`);
  close.searchParams.set("digest", digest);
  const closed = await fetch(close, { method: "PUT" });
  if (!closed.ok) throw new Error(`${host} did not store a layer: ${closed.status}`);
  return { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest, size: LAYER };
}
