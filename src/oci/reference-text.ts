import { CountersignError } from "../model/errors.ts";

/** Longer than any reference can be: 255 of host, 255 of path, a tag and a digest; and than the paths that systems take. */
const MAX_LENGTH = 4096;

/** E_REFERENCE_INVALID with its mend. */
export function badReference(sentence: string, hint: string): CountersignError {
  return new CountersignError("E_REFERENCE_INVALID", sentence, { hint });
}

/** A value as it stands in a sentence: quoted, control characters escaped, cut to what a person reads. */
export function quoted(value: string): string {
  return JSON.stringify(value.length > 160 ? `${value.slice(0, 160)}…` : value);
}

/** Refuses what is in no reference of any kind, each with the mend for how it usually comes about. */
export function checkText(text: string): void {
  if (text === "") throw badReference("the image reference is empty", "write REGISTRY/REPOSITORY:TAG");
  if (text.length > MAX_LENGTH) {
    throw badReference(`an image reference of ${text.length} characters is too long`, "write REGISTRY/REPOSITORY:TAG");
  }
  if (/[\u0000-\u001f\u007f-\u009f]/.test(text)) {
    throw badReference(
      `the image reference ${quoted(text)} holds a control character`,
      "remove it; a line break often comes from a variable that was read with its end of line",
    );
  }
  if (text.trim() !== text) {
    throw badReference(`the image reference ${quoted(text)} has a space at its start or end`, "remove the space");
  }
  if (text.startsWith("-")) {
    throw badReference(
      `the image reference ${quoted(text)} starts with "-"`,
      "write flags as --name VALUE; no image starts so",
    );
  }
  const scheme = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.exec(text)?.[0];
  if (scheme !== undefined) {
    // The rest may hold a name and password, so it is not repeated.
    throw badReference(`an image reference does not start with ${quoted(scheme)}`, `leave out ${scheme}`);
  }
}
