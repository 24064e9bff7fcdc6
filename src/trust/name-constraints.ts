import type { Certificate, DistinguishedName } from "../model/certificate.ts";
import { decodeDer, type Element, inside, MalformedDer, only, sequence } from "./der.ts";
import { EXTENSION } from "./extensions.ts";
import { decodeGeneralName, ia5, ipText } from "./general-names.ts";
import { endsWith, hostConstraint, hostMatcher, labelsOf } from "./host-constraints.ts";
import { attributeValues, canonicalName, decodeName, EMAIL_ADDRESS } from "./names.ts";

/** Comparisons of names with subtrees that one path may cost. */
const MAX_COMPARISONS = 250_000;

/** The forms of names that can be constrained here. */
type Form = "dns" | "email" | "uri" | "ip" | "directory";

/** A set of names of one form. `matches` is undefined for a name that cannot be read as one of its form. */
interface Subtree {
  readonly form: Form;
  readonly text: string;
  readonly matches: (name: Name) => boolean | undefined;
  /** Whether a name that stands for many, a wildcard, could stand for one in here. */
  readonly overlaps?: ((name: Name) => boolean) | undefined;
}

interface Name {
  readonly form: Form;
  readonly text: string;
  /** Of a directory name, for comparing. */
  readonly levels?: readonly string[];
  /** Octets of an IP address. */
  readonly address?: Uint8Array;
}

interface NameConstraints {
  readonly permitted: readonly Subtree[];
  readonly excluded: readonly Subtree[];
}

/**
 * What of `subjects` the name constraints of `authority` forbid (RFC 5280 4.2.1.10), as sentences; none when it has no
 * such extension. A form of name that cannot be judged here, and what cannot be read, is forbidden.
 */
export function nameConstraintFaults(authority: Certificate, subjects: readonly Certificate[]): readonly string[] {
  const extension = authority.extensions.find(({ oid }) => oid === EXTENSION.nameConstraints);
  if (extension === undefined) return [];
  try {
    const constraints = decodeNameConstraints(extension.value);
    const names = subjects.flatMap(namesOf);
    if (names.length * (constraints.permitted.length + constraints.excluded.length) > MAX_COMPARISONS) {
      return ["it has more names and name constraints than will be compared"];
    }
    return names.flatMap((name) => faultOf(name, constraints) ?? []);
  } catch (error) {
    if (!(error instanceof MalformedDer)) throw error;
    return [`its name constraints cannot be honoured: ${error.message}`];
  }
}

function faultOf(name: Name, { permitted, excluded }: NameConstraints): string | undefined {
  const shown = JSON.stringify(name.text.slice(0, 200));
  for (const subtree of excluded.filter(({ form }) => form === name.form)) {
    if (subtree.matches(name) !== false || subtree.overlaps?.(name))
      return `${shown} lies in the excluded ${subtree.text}`;
  }
  const allowed = permitted.filter(({ form }) => form === name.form);
  if (allowed.length === 0 || allowed.some((subtree) => subtree.matches(name) === true)) return undefined;
  return `${shown} lies outside the permitted ${allowed
    .map(({ text }) => text)
    .slice(0, 5)
    .join(", ")}`;
}

/** The names that constraints are about: subject, alternative names, and e-mail addresses inside the subject. */
function namesOf(certificate: Certificate): readonly Name[] {
  const { subject } = certificate;
  const extension = certificate.extensions.find(({ oid }) => oid === EXTENSION.alternativeNames);
  const what = "subjectAltName";
  const alternatives = extension === undefined ? [] : sequence(decodeDer(extension.value, what), what);
  return [
    ...(canonicalName(subject).length > 0 ? [directoryName(subject)] : []),
    ...attributeValues(subject, EMAIL_ADDRESS).map((text): Name => ({ form: "email", text: text ?? "" })),
    ...alternatives.flatMap((name) => constrainable(name) ?? []),
  ];
}

function directoryName(name: DistinguishedName): Name {
  return { form: "directory", text: name.text, levels: canonicalName(name) };
}

/** A name of a form that can be constrained; constraints on the other forms are refused as a whole. */
function constrainable(element: Element): Name | undefined {
  const { type, value: text } = decodeGeneralName(element, "subjectAltName");
  switch (type) {
    case "directory":
      return directoryName(decodeName(only(element, "directory name"), "directory name"));
    case "ip":
      return { form: "ip", text, address: element.value };
    case "dns":
    case "email":
    case "uri":
      return { form: type, text };
    default:
      return undefined;
  }
}

function decodeNameConstraints(der: Uint8Array): NameConstraints {
  const lists = sequence(decodeDer(der, "nameConstraints"), "nameConstraints");
  const constraints: { permitted: Subtree[]; excluded: Subtree[] } = { permitted: [], excluded: [] };
  const seen = new Set<number>();
  for (const list of lists) {
    const number = list.tag.number;
    if (!list.tag.isContextSpecific() || number > 1 || seen.has(number) || list.subs.length === 0) {
      throw new MalformedDer("nameConstraints holds a foreign or empty list");
    }
    seen.add(number);
    constraints[number === 0 ? "permitted" : "excluded"].push(...inside(list, "subtrees").map(decodeSubtree));
  }
  if (seen.size === 0) throw new MalformedDer("nameConstraints is empty");
  return constraints;
}

function decodeSubtree(element: Element): Subtree {
  const [base, ...bounds] = sequence(element, "subtree");
  // minimum is 0, which DER leaves out, and maximum absent, in every profile (RFC 5280 4.2.1.10).
  if (base === undefined || bounds.length > 0) throw new MalformedDer("a subtree has bounds");
  if (!base.tag.isContextSpecific()) throw new MalformedDer("a subtree holds no name");
  switch (base.tag.number) {
    case 1:
      return emailSubtree(ia5(base, "e-mail constraint"));
    case 2:
      return dnsSubtree(ia5(base, "host constraint"));
    case 4:
      return directorySubtree(decodeName(only(base, "directory constraint"), "directory constraint"));
    case 6:
      return uriSubtree(ia5(base, "URI constraint"));
    case 7:
      return ipSubtree(base.value);
    default:
      throw new MalformedDer(`names of kind [${base.tag.number}] are constrained, which is not supported`);
  }
}

/** A host and all below it; all hosts when empty; with a leading dot only those below. */
function dnsSubtree(text: string): Subtree {
  const { suffix, below } = text === "" ? { suffix: [], below: false } : hostConstraint(text);
  return {
    form: "dns",
    text: text || "any host",
    matches: (name) => {
      const labels = labelsOf(name.text, true);
      return labels && endsWith(labels, suffix) && (!below || labels.length > suffix.length);
    },
    overlaps: (name) => {
      const labels = labelsOf(name.text, true);
      return labels?.[0] === "*" && endsWith(suffix, labels.slice(1));
    },
  };
}

/** One mailbox, all of one host, or with a leading dot all of the hosts below. */
function emailSubtree(text: string): Subtree {
  const mailbox = text.includes("@") ? splitMailbox(text) : undefined;
  if (text.includes("@") && mailbox === undefined) throw new MalformedDer("an e-mail constraint is no mailbox");
  const host = mailbox === undefined ? hostMatcher(text) : undefined;
  return {
    form: "email",
    text,
    matches: (name) => {
      const found = splitMailbox(name.text);
      if (found === undefined) return undefined;
      if (host !== undefined) return host(found.host);
      return found.local === mailbox?.local && found.host === mailbox.host;
    },
  };
}

/** The host of a URI (RFC 3986 3.2); none for IPv6 literals and for what readers of URIs disagree about. */
const uriHost = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@\\]*@)?([^/?#@:\\]+)(?::[0-9]*)?(?:[/?#]|$)/i;
const dotted = /^[0-9]+(\.[0-9]+){3}$/;

/** The host of a URI, exactly, or with a leading dot the hosts below. URIs without a host name match nothing and pass nothing. */
function uriSubtree(text: string): Subtree {
  const host = hostMatcher(text);
  return {
    form: "uri",
    text,
    matches: (name) => {
      const found = uriHost.exec(name.text)?.[1];
      return found === undefined || dotted.test(found) ? undefined : host(found);
    },
  };
}

function splitMailbox(text: string): { local: string; host: string } | undefined {
  const [local, host, ...others] = text.split("@");
  if (!local || host === undefined || others.length > 0 || /["\\() ]/.test(local)) return undefined;
  return labelsOf(host) && { local, host: host.toLowerCase() };
}

/** Address and mask, 4 or 16 octets each; the mask a run of ones. */
function ipSubtree(bytes: Uint8Array): Subtree {
  const half = bytes.length / 2;
  if (half !== 4 && half !== 16) throw new MalformedDer("an IP constraint is no address with a mask");
  const [address, mask] = [bytes.subarray(0, half), bytes.subarray(half)];
  const bits = [...mask].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  if (bits.includes("01")) throw new MalformedDer("the mask of an IP constraint has a gap");
  return {
    form: "ip",
    text: `${ipText(address, "constraint")}/${bits.lastIndexOf("1") + 1}`,
    matches: ({ address: found = new Uint8Array() }) =>
      found.length === half &&
      found.every((byte, index) => ((byte ^ (address[index] ?? 0)) & (mask[index] ?? 255)) === 0),
  };
}

function directorySubtree(name: DistinguishedName): Subtree {
  const base = canonicalName(name);
  return {
    form: "directory",
    text: name.text || "any name",
    matches: ({ levels = [] }) => base.length <= levels.length && base.every((level, index) => level === levels[index]),
  };
}
