import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  anyObject,
  anything,
  listOf,
  mapOf,
  objectOf,
  optional,
  readShape,
  refined,
  type Shape,
  strictObjectOf,
  text,
  wholeNumber,
} from "../../src/model/shape.ts";

const read = <T>(shape: Shape<T>, json: string) => {
  const result = readShape(shape, JSON.parse(json));
  return "value" in result ? result.value : `${result.unfit.path}: ${result.unfit.message}`;
};

describe("a value that fits", () => {
  const person = objectOf({ name: text(1, 5), age: optional(wholeNumber), tags: optional(listOf(text(), 1, 2)) });

  it("comes out with the members that are known, and no others", () => {
    expect(read(person, '{"name":"Ada","age":36,"tags":["x"],"else":1}')).toStrictEqual({
      name: "Ada",
      age: 36,
      tags: ["x"],
    });
  });

  it("may leave out what is optional, or write null for it", () => {
    expect(read(person, '{"name":"Ada","age":null}')).toStrictEqual({ name: "Ada" });
  });

  it("keeps a member called __proto__ as a member like any other", () => {
    expect(Object.keys(Object(read(mapOf(text()), '{"__proto__":"x","a":"b"}')))).toEqual(["__proto__", "a"]);
    expect(Object.keys(Object(read(anyObject, '{"__proto__":{"a":1}}')))).toEqual(["__proto__"]);
  });
});

describe("a value that does not fit", () => {
  const shape = objectOf({
    list: listOf(objectOf({ size: wholeNumber })),
    name: refined(text(), (value) => value !== "root", "not for root"),
  });

  it.each([
    ["null", ": expected an object, found null"],
    ["[]", ": expected an object, found a list"],
    ['{"name":"x"}', "list: expected a list, found nothing"],
    ['{"list":{},"name":"x"}', "list: expected a list, found an object"],
    ['{"list":[{"size":1},{"size":1.5}],"name":"x"}', "list.1.size: expected a whole number from 0, found a number"],
    ['{"list":[{"size":-1}],"name":"x"}', "list.0.size: expected a whole number from 0, found a number"],
    ['{"list":[{"size":"1"}],"name":"x"}', "list.0.size: expected a whole number from 0, found a text"],
    ['{"list":[{"size":9007199254740992}],"name":"x"}', "list.0.size: expected a whole number from 0, found a number"],
    ['{"list":[],"name":true}', "name: expected a text, found a boolean"],
    ['{"list":[],"name":"root"}', "name: not for root"],
  ])("%s is refused, and where is told: %s", (json, told) => {
    expect(read(shape, json)).toBe(told);
  });

  it("is one with a list or a text of another length", () => {
    expect(read(listOf(anything, 1, 2), "[]")).toBe(": 0 entries");
    expect(read(listOf(anything, 1, 2), "[1,2,3]")).toBe(": 3 entries");
    expect(read(text(1), '""')).toBe(": empty");
    expect(read(text(0, 2), '"abc"')).toBe(": longer than 2");
  });

  it("is one with a member too many, where all must be understood", () => {
    expect(read(strictObjectOf({ a: text() }), '{"a":"x","b":1}')).toBe(': a member "b" is there');
    expect(read(strictObjectOf({ a: text() }), '{"a":"x","__proto__":1}')).toBe(': a member "__proto__" is there');
  });

  it("never takes a member from the prototype for one of its own", () => {
    expect(read(objectOf({ constructor: anything, toString: optional(anything) }), "{}")).toStrictEqual({});
    expect(read(objectOf({ constructor: text() }), "{}")).toBe("constructor: expected a text, found nothing");
  });
});

describe("any JSON value", () => {
  it("is either read, or refused with a path that leads to a part of it", () => {
    const shape = mapOf(listOf(objectOf({ a: optional(text()) })));
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const result = readShape(shape, value);
        if ("value" in result) {
          expect(typeof value === "object" && value !== null && !Array.isArray(value)).toBe(true);
          return;
        }
        expect(result.unfit.message).toMatch(/^expected /);
      }),
    );
  });

  it("that is a map of texts comes out equal", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string()), (map) => {
        expect(read(mapOf(text()), JSON.stringify(map))).toEqual(JSON.parse(JSON.stringify(map)));
      }),
    );
  });
});
