import type { KeyObject } from "node:crypto";
import type { Algorithm } from "./algorithm.ts";

/** A public key, with the fingerprint (sha256 over its DER SubjectPublicKeyInfo) that reports call it by. */
export interface PublicKey {
  readonly key: KeyObject;
  readonly spki: Uint8Array;
  readonly fingerprint: string;
  /** What the key type permits; the algorithm preferred for signing first. */
  readonly algorithms: readonly Algorithm[];
}
