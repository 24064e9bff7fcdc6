import {
  type AlternativeName,
  type Certificate,
  type Extension,
  KEY_USAGES,
  type KeyUsage,
} from "../model/certificate.ts";
import {
  bitString,
  boolean,
  decodeDer,
  type Element,
  identifierOf,
  integerBytes,
  MalformedDer,
  octets,
  oid,
  sequence,
  smallInteger,
  TAG,
  text,
} from "./der.ts";
import { decodeGeneralName } from "./general-names.ts";

export const EXTENSION = {
  keyUsage: "2.5.29.15",
  alternativeNames: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  nameConstraints: "2.5.29.30",
  certificatePolicies: "2.5.29.32",
  extendedKeyUsage: "2.5.29.37",
  subjectKeyIdentifier: "2.5.29.14",
  authorityKeyIdentifier: "2.5.29.35",
  fulcioIssuerRaw: "1.3.6.1.4.1.57264.1.1",
  fulcioIssuer: "1.3.6.1.4.1.57264.1.8",
} as const;

export const CODE_SIGNING = "1.3.6.1.5.5.7.3.3";
export const TIME_STAMPING = "1.3.6.1.5.5.7.3.8";
export const OCSP_SIGNING = "1.3.6.1.5.5.7.3.9";
export const ANY_EXTENDED_KEY_USAGE = "2.5.29.37.0";

/** What the extensions that this program understands say. */
export type DecodedExtensions = Pick<
  Certificate,
  "alternativeNames" | "basicConstraints" | "extendedKeyUsage" | "extensions" | "keyUsage" | "oidcIssuer"
>;

/**
 * Extensions of a TBSCertificate (RFC 5280 4.2), none of them twice.
 * @throws MalformedDer
 */
export function decodeExtensions(list: Element | undefined): DecodedExtensions {
  const extensions = list === undefined ? [] : readList(list);
  const contents = new Map(extensions.map((extension) => [extension.oid, extension.value]));
  const decode = <T>(id: string, what: string, read: (element: Element, what: string) => T): T | undefined => {
    const value = contents.get(id);
    return value === undefined ? undefined : read(decodeDer(value, what), what);
  };
  return {
    extensions,
    basicConstraints: decode(EXTENSION.basicConstraints, "basicConstraints", basicConstraints),
    keyUsage: decode(EXTENSION.keyUsage, "keyUsage", keyUsage),
    extendedKeyUsage: decode(EXTENSION.extendedKeyUsage, "extendedKeyUsage", extendedKeyUsage),
    alternativeNames: decode(EXTENSION.alternativeNames, "subjectAltName", alternativeNames) ?? [],
    oidcIssuer: oidcIssuer(contents.get(EXTENSION.fulcioIssuer), contents.get(EXTENSION.fulcioIssuerRaw)),
  };
}

function readList(list: Element): readonly Extension[] {
  const seen = new Set<string>();
  const members = sequence(list, "list of extensions");
  if (members.length === 0) throw new MalformedDer("list of extensions is empty");
  return members.map((member) => {
    const [id, second, third, ...others] = sequence(member, "extension");
    const name = oid(id, "extension");
    if (seen.has(name)) throw new MalformedDer(`extension ${name} stands twice`);
    seen.add(name);
    const flagged = second !== undefined && identifierOf(second) === TAG.boolean;
    if (others.length > 0 || (!flagged && third !== undefined)) {
      throw new MalformedDer(`extension ${name} has parts too many`);
    }
    return {
      oid: name,
      critical: flagged && boolean(second, `criticality of extension ${name}`),
      value: new Uint8Array(octets(flagged ? third : second, `value of extension ${name}`)),
    };
  });
}

function basicConstraints(element: Element, what: string): { ca: boolean; pathLength?: number } {
  const members = sequence(element, what);
  const [first] = members;
  const flagged = first !== undefined && identifierOf(first) === TAG.boolean;
  const ca = flagged && boolean(first, what);
  const [limit, ...others] = flagged ? members.slice(1) : members;
  if (others.length > 0) throw new MalformedDer(`${what} has parts too many`);
  if (limit === undefined) return { ca };
  return { ca, pathLength: smallInteger(integerBytes(limit, `path length of ${what}`), `path length of ${what}`) };
}

function keyUsage(element: Element, what: string): ReadonlySet<KeyUsage> {
  const { bytes } = bitString(element, what);
  return new Set(KEY_USAGES.filter((_, bit) => ((bytes[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0));
}

function extendedKeyUsage(element: Element, what: string): readonly string[] {
  const purposes = sequence(element, what).map((purpose) => oid(purpose, what));
  if (purposes.length === 0) throw new MalformedDer(`${what} is empty`);
  return purposes;
}

function alternativeNames(element: Element, what: string): readonly AlternativeName[] {
  const names = sequence(element, what).map((name) => decodeGeneralName(name, what));
  if (names.length === 0) throw new MalformedDer(`${what} is empty`);
  return names;
}

/** Fulcio's first form is the bare text, the second a UTF8String. Both at once must agree, or readers would differ. */
function oidcIssuer(encoded: Uint8Array | undefined, raw: Uint8Array | undefined): string | undefined {
  const plain = raw === undefined ? undefined : utf8(raw);
  if (encoded === undefined) return plain;
  const element = decodeDer(encoded, "OIDC issuer");
  const issuer = identifierOf(element) === TAG.utf8String ? text(element) : undefined;
  if (issuer === undefined) throw new MalformedDer("OIDC issuer is not a UTF8String");
  if (plain !== undefined && plain !== issuer) throw new MalformedDer("two extensions name different OIDC issuers");
  return issuer;
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new MalformedDer("OIDC issuer is not UTF-8");
  }
}
