import type { HashName } from "../model/algorithm.ts";
import { type Element, identifierOf, MalformedDer, oid, sequence, TAG } from "./der.ts";
import { oidOf, sequenceOf } from "./der-writer.ts";

const oids = {
  sha256: "2.16.840.1.101.3.4.2.1",
  sha384: "2.16.840.1.101.3.4.2.2",
  sha512: "2.16.840.1.101.3.4.2.3",
} as const satisfies Record<HashName, string>;

/** AlgorithmIdentifier of a hash, without parameters (RFC 5754 2). */
export function hashIdentifier(hash: HashName): Uint8Array {
  return sequenceOf(oidOf(oids[hash]));
}

/**
 * The hash that an AlgorithmIdentifier names; its parameters may be absent or NULL.
 * @throws MalformedDer, also for a hash that is not SHA-256, SHA-384 or SHA-512.
 */
export function readHash(identifier: Element | undefined, what: string): HashName {
  const [id, parameters, ...others] = sequence(identifier, what);
  const name = oid(id, what);
  const found = (Object.keys(oids) as HashName[]).find((hash) => oids[hash] === name);
  if (found === undefined) throw new MalformedDer(`${what} is ${name}, which is not SHA-256, SHA-384 or SHA-512`);
  if (others.length > 0 || (parameters !== undefined && identifierOf(parameters) !== TAG.null)) {
    throw new MalformedDer(`${what} has parameters`);
  }
  return found;
}
