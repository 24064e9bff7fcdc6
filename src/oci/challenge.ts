/** One challenge of a `WWW-Authenticate` header (RFC 9110 11.6.1). */
export interface Challenge {
  /** Lower case. */
  readonly scheme: string;
  /** Names in lower case, values unquoted. */
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const QUOTED = '"(?:[^"\\\\]|\\\\.)*"';
/** A part between commas; commas within quotes are none. */
const ELEMENT = new RegExp(`(?:${QUOTED}|[^",])+`, "y");
const PARAMETER = new RegExp(`^(${TOKEN})[ \\t]*=[ \\t]*(${TOKEN}|${QUOTED})$`);
const OPENING = new RegExp(`^(${TOKEN})(?:[ \\t]+(.*))?$`, "s");
/** Credentials in one piece (RFC 9110 11.2), which no scheme in use here has: passed over. */
const TOKEN68 = /^[A-Za-z0-9\-._~+/]+=*$/;
const MAX_ELEMENTS = 64;

/**
 * Reads the challenges of a `WWW-Authenticate` header: several of them in one header, or in several joined by commas.
 * Reading stops at the first piece that is no challenge and no parameter; the challenge that was being read is left out then, and so is
 * always one that names a parameter twice. Never throws.
 */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: Challenge[] = [];
  let current: Draft | undefined;
  const close = () => {
    if (current?.sound) challenges.push({ scheme: current.scheme, parameters: current.parameters });
  };
  for (const element of elements(header)) {
    const parameter = element === undefined ? undefined : PARAMETER.exec(element);
    const opening = element === undefined || parameter ? undefined : OPENING.exec(element);
    if (opening) {
      close();
      current = open(opening[1] ?? "", opening[2] ?? "");
    } else if (parameter && current) add(current, parameter);
    else current = undefined;
    if (current === undefined) return challenges;
  }
  close();
  return challenges;
}

interface Draft {
  readonly scheme: string;
  readonly parameters: Map<string, string>;
  sound: boolean;
}

function open(scheme: string, rest: string): Draft | undefined {
  const draft = { scheme: scheme.toLowerCase(), parameters: new Map<string, string>(), sound: true };
  const parameter = PARAMETER.exec(rest.trim());
  if (parameter) add(draft, parameter);
  else if (rest.trim() !== "" && !TOKEN68.test(rest.trim())) return undefined;
  return draft;
}

function add(draft: Draft, [, name = "", value = ""]: RegExpExecArray): void {
  const key = name.toLowerCase();
  if (draft.parameters.has(key)) draft.sound = false;
  draft.parameters.set(key, value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/gs, "$1") : value);
}

/** The parts between commas, blanks trimmed, empty ones left out; undefined for what cannot be read, and then no more. */
function* elements(header: string): Generator<string | undefined> {
  let at = 0;
  for (let count = 0; at < header.length; count += 1) {
    if (count === MAX_ELEMENTS) return yield undefined;
    ELEMENT.lastIndex = at;
    const text = ELEMENT.exec(header)?.[0] ?? "";
    at += text.length;
    if (at < header.length && header[at] !== ",") return yield undefined;
    at += 1;
    if (text.trim() !== "") yield text.trim();
  }
}
