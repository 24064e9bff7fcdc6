import { serve } from "../../src/platform/serve.ts";
import { granted, makeToken, readRequest, type StampAuthority } from "../trust/support/time-stamps.ts";

export interface StampingServer {
  readonly url: string;
  /** How many time stamps it has given. */
  given(): number;
  close(): Promise<void>;
}

/** A time-stamping authority on loopback, whose clock stands at NOW. */
export async function startStampingServer({ signer, issuers }: StampAuthority): Promise<StampingServer> {
  let given = 0;
  const server = await serve(async ({ body }) => {
    given += 1;
    const token = makeToken({ signer, issuers, data: new Uint8Array(), ...readRequest(body) });
    return { status: 200, headers: { "content-type": "application/timestamp-reply" }, body: granted(token) };
  });
  return { url: `${server.origin}/tsa`, given: () => given, close: () => server.close() };
}
