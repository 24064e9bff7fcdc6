import { MalformedDer } from "./der.ts";

const label = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;

/** Labels of a host name, in lower case; undefined when it is none. A first label `*` only where `wildcard`. */
export function labelsOf(host: string, wildcard = false): readonly string[] | undefined {
  const labels = host.toLowerCase().split(".");
  const checked = wildcard && labels[0] === "*" && labels.length > 1 ? labels.slice(1) : labels;
  return host.length <= 253 && checked.every((each) => label.test(each)) ? labels : undefined;
}

export function endsWith(labels: readonly string[], suffix: readonly string[]): boolean {
  const offset = labels.length - suffix.length;
  return offset >= 0 && suffix.every((each, index) => each === labels[offset + index]);
}

/** A host constraint: its labels, and whether it wants at least one more in front (a leading dot). */
export function hostConstraint(text: string): { suffix: readonly string[]; below: boolean } {
  const below = text.startsWith(".");
  const suffix = labelsOf(below ? text.slice(1) : text);
  if (suffix === undefined) throw new MalformedDer(`the constraint ${JSON.stringify(text.slice(0, 200))} is no host`);
  return { suffix, below };
}

/** Whether a host is what a constraint names: exactly, or with a leading dot one below. Undefined: it is no host name. */
export function hostMatcher(text: string): (host: string) => boolean | undefined {
  const { suffix, below } = hostConstraint(text);
  return (host) => {
    const labels = labelsOf(host);
    return (
      labels && endsWith(labels, suffix) && (below ? labels.length > suffix.length : labels.length === suffix.length)
    );
  };
}
