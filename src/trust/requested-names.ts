import { CountersignError } from "../model/errors.ts";

/** An alternative name to write: address, host, URI, IP as text, RFC 4514 DN, dotted OID. */
export interface RequestedName {
  readonly type: "email" | "dns" | "uri" | "ip" | "directory" | "registered-id";
  readonly value: string;
}

const label = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
const host = new RegExp(`^(?=.{1,253}$)${label}(?:\\.${label})*$`);

/** What each kind of alternative name looks like (RFC 5280 4.2.1.6); nothing is encoded that would be read as something else. */
const kinds: Readonly<Record<string, { readonly type: RequestedName["type"]; fits(value: string): boolean }>> = {
  uri: { type: "uri", fits: (value) => /^[A-Za-z][A-Za-z0-9+.-]*:[!-~]+$/.test(value) && URL.canParse(value) },
  email: {
    type: "email",
    fits(value) {
      const at = value.lastIndexOf("@");
      return /^[!-~]+$/.test(value) && at > 0 && !value.slice(0, at).includes("@") && host.test(value.slice(at + 1));
    },
  },
  dns: { type: "dns", fits: (value) => host.test(value) },
  ip: { type: "ip", fits: isAddress },
  dirname: { type: "directory", fits: (value) => value.includes("=") },
  rid: { type: "registered-id", fits: (value) => /^[0-2](?:\.(?:0|[1-9]\d{0,14}))+$/.test(value) },
};

/**
 * An alternative name as `--san` takes it: `uri:`, `email:`, `dns:`, `ip:`, `dirname:` (RFC 4514) or `rid:` (a dotted OID) and
 * the value.
 * @throws E_USAGE.
 */
export function parseRequestedName(text: string): RequestedName {
  const colon = text.indexOf(":");
  const kind = kinds[text.slice(0, Math.max(colon, 0)).toLowerCase()];
  const value = text.slice(colon + 1);
  if (kind?.fits(value)) return { type: kind.type, value };
  const why = kind === undefined ? "names no kind of alternative name" : `is no ${kind.type} name`;
  throw new CountersignError("E_USAGE", `${JSON.stringify(text.slice(0, 200))} ${why}`, {
    hint: "write uri:https://…, email:name@example.com, dns:host, ip:192.0.2.1, dirname:CN=… or rid:1.2.3",
  });
}

function isAddress(value: string): boolean {
  if (value.includes(":")) return /^[0-9A-Fa-f:.]+$/.test(value) && URL.canParse(`http://[${value}]/`);
  return (
    /^\d{1,3}(?:\.\d{1,3}){3}$/.test(value) &&
    value.split(".").every((part) => String(Number(part)) === part && Number(part) < 256)
  );
}
