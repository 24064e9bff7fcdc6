import { startRegistry } from "../../support/start-registry.ts";
import { startDockerRegistry } from "./docker-registry.ts";

/** A registry of either kind; `host` stands before a repository in a reference. */
export interface InteropRegistry {
  readonly host: string;
  stop(): Promise<void>;
}

/** The two kinds of registries that the wild has. */
export const REGISTRIES: readonly { readonly name: string; start(): Promise<InteropRegistry> }[] = [
  { name: "docker-registry, without referrers API", start: startDockerRegistry },
  {
    name: "the embedded registry, with referrers API",
    async start() {
      const { host, close } = await startRegistry();
      return { host, stop: close };
    },
  },
];
