/** The embedded registry, referrers API and all, in a process of its own: prints its address, serves until it is killed. */
import { createEmbeddedRegistry } from "../src/oci/embedded/registry.ts";
import { serve } from "../src/platform/serve.ts";

const { origin } = await serve(createEmbeddedRegistry().handle);
process.stdout.write(`${new URL(origin).host}\n`);
