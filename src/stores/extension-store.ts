import { type Digest, digestOf, matchesDigest } from "../model/digest.ts";
import { CountersignError } from "../model/errors.ts";
import { OCTET_STREAM, OPENPGP_SIGNATURE } from "../model/media-types.ts";
import type { Entry, Place } from "../model/signature.ts";
import type { SignatureExtension } from "../oci/extension-document.ts";
import type { Host } from "../platform/host.ts";
import { lookFailure } from "./look-failure.ts";
import type { Store } from "./store.ts";

/**
 * Simple signatures that the registry keeps itself, by its extension. It lists all of an image with their contents at once, takes one at a
 * time, and gives none back: nothing there can be removed or replaced.
 */
export function createExtensionStore(extension: SignatureExtension, host: Pick<Host, "randomBytes">): Store {
  const contents = new WeakMap<Entry, Uint8Array>();

  const entryOf = (name: string, content: Uint8Array, mediaType = OPENPGP_SIGNATURE): Entry => {
    const digest = digestOf(content);
    return { place: { kind: "extension", name, digest }, descriptor: { mediaType, digest, size: content.length } };
  };

  return {
    kind: "extension",
    async list(subject) {
      try {
        const signatures = await extension.list(subject);
        const entries = signatures.map((signature) => {
          if (signature.kind === "unknown" && signature.fault === undefined) {
            return entryOf(signature.name, new TextEncoder().encode(signature.type), OCTET_STREAM);
          }
          const content = signature.kind === "simple" ? signature.content : new Uint8Array();
          const entry = entryOf(signature.name, content);
          contents.set(entry, content);
          return entry;
        });
        return { entries, failures: [] };
      } catch (error) {
        return { entries: [], failures: [lookFailure(error, "signature extension")] };
      }
    },
    async fetch(entry, subject) {
      const { place, descriptor } = entry;
      const bytes = contents.get(entry) ?? (await contentOf(place, subject));
      if (bytes.length === 0) {
        throw new CountersignError("E_SIGNATURE_MALFORMED", `${place.name} has no content that is base64`, {
          hint: "ask who wrote it",
        });
      }
      return { place, mediaType: descriptor.mediaType, bytes, annotations: {} };
    },
    async append({ digest: subject }, { bytes }) {
      return entryOf(await extension.add(subject, bytes, host.randomBytes), bytes);
    },
  };

  /** A registry may keep a signature under another name than it was sent with: the content tells. */
  async function contentOf({ name, digest }: Place, subject: Digest): Promise<Uint8Array> {
    const signatures = (await extension.list(subject)).filter((signature) => signature.kind === "simple");
    const named = signatures.find((signature) => signature.name === name);
    const found = named ?? signatures.find(({ content }) => digest !== undefined && matchesDigest(content, digest));
    if (found !== undefined) return found.content;
    throw new CountersignError("E_BLOB_MISSING", `the signature ${name} is not listed`, {
      hint: "try again; a registry that takes signatures in the background shows them a moment later",
    });
  }
}
