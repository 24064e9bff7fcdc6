import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseChallenges } from "../../src/oci/challenge.ts";

const plain = (header: string) =>
  parseChallenges(header).map(({ scheme, parameters }) => ({ scheme, ...Object.fromEntries(parameters) }));

describe("a WWW-Authenticate header", () => {
  it("gives realm, service and scope of docker's token protocol", () => {
    const header =
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull,push"';
    expect(plain(header)).toEqual([
      {
        scheme: "bearer",
        realm: "https://auth.docker.io/token",
        service: "registry.docker.io",
        scope: "repository:library/alpine:pull,push",
      },
    ]);
  });

  it.each([
    ["Basic", [{ scheme: "basic" }]],
    ["BASIC realm=simple", [{ scheme: "basic", realm: "simple" }]],
    ['Basic Realm = "a \\"b\\" c"', [{ scheme: "basic", realm: 'a "b" c' }]],
    ['Negotiate, Basic realm="a, b"', [{ scheme: "negotiate" }, { scheme: "basic", realm: "a, b" }]],
    ["Negotiate dG9rZW4=, Basic realm=x", [{ scheme: "negotiate" }, { scheme: "basic", realm: "x" }]],
    [
      ', , Bearer realm="r" , service=s ,, Basic',
      [{ scheme: "bearer", realm: "r", service: "s" }, { scheme: "basic" }],
    ],
  ])("reads %s", (header, expected) => {
    expect(plain(header)).toEqual(expected);
  });

  it.each([
    ["", []],
    ["realm=x", []],
    ['Bearer realm="open', []],
    ['Bearer realm="a"b', []],
    ["Bearer realm=a b", []],
    ['Basic realm=x, Digest realm=y, Bearer realm="open', [{ scheme: "basic", realm: "x" }]],
    ["Bearer realm=a, realm=b, Basic", [{ scheme: "basic" }]],
  ])("keeps only what is sound of %j", (header, expected) => {
    expect(plain(header)).toEqual(expected);
  });

  const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}$/);
  const value = fc.string({ unit: fc.constantFrom(..."ab ,=\"\\'/:;é\t"), maxLength: 12 });
  const challenge = fc.record({
    scheme: token,
    parameters: fc.uniqueArray(fc.tuple(token, value), { maxLength: 4, selector: ([name]) => name.toLowerCase() }),
  });
  const quote = (text: string) => `"${text.replace(/["\\]/g, "\\$&")}"`;

  it("reads back whatever challenges were written into it", () => {
    fc.assert(
      fc.property(fc.array(challenge, { maxLength: 5 }), (challenges) => {
        const header = challenges
          .map(({ scheme, parameters }) => {
            const written = parameters.map(([name, text]) => `${name}=${quote(text)}`);
            return [scheme, written.join(", ")].join(" ").trimEnd();
          })
          .join(", ");
        expect(plain(header)).toEqual(
          challenges.map(({ scheme, parameters }) => ({
            scheme: scheme.toLowerCase(),
            ...Object.fromEntries(parameters.map(([name, text]) => [name.toLowerCase(), text])),
          })),
        );
      }),
    );
  });

  it("never throws, and stays linear", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'aB= ,"\\\t\n;:/') }), (header) => {
        parseChallenges(header);
      }),
    );
    const start = performance.now();
    parseChallenges(`Bearer realm="${"\\".repeat(100_000)}`);
    parseChallenges(`Bearer ${"a=b,".repeat(50_000)}`);
    expect(performance.now() - start).toBeLessThan(500);
  });
});
