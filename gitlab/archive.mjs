// Whether bytes are what they should be, and the files of dist/ in them. The templates carry this file word for word.
import { createHash, timingSafeEqual } from "node:crypto";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { misuse, Stop, show } from "./stop.mjs";

const LIMITS = { unpacked: 96 * 1024 * 1024, files: 500 };

/** `sha256=HEX` or `sha512-BASE64`, and each the other way. */
export function parseHash(text) {
  const [, hexName, hex] = /^(sha256|sha512)[=:]([0-9a-f]+)$/i.exec(text) ?? [];
  const [, name, base64] = /^(sha256|sha512)-([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? [];
  const algorithm = (hexName ?? name ?? "").toLowerCase();
  const digest = hex === undefined ? Buffer.from(base64 ?? "", "base64") : Buffer.from(hex, "hex");
  if (digest.length === { sha256: 32, sha512: 64 }[algorithm]) return { algorithm, digest };
  throw misuse(`${show(text)} is no hash`, "write sha256= with 64 hex digits, or sha512- with base64, as npm does");
}

/** Stops unless the bytes have the hash; names both. */
export function demand(what, bytes, { algorithm, digest }) {
  const found = createHash(algorithm).update(bytes).digest();
  if (timingSafeEqual(found, digest)) return;
  const write = (hash) => `${algorithm}=${hash.toString("hex")}`;
  throw new Stop(
    "E_DIGEST_MISMATCH",
    1,
    `${show(what)} is not what it should be: wanted ${write(digest)}, got ${write(found)}; nothing of it was run`,
    "find out who changed it; correct the hash only if you know why",
  );
}

/** Writes the plain files of dist/ that a tar.gz holds; whatever else is in there is passed over, links too. */
export async function unpack(bytes, target, what) {
  let count = 0;
  try {
    const tar = gunzipSync(bytes, { maxOutputLength: LIMITS.unpacked });
    for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
      const field = (from, length) => tar.toString("latin1", at + from, at + from + length).replace(/\0.*$/s, "");
      const size = Number.parseInt(field(124, 12).trim() || "0", 8);
      const name = [field(257, 5) === "ustar" ? field(345, 155) : "", field(0, 100)].filter(Boolean).join("/");
      const start = at + 512;
      if (!Number.isSafeInteger(size) || size < 0 || start + size > tar.length) throw new Error("cut short");
      const [, file] = /^(?:\.\/)?(?:[^/]+\/)?dist\/([^/]+)$/.exec(name) ?? [];
      if (["0", ""].includes(field(156, 1)) && isPlain(file) && ++count <= LIMITS.files) {
        await writeFile(path.join(target, file), tar.subarray(start, start + size), { flag: "wx" });
      }
      at = start + Math.ceil(size / 512) * 512;
    }
  } catch (error) {
    throw new Stop(
      "E_FILE_UNREADABLE",
      2,
      `${show(what)} is no tar.gz of dist/: ${show(error.message)}`,
      "pack it by: tar -czf countersign.tar.gz dist",
    );
  }
  if (count === 0)
    throw new Stop(
      "E_FILE_UNREADABLE",
      2,
      `${show(what)} holds no dist/`,
      "pack it by: tar -czf countersign.tar.gz dist",
    );
}

/** A name that a file of dist/ may have. */
export function isPlain(name) {
  return typeof name === "string" && /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name);
}
