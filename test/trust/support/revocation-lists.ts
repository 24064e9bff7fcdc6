import { sign } from "node:crypto";
import { bitStringOf, integerOf, octetString, oidOf, sequenceOf, timeOf, tlv } from "./der-writer.ts";
import type { Issued } from "./pki.ts";

/** DER of a list by an ECDSA key that revokes one certificate and says from when on its key may have been another's (RFC 5280 5.3.2). */
export function listWithInvalidityDate(
  issuer: Issued,
  serial: string,
  { thisUpdate, nextUpdate }: { readonly thisUpdate: Date; readonly nextUpdate: Date },
  from: Date,
): Uint8Array {
  const algorithm = sequenceOf(oidOf("1.2.840.10045.4.3.2"));
  // RFC 5280 wants GeneralizedTime here, whatever the year.
  const date = tlv(0x18, Buffer.from(`${from.toISOString().replace(/[-:T]|\.\d+Z/g, "")}Z`));
  const entry = sequenceOf(
    integerOf(serial),
    timeOf(thisUpdate),
    sequenceOf(sequenceOf(oidOf("2.5.29.24"), octetString(date))),
  );
  const listed = sequenceOf(
    integerOf(1),
    algorithm,
    issuer.certificate.subject.der,
    timeOf(thisUpdate),
    timeOf(nextUpdate),
    sequenceOf(entry),
  );
  return sequenceOf(listed, algorithm, bitStringOf(sign("sha256", listed, issuer.key)));
}
