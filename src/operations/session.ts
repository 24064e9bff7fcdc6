import type { Reference } from "../oci/reference.ts";
import type { StreamingRepository } from "../oci/repository.ts";
import type { Host } from "../platform/host.ts";
import type { LookasideRoutes } from "./lookaside-routes.ts";

/** What a run shares: the outside world, one registry client with its tokens and connections, one place for progress. */
export interface Session {
  readonly host: Host;
  /** The repository of a reference, the same one for the same name for the whole run. */
  open(reference: Reference): StreamingRepository;
  /** Images worked on at once; connections are bounded separately, by the platform. */
  readonly concurrency: number;
  readonly progress: Progress;
  /** Where simple signatures are that a registry does not keep itself; absent: nobody has said. */
  readonly lookasides?: LookasideRoutes | undefined;
  /** Resolves when the first request of a run has had the time to leave; absent: nobody waits for that. */
  readonly underWay?: (() => Promise<void>) | undefined;
}

/** Told as images finish. Rendering is the door's. */
export interface Progress {
  finished(done: number, total: number, reference: string): void;
  /** Told of bytes of blobs as they move. */
  moved?(bytes: number): void;
}
