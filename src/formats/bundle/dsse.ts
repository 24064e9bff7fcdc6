import { CountersignError } from "../../model/errors.ts";

const utf8 = new TextEncoder();

/** The pre-authentication encoding that a DSSE signature is over (secure-systems-lab/dsse, protocol.md). */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = utf8.encode(payloadType);
  const head = Buffer.concat([utf8.encode(`DSSEv1 ${type.length} `), type, utf8.encode(` ${payload.length} `)]);
  return new Uint8Array(Buffer.concat([head, payload]));
}

const head = /^DSSEv1 (0|[1-9][0-9]{0,9}) /;
const length = /^ (0|[1-9][0-9]{0,9}) /;

/**
 * The inverse: payload type and payload of encoded bytes, so that a signature made elsewhere can be put into an envelope.
 * @throws E_PAYLOAD_MALFORMED when the bytes are no such encoding, to the last byte.
 */
export function decodePreAuthEncoding(bytes: Uint8Array): { payloadType: string; payload: Uint8Array } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [start = "", typeLength = ""] = head.exec(buffer.toString("latin1", 0, 18)) ?? [];
  const typeEnd = start.length + Number(typeLength);
  const [middle = "", payloadLength = ""] = length.exec(buffer.toString("latin1", typeEnd, typeEnd + 12)) ?? [];
  const payloadStart = typeEnd + middle.length;
  if (start === "" || middle === "" || payloadStart + Number(payloadLength) !== bytes.length) {
    throw new CountersignError("E_PAYLOAD_MALFORMED", "the signed bytes are not a DSSE pre-authentication encoding", {
      hint: "hand over the bytes that `payload --format bundle` wrote, unchanged",
    });
  }
  return { payloadType: buffer.toString("utf8", start.length, typeEnd), payload: bytes.slice(payloadStart) };
}
