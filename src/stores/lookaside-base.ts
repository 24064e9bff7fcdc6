/**
 * One lookaside: files under a folder or an address, each found by a path that is known beforehand. What is at a path is said by the whole
 * file or not at all.
 */
export interface LookasideBase {
  /** As reports name it: a path, or an address. */
  readonly name: string;
  /**
   * A file of at most `LIMITS.lookasideFile` bytes; undefined only where the lookaside says that there is none.
   * @throws E_LOOKASIDE_DENIED, E_LOOKASIDE_ANSWER, E_LOOKASIDE_FAILING, E_FILE_UNREADABLE, E_TOO_LARGE, E_NETWORK, E_TIMEOUT, E_TLS,
   * E_REGISTRY_REDIRECT.
   */
  read(path: string): Promise<Uint8Array | undefined>;
  /**
   * Makes a file with its whole content in one step, unless one is there: then false.
   * @throws as `read`; E_LOOKASIDE_READ_ONLY, E_FILE_UNWRITABLE.
   */
  create(path: string, bytes: Uint8Array): Promise<boolean>;
  /** Whether the lookaside itself is there, where that can be told from an empty one. */
  isThere?(): Promise<boolean>;
  /** Names in a folder, where they can be listed. @throws as `read`. */
  names?(folder: string): Promise<readonly string[]>;
}
