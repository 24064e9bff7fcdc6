import { CountersignError } from "../model/errors.ts";
import type { HttpResponse } from "./exchange.ts";

/**
 * The whole body of a response. More than `limit` bytes, declared or sent, are not read to their end.
 *
 * @param what names the body in the message: `the manifest of alpine:3`.
 * @throws E_TOO_LARGE; and what the exchange throws when the body breaks off.
 */
export async function readBody(response: HttpResponse, limit: number, what = "an answer"): Promise<Uint8Array> {
  const declared = Number(response.header("content-length") ?? 0);
  if (declared > limit) {
    response.discard();
    throw tooLarge(what, limit, declared);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.length;
    if (size > limit) throw tooLarge(what, limit);
    chunks.push(chunk);
  }
  const only = chunks.length === 1 ? chunks[0] : undefined;
  if (only) return only;
  const whole = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}

function tooLarge(what: string, limit: number, declared?: number): CountersignError {
  const size = declared === undefined ? "more" : `${declared} bytes, more`;
  return new CountersignError("E_TOO_LARGE", `${what} holds ${size} than the ${limit} bytes that are read`, {
    hint: "ask who wrote it: nothing of this kind is that large",
  });
}
