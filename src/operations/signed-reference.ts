import { CountersignError } from "../model/errors.ts";
import type { Format } from "../model/format.ts";
import { dockerName } from "../oci/docker-reference.ts";
import type { Reference } from "../oci/reference.ts";

/**
 * The reference that goes into what is signed, in formats that sign one, as containers/image writes it: the tag that the image was
 * named by; undefined where it was named by its digest, which is signed then. What an index lists is signed under the tag of the index:
 * by that it is pulled.
 * @throws E_REFERENCE_INVALID for an image of a folder, which has no such name.
 */
export function signedReference(formats: readonly Format[], reference: Reference): string | undefined {
  if (!formats.some(({ signsReference }) => signsReference)) return undefined;
  if (reference.kind === "layout") {
    throw new CountersignError("E_REFERENCE_INVALID", `${reference.name} is a folder, and no name to be signed`, {
      hint: "say which reference is signed: --sign-identity registry.example.com/app:1.2",
    });
  }
  const { tag, digest } = reference;
  return tag === undefined || digest !== undefined ? undefined : `${dockerName(reference.name)}:${tag}`;
}
