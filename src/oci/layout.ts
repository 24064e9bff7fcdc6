import type { LayoutHost } from "./layout-host.ts";
import type { LayoutOptions } from "./layout-repository.ts";
import type { StreamingRepository } from "./repository.ts";

/**
 * An OCI layout folder (image-spec image-layout.md) as a repository: names are the `org.opencontainers.image.ref.name` annotations of
 * `index.json`, and `latest` is also the only image of a folder that names none. Folders that `cosign save` wrote are read as it means
 * them. Writing makes the folder where there is none.
 *
 * Writers of this program take turns by `index.json.lock`, which one that died does not hold for ever; every write is a rename, so
 * readers see the old or the new. Programs that do not know the lock (skopeo, oras, cosign) can still overwrite an entry
 * that was added between their reading and their writing.
 *
 * Nothing is read before the first call. Beside what `Repository` names, every method throws E_LAYOUT_INVALID for a folder that is no layout or a
 * damaged one, and E_FILE_UNREADABLE or E_FILE_UNWRITABLE as the file system has it.
 */
export function openLayout(host: LayoutHost, path: string, options: LayoutOptions = {}): StreamingRepository {
  let opened: Promise<StreamingRepository> | undefined;
  // Loaded at the first use: most runs have no layout, and the schemas take time to load.
  const repository = () => {
    opened ??= import("./layout-repository.ts").then((module) => module.createLayoutRepository(host, path, options));
    return opened;
  };
  return {
    kind: "layout",
    name: `oci:${path}`,
    getManifest: async (...call) => (await repository()).getManifest(...call),
    putManifest: async (...call) => (await repository()).putManifest(...call),
    getBlob: async (...call) => (await repository()).getBlob(...call),
    putBlob: async (...call) => (await repository()).putBlob(...call),
    listReferrers: async (...call) => (await repository()).listReferrers(...call),
    listTags: async () => (await repository()).listTags(),
    hasBlob: async (...call) => (await repository()).hasBlob(...call),
    openBlob: async function* (...call) {
      yield* (await repository()).openBlob(...call);
    },
    takeBlob: async (...call) => (await repository()).takeBlob(...call),
  };
}
