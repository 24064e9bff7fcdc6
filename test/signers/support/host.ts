import { CountersignError } from "../../../src/model/errors.ts";
import type { Host } from "../../../src/platform/host.ts";
import { noStreams } from "../../support/no-streams.ts";

/** A host with these variables, files and standard input, and nothing else. */
export function hostWith(given: {
  readonly env?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, Uint8Array | string>>;
  readonly stdin?: string;
}): Host {
  const absent = async (): Promise<never> => {
    throw new Error("not part of this host");
  };
  return {
    env: given.env ?? {},
    files: {
      ...noStreams,
      read: async (path, limit) => {
        const content = given.files?.[path];
        if (content === undefined) throw new CountersignError("E_FILE_UNREADABLE", `no file ${path}`);
        const bytes = Buffer.from(content);
        if (bytes.length > limit) throw new CountersignError("E_FILE_TOO_LARGE", `${path} is over ${limit} bytes`);
        return bytes;
      },
      exists: async (path) => given.files?.[path] !== undefined,
      list: absent,
      isLink: absent,
      write: absent,
      remove: absent,
    },
    readStdin: async () => Buffer.from(given.stdin ?? ""),
    now: () => new Date(0),
    sleep: absent,
    randomBytes: (length) => new Uint8Array(length),
    random: () => 0,
    run: absent,
    homeDirectory: "/home/nobody",
    temporaryDirectory: "/tmp",
  };
}
