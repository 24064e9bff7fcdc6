/**
 * What no shell that sources the file and no reader of dotenv files gives a meaning to: no quote, space, `~`, `$`, `#`
 * or backslash.
 */
const VALUE = /^[A-Za-z0-9._:/@+,-]+$/;
/** Longer than a reference with its digest can be. */
const LONGEST = 1024;

/**
 * One line `NAME=value` of a dotenv file, or undefined where the value holds anything but what image references and
 * digests are made of. Readers disagree on every kind of quoting, and GitLab's knows none, so there is no encoding that
 * all would undo: such a value is left out rather than changed.
 */
export function dotenvLine(name: string, value: string): string | undefined {
  if (!/^[A-Z][A-Z0-9_]*$/.test(name)) throw new RangeError(`${JSON.stringify(name)} is no name of a variable`);
  return value.length <= LONGEST && VALUE.test(value) ? `${name}=${value}\n` : undefined;
}
