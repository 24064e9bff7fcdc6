import type { ClientRequest } from "node:http";
import type { StreamedBody } from "./exchange.ts";

/**
 * Sends a streamed body, as fast as the server takes it, and ends the request. Stops, and lets go of what it reads from, once the server has
 * answered or the connection is gone. Rejects with what `body` throws.
 *
 * @param waiting put around each wait for the server.
 */
export async function pump(
  body: StreamedBody,
  outgoing: ClientRequest,
  waiting: (work: Promise<void>) => Promise<void>,
): Promise<void> {
  let over = false;
  let wake = () => {};
  const stop = () => {
    over = true;
    wake();
  };
  outgoing.once("response", stop).once("close", stop);
  const drained = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
      outgoing.once("drain", resolve);
      if (over) resolve();
    });
  for await (const chunk of body.open()) {
    if (over) return;
    if (!outgoing.write(chunk)) await waiting(drained());
  }
  if (!over) outgoing.end();
}
