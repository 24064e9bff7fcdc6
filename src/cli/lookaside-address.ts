import { pathToFileURL } from "node:url";
import { CountersignError } from "../model/errors.ts";
import { isAddress } from "../stores/lookaside-path.ts";

/** The address of a lookaside that a flag names: a folder by its path, or an address as it is. @throws E_USAGE. */
export function lookasideAddress(flag: string, place: string): string {
  const isFolder = place !== "" && !/^(?:[a-z][a-z0-9+.-]*:\/\/|(?:file|https?):)/i.test(place);
  if (isFolder) return pathToFileURL(place).href;
  if (place.includes("://") && isAddress(place)) return place;
  throw new CountersignError("E_USAGE", `${flag}: ${JSON.stringify(place.slice(0, 160))} is no lookaside`, {
    hint: "write a folder, file:///PATH, https://… or http://…, without user, query and fragment",
  });
}
