/**
 * What an external signer is asked to sign when only its first answer tells its certificates. It is no payload of any format, so a
 * signature over it signs nothing, wherever it turns up.
 */
export const REHEARSAL: Uint8Array = Buffer.from(
  "countersign rehearsal: this text is signed to learn which certificates a signer has. It is about no image.\n",
  "utf8",
);
