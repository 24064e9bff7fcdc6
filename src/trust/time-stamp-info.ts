import type { HashName } from "../model/algorithm.ts";
import {
  boolean,
  decodeDer,
  type Element,
  identifierOf,
  inside,
  integerBytes,
  isContext,
  MalformedDer,
  octets,
  oid,
  required,
  sequence,
  smallInteger,
  TAG,
} from "./der.ts";
import { readHash } from "./hash-identifiers.ts";

/** What a time stamp says (TSTInfo, RFC 3161 2.4.2). */
export interface TimeStampInfo {
  /** OID. */
  readonly policy: string;
  readonly hash: HashName;
  readonly imprint: Uint8Array;
  readonly at: Date;
  /** Milliseconds that the time may be off either way, rounded up. */
  readonly accuracy: number;
  /** Big-endian, no leading zero octet; absent where none was asked for. */
  readonly nonce: Uint8Array | undefined;
}

/** The ETSI baseline policy (EN 319 421) promises a second where the token does not say. */
const BASELINE_POLICY = "0.4.0.2023.1.1";

/** @throws MalformedDer, also for a critical extension: none is known. */
export function decodeTimeStampInfo(der: Uint8Array): TimeStampInfo {
  const what = "time stamp";
  const parts = [...sequence(decodeDer(der, what), what)];
  const version = smallInteger(integerBytes(parts.shift(), `version of the ${what}`), `version of the ${what}`);
  if (version !== 1) throw new MalformedDer(`version ${version} of a ${what} is unknown`);
  const policy = oid(parts.shift(), `policy of the ${what}`);
  const [algorithm, imprint, ...others] = sequence(parts.shift(), `imprint of the ${what}`);
  if (others.length > 0) throw new MalformedDer(`imprint of the ${what} has parts too many`);
  integerBytes(parts.shift(), `serial number of the ${what}`);
  const at = preciseTime(required(parts.shift(), `time of the ${what}`));
  const stated = tagged(parts, TAG.sequence);
  const ordering = tagged(parts, TAG.boolean);
  if (ordering !== undefined) boolean(ordering, `ordering of the ${what}`);
  const nonce = tagged(parts, TAG.integer);
  if (isContext(parts[0], 0)) parts.shift();
  if (isContext(parts[0], 1)) refuseCritical(required(parts.shift(), what), what);
  if (parts.length > 0) throw new MalformedDer(`${what} has parts too many`);
  return {
    policy,
    hash: readHash(algorithm, `hash algorithm of the ${what}`),
    imprint: new Uint8Array(octets(imprint, `imprint of the ${what}`)),
    at,
    accuracy: stated === undefined ? (policy === BASELINE_POLICY ? 1000 : 0) : readAccuracy(stated),
    nonce: nonce && stripped(integerBytes(nonce, `nonce of the ${what}`)),
  };
}

function tagged(parts: Element[], tag: number): Element | undefined {
  const [first] = parts;
  return first !== undefined && identifierOf(first) === tag ? parts.shift() : undefined;
}

const grammar = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d{0,11}[1-9]))?Z$/;

/** GeneralizedTime as RFC 3161 has it: with seconds, in Z, a fraction without trailing zeros. Milliseconds are kept, the rest cut off. */
function preciseTime(element: Element): Date {
  const parts = identifierOf(element) === TAG.generalizedTime ? grammar.exec(element.value.toString("latin1")) : null;
  if (!parts) throw new MalformedDer("time of the time stamp is not of the form that RFC 3161 asks for");
  const [, year, month, day, hour, minute, second, fraction = ""] = parts;
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.slice(0, 3).padEnd(3, "0")}Z`;
  const date = new Date(iso);
  if (Number.isNaN(date.getTime()) || date.toISOString() !== iso) {
    throw new MalformedDer("time of the time stamp is no real time");
  }
  return date;
}

function readAccuracy(element: Element): number {
  const parts = [...inside(element, "accuracy")];
  const seconds = tagged(parts, TAG.integer);
  const small = (number: number) => {
    const found = isContext(parts[0], number) ? parts.shift() : undefined;
    if (found === undefined) return 0;
    const value = smallInteger(found.value, "accuracy");
    if (value < 1 || value > 999) throw new MalformedDer("accuracy is not from 1 to 999");
    return value;
  };
  const millis = small(0);
  const micros = small(1);
  if (parts.length > 0) throw new MalformedDer("accuracy has parts too many");
  const whole = seconds === undefined ? 0 : smallInteger(integerBytes(seconds, "accuracy"), "accuracy");
  return whole * 1000 + millis + (micros > 0 ? 1 : 0);
}

function refuseCritical(list: Element, what: string): void {
  for (const extension of inside(list, `extensions of the ${what}`)) {
    const [id, flag] = sequence(extension, `extension of the ${what}`);
    const name = oid(id, `extension of the ${what}`);
    if (flag !== undefined && identifierOf(flag) === TAG.boolean && boolean(flag, `criticality of ${name}`)) {
      throw new MalformedDer(`${what} has the critical extension ${name}, which is not supported`);
    }
  }
}

function stripped(bytes: Buffer): Uint8Array {
  return new Uint8Array(bytes[0] === 0 && bytes.length > 1 ? bytes.subarray(1) : bytes);
}
