import { digestAlgorithm, digestOf, isDigest } from "../model/digest.ts";
import { createLayoutFiles } from "./layout-files.ts";
import type { LayoutHost } from "./layout-host.ts";
import { type LayoutIndex, readLayoutIndex, writeLayoutIndex } from "./layout-index.ts";
import { createLock } from "./layout-lock.ts";
import { createLayoutRepository } from "./layout-repository.ts";
import { type SavedImage, withSavedImage } from "./layout-saved.ts";
import { parseManifest } from "./manifest.ts";
import type { Manifest, StreamingRepository } from "./repository.ts";

/** Brings images into a layout folder, which says nothing of them before `commit`. */
export interface LayoutSaver {
  /**
   * For the blobs and manifests of one image. What is put under a tag or refers to something stands in the folder's blobs alone, and under
   * its tag is seen here alone.
   */
  image(): StreamingRepository;
  /**
   * Enters images and what hangs on them into `index.json`, by one rename; cosign reads the last. Resolves to whether that changed anything.
   * @throws E_LAYOUT_INVALID, E_FILE_UNWRITABLE, E_REGISTRY_CONFLICT when others keep writing.
   */
  commit(images: readonly SavedImage[]): Promise<boolean>;
}

/**
 * Opens the folder `path`, and makes it where there is none.
 * @throws E_LAYOUT_INVALID for a folder that holds something else, or a damaged layout.
 */
export async function createLayoutSaver(host: LayoutHost, path: string): Promise<LayoutSaver> {
  const files = createLayoutFiles(host, path);
  const layout = createLayoutRepository(host, path);
  const locked = createLock(host, `${files.indexPath}.lock`);
  await files.prepare();

  return {
    image() {
      const tags = new Map<string, Manifest>();
      return {
        ...layout,
        async getManifest(reference, options) {
          return tags.get(reference) ?? layout.getManifest(reference, options);
        },
        async putManifest(reference, { bytes, mediaType }) {
          const digest = digestOf(bytes, isDigest(reference) ? digestAlgorithm(reference) : "sha256");
          const content = parseManifest(bytes, mediaType);
          await files.writeBlob(bytes, digestAlgorithm(digest));
          const manifest = { digest, mediaType: content.mediaType, size: bytes.length, bytes, content };
          if (!isDigest(reference)) tags.set(reference, manifest);
          return { digest, subject: content.subject?.digest };
        },
      };
    },
    commit: (images) =>
      locked(async () => {
        const before = await files.readIndex();
        const index = readLayoutIndex(before, files.indexPath);
        const after = images.reduce(
          (so: LayoutIndex, image) => ({ raw: so.raw, entries: withSavedImage(so, image) }),
          index,
        );
        const bytes = writeLayoutIndex(index, after.entries);
        if (Buffer.compare(before, bytes) === 0) return false;
        await files.writeIndex(bytes);
        return true;
      }),
  };
}
