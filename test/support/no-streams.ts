import type { Files } from "../../src/platform/host.ts";

const absent = (): never => {
  throw new Error("not part of these files");
};

/** What files need to stream, for made-up files that nobody streams. */
export const noStreams: Pick<Files, "size" | "open" | "writeFrom"> = {
  size: async () => absent(),
  open: absent,
  writeFrom: async () => absent(),
};
