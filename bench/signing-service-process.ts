/** A signing service in a process of its own, 50 ms away from everybody: prints its address, serves until it is killed. */
import { setTimeout as sleep } from "node:timers/promises";
import { serve } from "../src/platform/serve.ts";
import { createReferenceService } from "../test/support/signing-service.ts";
import { makeKey } from "../test/trust/support/pki.ts";

const LATENCY = 50;

const handle = createReferenceService({ key: makeKey("p256") });
const { origin } = await serve(async (request) => {
  const [answer] = await Promise.all([handle(request), sleep(LATENCY)]);
  return answer;
});
process.stdout.write(`${origin}\n`);
