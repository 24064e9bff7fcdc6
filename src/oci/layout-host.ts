import type { Host } from "../platform/host.ts";

/** What a layout folder needs of the outside. */
export type LayoutHost = Pick<Host, "files" | "sleep" | "random" | "randomBytes">;
