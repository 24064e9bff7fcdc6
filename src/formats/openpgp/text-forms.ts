import { isCountersignError } from "../../model/errors.ts";
import { type ArmorBlock, readArmor } from "../../trust/openpgp/armor.ts";
import { malformed, PACKET, readPackets } from "../../trust/openpgp/packets.ts";
import { readSignaturePacket } from "../../trust/openpgp/signature-packet.ts";
import { decodeMessage, lapse, type SignedMessage } from "./message.ts";

const CLEAR = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE = "-----BEGIN PGP SIGNATURE-----";

/**
 * A signed message as text: in ASCII armor, or signed clear text (RFC 9580 6, 7). The specification of atomic container signatures has
 * neither; gpg reads both, so what is read is a lapse. Undefined when it is neither.
 * @throws E_SIGNATURE_MALFORMED, E_ATTRIBUTE_UNKNOWN.
 */
export function decodeText(bytes: Uint8Array): SignedMessage | undefined {
  if ((bytes[0] ?? 0x80) >= 0x80) return undefined;
  const text = Buffer.from(bytes).toString("latin1");
  if (text.includes(CLEAR)) return decodeClear(text);
  const block = blocksOf(bytes).find(({ label }) => label === "PGP MESSAGE");
  if (block === undefined) return undefined;
  // gpg reads the first block, and nothing of what stands around it.
  const message = decodeMessage(block.bytes);
  return { ...message, lapses: [lapse("the signature is in ASCII armor"), ...message.lapses] };
}

function decodeClear(text: string): SignedMessage {
  const begin = text.indexOf(CLEAR);
  if (text.includes(CLEAR, begin + CLEAR.length)) throw malformed("it holds several texts");
  const lines = text.slice(begin).split("\n");
  const blank = lines.findIndex((line, index) => index > 0 && line.trim() === "");
  const end = lines.findIndex((line) => line.startsWith(SIGNATURE));
  if (blank < 0 || end <= blank) throw malformed("its clear text has no signature");
  const signed = lines.slice(blank + 1, end).map((line) => line.replace(/^- /, "").trimEnd());
  const [block] = blocksOf(Buffer.from(lines.slice(end).join("\n"), "latin1"));
  const [packet, ...others] = block === undefined ? [] : readPackets(block.bytes);
  if (packet?.tag !== PACKET.signature || others.length > 0) throw malformed("its clear text has not one signature");
  const signature = readSignaturePacket(packet.body);
  if (signature.type !== 0 && signature.type !== 1) throw malformed(`its signature is of type ${signature.type}`);
  return {
    literal: new Uint8Array(Buffer.from(signed.join("\r\n"), "latin1")),
    packet: signature,
    lapses: [lapse("the signature is one over clear text")],
  };
}

function blocksOf(bytes: Uint8Array): readonly ArmorBlock[] {
  try {
    return readArmor(bytes);
  } catch (error) {
    if (!isCountersignError(error)) throw error;
    throw malformed(error.message);
  }
}
