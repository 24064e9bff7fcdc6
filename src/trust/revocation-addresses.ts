import type { Certificate } from "../model/certificate.ts";
import { decodeDer, type Element, inside, isContext, MalformedDer, oid, sequence } from "./der.ts";

const AUTHORITY_INFORMATION_ACCESS = "1.3.6.1.5.5.7.1.1";
const CRL_DISTRIBUTION_POINTS = "2.5.29.31";
const FRESHEST_CRL = "2.5.29.46";
const OCSP = "1.3.6.1.5.5.7.48.1";

/** Addresses of one certificate, of each kind; more are not read. */
const MAX_ADDRESSES = 8;

/** Where a certificate says that its revocation can be asked about. Addresses as they stand: nothing of them is checked. */
export interface RevocationAddresses {
  readonly ocsp: readonly string[];
  readonly crl: readonly string[];
  /** An extension that names somebody cannot be read, or names nobody by an address. */
  readonly unreadable: boolean;
}

/** Addresses of OCSP responders (RFC 5280 4.2.2.1) and certificate revocation lists (RFC 5280 4.2.1.13). */
export function revocationAddresses(certificate: Certificate): RevocationAddresses {
  let unreadable = false;
  const read = (id: string, decode: (value: Element) => readonly string[]): readonly string[] => {
    const value = certificate.extensions.find((extension) => extension.oid === id)?.value;
    if (value === undefined) return [];
    try {
      const found = decode(decodeDer(value, "addresses"));
      unreadable ||= found.length === 0 && id === CRL_DISTRIBUTION_POINTS;
      return found.slice(0, MAX_ADDRESSES);
    } catch (error) {
      if (!(error instanceof MalformedDer)) throw error;
      unreadable = true;
      return [];
    }
  };
  const ocsp = read(AUTHORITY_INFORMATION_ACCESS, responders);
  const crl = read(CRL_DISTRIBUTION_POINTS, distributionPoints);
  return { ocsp, crl, unreadable };
}

/** Whether a certificate names anybody who could be asked about its revocation. */
export function namesRevocationSource(certificate: Certificate): boolean {
  const { ocsp, crl, unreadable } = revocationAddresses(certificate);
  return (
    unreadable || ocsp.length > 0 || crl.length > 0 || certificate.extensions.some(({ oid }) => oid === FRESHEST_CRL)
  );
}

function responders(list: Element): readonly string[] {
  return sequence(list, "access descriptions").flatMap((description) => {
    const [method, location] = sequence(description, "access description");
    return oid(method, "access method") === OCSP ? addressOf(location) : [];
  });
}

function distributionPoints(list: Element): readonly string[] {
  return sequence(list, "distribution points").flatMap((point) => {
    const name = sequence(point, "distribution point").find((part) => isContext(part, 0));
    const full = name && inside(name, "name of a distribution point").find((part) => isContext(part, 0));
    return full === undefined ? [] : inside(full, "names of a distribution point").flatMap(addressOf);
  });
}

/** A GeneralName that is a URI. */
function addressOf(name: Element | undefined): readonly string[] {
  return isContext(name, 6) ? [name.value.toString("latin1")] : [];
}
