import type { Subject } from "../../model/descriptor.ts";
import type { FinishedEnvelopes, SigningOptions } from "../../model/format.ts";
import { LIMITS } from "../../model/limits.ts";
import { NOTATION_PAYLOAD } from "../../model/media-types.ts";
import type { NotaryAttributes } from "../../model/notary.ts";
import type { Artefact, FinishedEnvelope, Reason } from "../../model/signature.ts";
import { brokenRules } from "../../trust/verifier-rules.ts";
import type { EnvelopeCodec } from "./envelope.ts";
import { decodePayload, encodePayload, strangeMembers } from "./payload.ts";
import { instantOf } from "./times.ts";

/**
 * What plugins that make whole envelopes are asked for (plugin-extensibility.md, "generate-envelope"), and whether it is what came back.
 * The specification lets them add annotations to what is signed; here nothing is signed that the caller did not ask for.
 * @param artefact puts an envelope into what is stored
 */
export function finishedEnvelopes(
  codec: EnvelopeCodec,
  artefact: (envelope: FinishedEnvelope, options: SigningOptions) => Artefact,
): FinishedEnvelopes {
  return {
    artefact,
    order: (subject, options) => ({
      payload: encodePayload(subject, options.annotations, codec.payloadOrder),
      payloadType: NOTATION_PAYLOAD,
      envelopeType: codec.mediaType,
      lifetime: options.lifetime,
    }),
    departures(evidence, subject, options) {
      const { payload } = codec.readSigned(evidence.signed);
      return [
        ...subjectDepartures(payload, subject, options),
        ...brokenRules("notation", evidence.certificates)
          .filter(({ severity }) => severity === "error")
          .map(({ code, message }) => ({ code, message })),
        ...(evidence.notary === undefined ? [] : timeDepartures(evidence.notary, options)),
      ];
    },
  };
}

function subjectDepartures(
  payload: Uint8Array,
  { digest, mediaType, size }: Subject,
  { annotations }: SigningOptions,
): readonly Reason[] {
  const claims = decodePayload(payload, () => {});
  const { digests, manifest } = claims;
  const reasons: Reason[] = [];
  if (digests[0] !== digest || manifest?.mediaType !== mediaType || manifest.size !== size) {
    const signed = `${digests[0]}, ${manifest?.size} bytes of ${JSON.stringify(manifest?.mediaType.slice(0, 120))}`;
    const message = `what was signed is about ${signed}; asked for was ${digest}, ${size} bytes of ${mediaType}`;
    reasons.push({ code: "E_SUBJECT_MISMATCH", message });
  }
  const keys = new Set([...Object.keys(annotations), ...Object.keys(claims.annotations)]);
  const other = [...keys].find((key) => own(annotations, key) !== own(claims.annotations, key));
  if (other !== undefined) {
    const message = `what was signed has the annotation ${JSON.stringify(other.slice(0, 120))} otherwise than it was asked for`;
    reasons.push({ code: "E_ANNOTATION_MISMATCH", message });
  }
  const [stranger] = strangeMembers(payload);
  if (stranger !== undefined) {
    const message = `what was signed has ${JSON.stringify(stranger.slice(0, 80))}, which was not asked for`;
    reasons.push({ code: "E_PAYLOAD_MALFORMED", message });
  }
  return reasons;
}

function own(values: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(values, key) ? values[key] : undefined;
}

/** It is signed now, and counts as long as was asked for. */
function timeDepartures(
  { signingTime, expiry }: NotaryAttributes,
  { at, lifetime }: SigningOptions,
): readonly Reason[] {
  const reasons: Reason[] = [];
  const refuse = (message: string) => reasons.push({ code: "E_SIGNER_ANSWER", message });
  if (at !== undefined && Math.abs(signingTime.getTime() - at.getTime()) > LIMITS.clockSkew) {
    refuse(`it says that it was signed at ${instantOf(signingTime)}; this machine's clock says ${instantOf(at)}`);
  }
  if (lifetime === undefined && expiry !== undefined) {
    refuse(`it expires at ${instantOf(expiry)}, and no --expiry was asked for`);
  }
  if (lifetime !== undefined) {
    const wanted = new Date(signingTime.getTime() + lifetime);
    const off = expiry === undefined ? Number.POSITIVE_INFINITY : Math.abs(expiry.getTime() - wanted.getTime());
    if (off > LIMITS.clockSkew) {
      const told = expiry === undefined ? "it never expires" : `it expires at ${instantOf(expiry)}`;
      refuse(`${told}; asked for was ${instantOf(wanted)}`);
    }
  }
  return reasons;
}
