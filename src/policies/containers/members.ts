import { anyObject, type Shape, text, Unfit } from "../../model/shape.ts";

/** Where a key or certificate comes from: a file, named as containers/image names it, or the document itself. */
export type Source = { readonly path: string } | { readonly data: Uint8Array };

/** The members of an object that may have these and no others. */
export function members(
  value: unknown,
  path: readonly (string | number)[],
  names: readonly string[],
): Readonly<Record<string, unknown>> {
  const given = anyObject(value, path);
  for (const name of Object.keys(given)) {
    if (!names.includes(name))
      throw new Unfit(path, `the member ${JSON.stringify(name.slice(0, 80))} is unknown there`);
  }
  return given;
}

/** What exactly one of several members says. */
export function exactlyOne<T>(
  given: Readonly<Record<string, unknown>>,
  path: readonly (string | number)[],
  shapes: Readonly<Record<string, Shape<T>>>,
): T {
  const [found, ...others] = Object.entries(shapes).filter(([name]) => Object.hasOwn(given, name));
  if (found === undefined || others.length > 0) {
    throw new Unfit(path, `exactly one of ${Object.keys(shapes).join(", ")} must stand there`);
  }
  const [name, shape] = found;
  return shape(given[name], [...path, name]);
}

/** As Go's encoding/json takes octets: standard base64 with its padding, line ends passed over. */
export const base64: Shape<Uint8Array> = (value, path) => {
  const compact = text()(value, path).replace(/[\r\n]/g, "");
  if (compact.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(compact)) {
    return new Uint8Array(Buffer.from(compact, "base64"));
  }
  throw new Unfit(path, "not base64");
};
