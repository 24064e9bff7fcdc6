/**
 * Readers of foreign JSON values, each strict about what it takes. For what is read on the way to a verdict: there, loading a schema
 * library costs more than all else that is read (docs/decisions/003-dependencies.md).
 */

/** Makes a value of what `JSON.parse` gave. `path`: the members and indexes that lead to it. Throws `Unfit`. */
export type Shape<T> = (value: unknown, path: readonly (string | number)[]) => T;

/** Where a value is not what its shape has there. */
export class Unfit extends Error {
  readonly path: string;

  constructor(path: readonly (string | number)[], message: string) {
    super(message);
    this.path = path.join(".");
  }
}

/** `value` read by `shape`, or where it does not fit. */
export function readShape<T>(shape: Shape<T>, value: unknown): { readonly value: T } | { readonly unfit: Unfit } {
  try {
    return { value: shape(value, []) };
  } catch (error) {
    if (!(error instanceof Unfit)) throw error;
    return { unfit: error };
  }
}

/** A text of `least` to `most` UTF-16 units. */
export function text(least = 0, most = Number.POSITIVE_INFINITY): Shape<string> {
  return (value, path) => {
    if (typeof value !== "string") throw expected("a text", value, path);
    if (value.length < least) throw new Unfit(path, least === 1 ? "empty" : `shorter than ${least}`);
    if (value.length > most) throw new Unfit(path, `longer than ${most}`);
    return value;
  };
}

/** A whole number from 0 that JavaScript holds exactly. */
export const wholeNumber: Shape<number> = (value, path) => {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw expected("a whole number from 0", value, path);
};

export const anything: Shape<unknown> = (value) => value;

/** A JSON object with any members, one called `__proto__` too: what was signed is claimed as it was signed. */
export const anyObject: Shape<Readonly<Record<string, unknown>>> = (value, path) => {
  if (isObject(value)) return value;
  throw expected("an object", value, path);
};

/** Absent and `null` alike: Go programs write `null` for what they leave out. */
export function optional<T>(shape: Shape<T>): Shape<T | undefined> {
  return (value, path) => (value === undefined || value === null ? undefined : shape(value, path));
}

export function refined<T, U extends T>(shape: Shape<T>, holds: (value: T) => value is U, message: string): Shape<U>;
export function refined<T>(shape: Shape<T>, holds: (value: T) => boolean, message: string): Shape<T>;
export function refined<T>(shape: Shape<T>, holds: (value: T) => boolean, message: string): Shape<T> {
  return (value, path) => {
    const read = shape(value, path);
    if (holds(read)) return read;
    throw new Unfit(path, message);
  };
}

export function listOf<T>(shape: Shape<T>, least = 0, most = Number.POSITIVE_INFINITY): Shape<readonly T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) throw expected("a list", value, path);
    if (value.length < least || value.length > most) throw new Unfit(path, `${value.length} entries`);
    return value.map((entry, index) => shape(entry, [...path, index]));
  };
}

/** An object whose members, whatever their names, have one shape. */
export function mapOf<T>(shape: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return (value, path) => {
    const members = Object.entries(anyObject(value, path));
    return Object.fromEntries(members.map(([name, member]) => [name, shape(member, [...path, name])]));
  };
}

type Members<Shapes> = { readonly [Name in keyof Shapes]: Shapes[Name] extends Shape<infer T> ? T : never };

/** An object with these members; others are passed over, and left out of the result. */
export function objectOf<const Shapes extends Readonly<Record<string, Shape<unknown>>>>(
  shapes: Shapes,
): Shape<Members<Shapes>> {
  const members = Object.entries(shapes);
  return (value, path) => {
    const given = anyObject(value, path);
    const read: Record<string, unknown> = {};
    for (const [name, shape] of members) {
      const member = shape(Object.hasOwn(given, name) ? given[name] : undefined, [...path, name]);
      if (member !== undefined) read[name] = member;
    }
    return read as Members<Shapes>;
  };
}

/** An object with these members and no others. */
export function strictObjectOf<const Shapes extends Readonly<Record<string, Shape<unknown>>>>(
  shapes: Shapes,
): Shape<Members<Shapes>> {
  const read = objectOf(shapes);
  return (value, path) => {
    for (const name of Object.keys(anyObject(value, path))) {
      if (!Object.hasOwn(shapes, name)) throw new Unfit(path, `a member ${JSON.stringify(name.slice(0, 80))} is there`);
    }
    return read(value, path);
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function expected(what: string, value: unknown, path: readonly (string | number)[]): Unfit {
  const found =
    value === undefined ? "nothing" : value === null ? "null" : Array.isArray(value) ? "a list" : kindOf(value);
  return new Unfit(path, `expected ${what}, found ${found}`);
}

function kindOf(value: unknown): string {
  if (typeof value === "string") return "a text";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
