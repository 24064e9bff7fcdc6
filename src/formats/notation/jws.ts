import { z } from "zod";
import { CountersignError } from "../../model/errors.ts";
import { LIMITS } from "../../model/limits.ts";
import { JWS_ENVELOPE, NOTATION_PAYLOAD } from "../../model/media-types.ts";
import { anyObject, readShape } from "../../model/shape.ts";
import { algorithmNamed, notaryAlgorithm } from "./algorithms.ts";
import { LABEL, type Lapse, lapses, malformed, readAttributes, shown } from "./attributes.ts";
import type { Envelope, EnvelopeCodec, SignedPart } from "./envelope.ts";
import { strictly } from "./payload.ts";
import { instantOf, parseInstant } from "./times.ts";

/**
 * Notary signatures as JWS in flattened JSON (signature-envelope-jws.md, RFC 7515 7.2.2). The signing input is
 * ASCII(BASE64URL(header) "." BASE64URL(payload)), so that it can be made, and signed, where the key is not.
 */
export const jwsCodec: EnvelopeCodec = {
  format: "notation",
  mediaType: JWS_ENVELOPE,
  payloadOrder: "sorted",
  claims: (signed) => /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/.test(Buffer.from(signed).toString("latin1")),
  signedBytes({ algorithm, signingTime, expiry, payload }) {
    // In the order of their names, as Go writes them.
    const header = {
      alg: notaryAlgorithm(algorithm)?.jws,
      crit: [LABEL.scheme, ...(expiry === undefined ? [] : [LABEL.expiry])],
      cty: NOTATION_PAYLOAD,
      ...(expiry !== undefined && { [LABEL.expiry]: instantOf(expiry) }),
      [LABEL.scheme]: "notary.x509",
      [LABEL.signingTime]: instantOf(signingTime),
    };
    const parts = [Buffer.from(JSON.stringify(header)), Buffer.from(payload)].map((part) => part.toString("base64url"));
    return new TextEncoder().encode(parts.join("."));
  },
  readSigned(signed) {
    const [header = "", payload = "", ...others] = Buffer.from(signed).toString("latin1").split(".");
    if (others.length > 0) throw malformed("the signing input has more than two parts");
    return readParts(header, payload);
  },
  assemble(signed, { signature, certificates, timestamp }, agent) {
    const [header, payload] = Buffer.from(signed).toString("latin1").split(".");
    const envelope = {
      payload,
      protected: header,
      header: {
        ...(timestamp !== undefined && { [LABEL.timestamp]: Buffer.from(timestamp).toString("base64") }),
        x5c: certificates.map((der) => Buffer.from(der).toString("base64")),
        [LABEL.agent]: agent,
      },
      signature: Buffer.from(signature).toString("base64url"),
    };
    return new TextEncoder().encode(JSON.stringify(envelope));
  },
  read,
};

const unprotected = z.looseObject({
  x5c: z.array(z.string()).min(1, "no certificates").max(LIMITS.certificates),
  [LABEL.timestamp]: z.string().optional(),
});
const schema = z.looseObject({
  payload: z.string(),
  protected: z.string(),
  signature: z.string(),
  header: unprotected,
});
const members: ReadonlySet<string> = new Set(["payload", "protected", "signature", "header"]);

function read(bytes: Uint8Array): Envelope {
  if (bytes.length > LIMITS.bundle) {
    throw new CountersignError("E_TOO_LARGE", `the envelope has ${bytes.length} bytes, more than ${LIMITS.bundle}`);
  }
  const { found, add } = lapses();
  const parsed = schema.safeParse(strictly(bytes, "the envelope", "E_SIGNATURE_MALFORMED", add));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw malformed(`${issue?.path.join(".") || "the whole"}: ${issue?.message.slice(0, 200)}`);
  }
  const envelope = parsed.data;
  const stranger = Object.keys(envelope).find((name) => !members.has(name));
  if (stranger !== undefined) {
    add("E_SIGNATURE_MALFORMED", `the envelope has a member that is not known, ${shown(stranger)}`);
  }
  const timestamp = envelope.header[LABEL.timestamp];
  const part = readParts(envelope.protected, envelope.payload);
  return {
    ...part,
    signed: new TextEncoder().encode(`${envelope.protected}.${envelope.payload}`),
    signature: decode("signature", envelope.signature, "base64url", add),
    certificates: envelope.header.x5c.map((text) => decode("x5c", text, "base64", add)),
    ...(timestamp !== undefined && { timestamp: decode(LABEL.timestamp, timestamp, "base64", add) }),
    lapses: [...part.lapses, ...found],
  };
}

const registered: ReadonlySet<string> = new Set([
  "alg",
  "cty",
  "crit",
  "jku",
  "jwk",
  "kid",
  "x5u",
  "x5c",
  "x5t",
  "typ",
]);

function readParts(protectedHeader: string, payload: string): SignedPart {
  const { found, add } = lapses();
  const json = strictly(
    decode("protected", protectedHeader, "base64url", add),
    "the protected header",
    "E_SIGNATURE_MALFORMED",
    add,
  );
  const parsed = readShape(anyObject, json);
  if ("unfit" in parsed) throw malformed("the protected header is no object");
  const header = new Map(Object.entries(parsed.value));
  const { alg, cty, crit } = parsed.value;
  const algorithm = typeof alg === "string" ? algorithmNamed(alg) : undefined;
  if (algorithm === undefined) throw malformed(`alg is ${shown(alg)}, which the specification does not have`);
  if (cty !== NOTATION_PAYLOAD) {
    throw new CountersignError("E_PAYLOAD_TYPE", `the envelope holds ${shown(cty)}, not a Notary payload`);
  }
  const attributes = readAttributes(
    {
      members: header,
      critical: crit,
      has: (label) => header.has(String(label)),
      registered,
      time: (value) => (typeof value === "string" ? parseInstant(value) : undefined),
    },
    add,
  );
  return { algorithm, attributes, payload: decode("payload", payload, "base64url", add), lapses: found };
}

/** Bits left over in the last digit, and line ends, are passed over by Go: one text for each value is the specification's. */
function decode(what: string, text: string, alphabet: "base64" | "base64url", lapse: Lapse): Uint8Array {
  const compact = text.replace(/[\r\n]/g, "");
  const grammar = alphabet === "base64" ? /^[A-Za-z0-9+/]*={0,2}$/ : /^[A-Za-z0-9_-]*$/;
  const bare = compact.replace(/=+$/, "");
  const whole = alphabet === "base64" ? compact.length % 4 === 0 : compact.length % 4 !== 1;
  if (!grammar.test(compact) || !whole || bare === "") throw malformed(`${what} is not ${alphabet}`);
  const bytes = Buffer.from(bare, alphabet);
  if (compact !== text || bytes.toString(alphabet).replace(/=+$/, "") !== bare) {
    lapse("E_SIGNATURE_MALFORMED", `${what} is not the ${alphabet} that its bytes have`);
  }
  return new Uint8Array(bytes);
}
