import type { LookupFunction } from "node:net";
import { CountersignError } from "../model/errors.ts";
import { isInsideHost } from "./addresses.ts";

/** Refuses an address that nobody outside may send us to, by its name or literal address. @throws E_INSECURE_ADDRESS */
export function refuseInside(hostname: string): void {
  if (isInsideHost(hostname)) throw inside(hostname);
}

/** Resolves a name as Node does, and refuses one that leads to this machine, to link-local or to metadata addresses. */
export const lookupOutside: LookupFunction = (hostname, options, callback) => {
  import("node:dns")
    .then(({ lookup }) => {
      lookup(hostname, { ...options, all: true }, (error, addresses) => {
        if (error) return callback(error, []);
        if (addresses.some(({ address }) => isInsideHost(address))) return callback(inside(hostname), []);
        const [first] = addresses;
        if (options.all || first === undefined) return callback(null, addresses);
        return callback(null, first.address, first.family);
      });
    })
    .catch((error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), []));
};

function inside(hostname: string): CountersignError {
  return new CountersignError(
    "E_INSECURE_ADDRESS",
    `${hostname} is this machine, or a link-local or metadata address`,
    {
      hint: "a certificate that names such an address is no reason to go there",
      exit: 3,
      retry: false,
    },
  );
}
